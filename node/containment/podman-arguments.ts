// What podman is told, and what it is given to read: pure.
//
// Invariants
//   P1. Nothing that a requester wrote stands before the image among the arguments, but paths and the image's name,
//       whose forms are checked; values of variables are in no argument, where every user could read them.
//   P2. Whatever podman's own configuration says, each wall is named here.

import { posix } from 'node:path'
import { formatGrant } from '../../core/index.ts'
import type { Grant, Limits } from '../../core/index.ts'
import { BadDirectoryError } from '../processes/errors.ts'
import { GrantRefusedError, LimitMissingError } from './errors.ts'
import { MEMORY_FOLDER_BYTES_MAX, PIDS_DEFAULT } from './limits.ts'
import type { DevicePlace } from './ports.ts'
import type { PodmanWay } from './podman-detect.ts'
import { TASK_FOLDER } from './view.ts'
import type { Seen } from './view.ts'

export interface ContainerWish {
  readonly name: string
  /** By which a later kernel of the same home finds what was left. */
  readonly home: string
  readonly image: string
  readonly command: readonly [string, ...string[]]
  /** Folders and files of this machine, parents before children. */
  readonly shown: readonly Seen[]
  /** Inside. */
  readonly workDirectory: string
  readonly hasTaskFolder: boolean
  readonly limits: Limits
  readonly environmentFile: string
  readonly pidFile: string
  readonly hasInput: boolean
}

/** Arguments of podman itself, without its own name. */
export function containerArguments(wish: ContainerWish, way: PodmanWay): string[] {
  const memory = `size=${MEMORY_FOLDER_BYTES_MAX},mode=1777`
  return [
    ...way.global,
    'run',
    ...(wish.hasInput ? ['--interactive'] : []),
    ...CLOSED,
    ...way.ulimits,
    `--name=${wish.name}`,
    `--label=${HOME_LABEL}=${wish.home}`,
    `--tmpfs=/tmp:rw,nosuid,nodev,${memory}`,
    ...(wish.hasTaskFolder ? [] : [`--tmpfs=${TASK_FOLDER}:rw,nosuid,nodev,${memory}`]),
    ...wish.shown.map(mount),
    ...limitArguments(wish.limits, way),
    `--env-file=${wish.environmentFile}`,
    `--pidfile=${wish.pidFile}`,
    `--workdir=${wish.workDirectory}`,
    wish.image,
    ...wish.command
  ]
}

/** The label of all containers of one home. */
export const HOME_LABEL = 'weaver.home'

/** What every container has around it. */
export const CLOSED: readonly string[] = [
  '--rm',
  '--pull=never',
  '--network=none',
  '--cap-drop=all',
  '--security-opt=no-new-privileges',
  // Folders of this machine keep the labels that they have.
  '--security-opt=label=disable',
  '--read-only',
  '--read-only-tmpfs=false',
  '--ipc=private',
  '--pid=private',
  '--uts=private',
  '--hostname=weaver',
  // The kernel's own user outside, who owns the folders that it is shown.
  '--user=0:0',
  // The recorded command is what runs, not one that the image puts before it.
  '--entrypoint=',
  '--image-volume=ignore',
  '--http-proxy=false',
  '--env-host=false',
  '--no-healthcheck',
  '--sdnotify=ignore',
  '--log-driver=none'
]

/** @throws WeaverError `CONTAINMENT_GRANT_REFUSED` */
export function checkImageWish(
  grants: readonly Grant[],
  gpus: readonly DevicePlace[],
  image: string
): void {
  for (const grant of grants) {
    if (['fs.read', 'fs.write', 'env'].includes(grant.kind)) continue
    if (grant.kind === 'secret') {
      const secret = `podman keeps the variables of a container (${image}) on its disk: give no secret there`
      throw new GrantRefusedError(formatGrant(grant), secret)
    }
    const why = `a process in an image (${image}) has no network and no socket to ask on: only fs. and env: are given there`
    throw new GrantRefusedError(formatGrant(grant), why)
  }
  if (gpus.length > 0) {
    throw new GrantRefusedError('gpu', `a process in an image (${image}) is given no GPU yet`)
  }
}

/** Where it starts. @throws WeaverError `PROCESS_BAD_DIRECTORY` */
export function directoryInside(directory: string, inside: string | null): string {
  if (inside !== null) return inside
  throw new BadDirectoryError(
    directory,
    `it is not seen inside; give it with --workspace ${directory} or a grant`
  )
}

/** As podman reads it: a line each, nothing quoted. @throws WeaverError `CONTAINMENT_GRANT_REFUSED` */
export function environmentText(environment: Readonly<Record<string, string>>): string {
  return Object.entries(environment)
    .map(([name, value]) => {
      if (/^[A-Za-z_][\w.-]*$/.test(name) && !/[\n\r]/.test(value)) return `${name}=${value}\n`
      const why = 'a variable of a process in an image is one line, and its name letters and digits'
      throw new GrantRefusedError(`env:${name}`, why)
    })
    .join('')
}

function mount({ path, inside, isWritable }: Seen): string {
  for (const text of [path, inside]) {
    // They separate the parts of what podman reads here.
    if (!/[",\n\r]/.test(text) && posix.isAbsolute(text)) continue
    throw new GrantRefusedError(text, 'podman shows no path with a comma, a quote or a line break')
  }
  return `--mount=type=bind,source=${path},destination=${inside}${isWritable ? '' : ',ro=true'}`
}

/** Podman leaves out, with a warning, what this machine's control groups cannot hold for it. */
function limitArguments({ memoryBytes, cpus, pids }: Limits, way: PodmanWay): readonly string[] {
  const asked = { memory: memoryBytes, cpu: cpus, pids }
  for (const [name, value] of Object.entries(asked)) {
    if (value === null || way.controllers.includes(name)) continue
    throw new LimitMissingError(name, 'podman has no control group for it')
  }
  const most = pids ?? (way.controllers.includes('pids') ? PIDS_DEFAULT : null)
  return [
    // With swap at the same number there is none beside the memory.
    ...(memoryBytes === null ? [] : [`--memory=${memoryBytes}`, `--memory-swap=${memoryBytes}`]),
    ...(cpus === null ? [] : [`--cpus=${cpus}`]),
    ...(most === null ? [] : [`--pids-limit=${most}`])
  ]
}
