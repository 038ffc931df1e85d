// Containment on Linux by bubblewrap: user, pid, ipc, uts, cgroup and net namespaces, no capabilities, a
// seccomp filter, and a file system made of what was granted.
//
// Invariants
//   B1. Nothing that a requester wrote reaches the program that confines: its own environment is made here,
//       and the environment and arguments of the process go through a file and behind `--`.
//   B2. A granted path is opened once, without following links, and that very folder is shown: what is swapped
//       afterwards is not seen.
//   B3. When the program that confines ends, of whatever cause, all inside ends: its first process is the
//       init of a pid namespace and dies with it.

import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  lstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { DEFAULT_SANDBOX, formatGrant, isPathWithin } from '../../core/index.ts'
import type { Grant, Limits } from '../../core/index.ts'
import { openArguments } from './argument-file.ts'
import type { GroupMaker } from './cgroups.ts'
import { closedNames, grantedFolders } from './closed-places.ts'
import { copiedEtc } from './etc.ts'
import { entering } from './entering.ts'
import { GrantRefusedError } from './errors.ts'
import { gpuBinds } from './gpu-devices.ts'
import { MEMORY_FOLDER_BYTES_MAX, PIDS_DEFAULT } from './limits.ts'
import type { Containment, Egress, LaunchPlan, LaunchWish, ToldPlan, WaitingPlan } from './ports.ts'
import { openFolder } from './open-folder.ts'
import { foundProgram } from './program.ts'
import {
  EGRESS_SOCKET,
  guardedView,
  insideOf,
  KERNEL_SOCKET,
  passedVariables,
  PATH_INSIDE,
  PROC_MASKED_FILES,
  PROC_MASKED_FOLDERS,
  PROC_READ_ONLY,
  SYSTEM_FOLDERS,
  TASK_FOLDER
} from './view.ts'
import type { Seen } from './view.ts'
import { SOCKET_VARIABLE } from '../processes/environment.ts'
import { BadDirectoryError } from '../processes/errors.ts'
import { toldBytes, waitingCommand } from './waiting.ts'

const { O_RDONLY } = constants

export interface BubblewrapDeps {
  readonly groups: GroupMaker
  /** The way out; null: none is built in, and `net:` grants are refused. */
  readonly egress: Egress | null
}

export interface BubblewrapOptions {
  /** Where bubblewrap lies. */
  readonly program: string
  /** Whether it can show an open folder (`--bind-fd`): without, a granted folder is looked up twice. */
  readonly canBindOpen: boolean
  readonly filter: Uint8Array
  /** Of this kernel alone, mode 0700: for short-lived files. */
  readonly runDirectory: string
  /** What no grant may show: the weaver's home. */
  readonly closedPaths: readonly string[]
  /** Of whoever runs the kernel: `env:` grants name what may be handed on of it. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** What goes to descriptors of the child, in the order in which they are numbered. */
class Descriptors {
  readonly open: number[] = []

  /** The number that it will have in the child. */
  add(descriptor: number): number {
    this.open.push(descriptor)
    return this.open.length + 2
  }

  close(): void {
    for (const descriptor of this.open.splice(0)) closeSync(descriptor)
  }
}

export class Bubblewrap implements Containment {
  readonly name = 'bubblewrap'
  readonly #deps: BubblewrapDeps
  readonly #options: BubblewrapOptions
  readonly #system: { readonly args: readonly string[]; readonly seen: readonly Seen[] }
  readonly #filterPath: string
  #files = 0

  constructor(deps: BubblewrapDeps, options: BubblewrapOptions) {
    this.#deps = deps
    this.#options = options
    this.#system = systemView(
      copiedEtc(join(options.runDirectory, 'etc')),
      closedNames(options.closedPaths)
    )
    this.#filterPath = join(options.runDirectory, 'seccomp.bpf')
    writeFileSync(this.#filterPath, options.filter, { mode: 0o600 })
  }

  async plan(wish: LaunchWish): Promise<LaunchPlan | ToldPlan> {
    const descriptors = new Descriptors()
    try {
      return await this.#plan(wish, descriptors)
    } catch (error) {
      descriptors.close()
      throw error
    }
  }

  inside(osPid: number): number | null {
    const init = childrenOf(osPid)[0] // The init of its pid namespace,
    return init === undefined ? null : (childrenOf(init)[0] ?? null) // and the command, its first child.
  }

  waiting(): WaitingPlan {
    this.#files += 1
    const wished = { ...NO_LIMITS, pids: PIDS_DEFAULT }
    const kept = { demanded: NO_LIMITS, isKillable: false } // B3 ends it.
    const group = this.#deps.groups.make(`waiting-${this.#files}`, wished, kept)
    const descriptors = new Descriptors()
    descriptors.add(openSync(this.#filterPath, O_RDONLY))
    return {
      command: waitingCommand(this.#options.program, group?.joinFiles ?? []),
      environment: {},
      directory: '/',
      descriptors: descriptors.open,
      group,
      release: () => descriptors.close()
    }
  }

  async #plan(wish: LaunchWish, descriptors: Descriptors): Promise<LaunchPlan | ToldPlan> {
    const { closedPaths } = this.#options
    const { grants, limits, directory, isOwnDirectory, kernelSocket } = wish
    checkGrants(grants, { hasEgress: this.#deps.egress !== null, hasSocket: kernelSocket !== null })
    const granted = grantedFolders(grants, closedPaths)
    const own = { path: directory, inside: TASK_FOLDER, isWritable: true }
    const seen = [...this.#system.seen, ...granted, ...(isOwnDirectory ? [own] : [])]
    const workDirectory = isOwnDirectory ? TASK_FOLDER : insideOf(directory, seen)
    if (workDirectory === null) {
      throw new BadDirectoryError(
        directory,
        `it is not seen inside; give it with --workspace ${directory} or a grant`
      )
    }
    const environment = this.#environment(wish)
    foundProgram({ program: wish.command[0], path: environment['PATH'] ?? '', workDirectory, seen })
    const net = grants.filter(({ kind }) => kind === 'net')
    const egress = net.length === 0 ? null : this.#deps.egress
    if (egress !== null) checkForwarder(egress.program, net)
    const door = await egress?.open(wish.pid, net, wish.watch)
    const shown = {
      granted: guardedView(granted, wish.guards).flatMap((it) =>
        granted.includes(it) ? this.#bind(it, descriptors) : this.#guard(it, descriptors)
      ),
      // Made by this kernel, in its home: nobody else can put another in its place.
      own: isOwnDirectory
        ? ['--bind', directory, TASK_FOLDER]
        : ['--perms', '0700', '--tmpfs', TASK_FOLDER],
      doors: [
        ...(door === undefined ? [] : ['--bind', door, EGRESS_SOCKET]),
        ...(kernelSocket === null ? [] : ['--bind', kernelSocket, KERNEL_SOCKET])
      ]
    }
    const args = [
      ...WALLS,
      ...this.#system.args,
      ...gpuBinds(wish.gpus),
      ...(isOwnDirectory ? [] : shown.own),
      ...shown.granted,
      ...(isOwnDirectory ? shown.own : []),
      ...shown.doors,
      '--remount-ro',
      '/',
      ...Object.entries(environment).flatMap(([name, value]) => ['--setenv', name, value]),
      '--chdir',
      workDirectory
    ]
    const command = egress?.entering(EGRESS_SOCKET, wish.command) ?? wish.command
    const isPlain = descriptors.open.length === 0 && egress === null && isUnlimited(limits)
    const told =
      wish.isWaitedFor && isPlain ? toldBytes({ ...wish, args, command }, wish.hasInput) : null
    return told === null ? this.#spawned(wish, { args, command, descriptors }) : { told }
  }

  #spawned(
    { pid, limits, mark }: LaunchWish,
    parts: {
      readonly args: readonly string[]
      readonly command: readonly [string, ...string[]]
      readonly descriptors: Descriptors
    }
  ): LaunchPlan {
    const { descriptors, command } = parts
    const filter = String(descriptors.add(openSync(this.#filterPath, O_RDONLY)))
    this.#files += 1
    const path = join(this.#options.runDirectory, `launch-${this.#files}`)
    const args = openArguments(path, [...parts.args, '--seccomp', filter])
    const argsDescriptor = descriptors.add(args)
    const wished = { ...limits, pids: limits.pids ?? PIDS_DEFAULT }
    const kept = { demanded: limits, isKillable: false } // B3 ends it.
    const group = this.#deps.groups.make(String(pid), wished, kept)
    const confined = [this.#options.program, '--args', String(argsDescriptor), '--', ...command]
    return {
      command: entering(group?.joinFiles ?? [], confined),
      environment: { [mark[0]]: mark[1] }, // B1
      directory: '/',
      descriptors: descriptors.open,
      group,
      release: () => descriptors.close()
    }
  }

  #environment({
    environment,
    given,
    grants,
    mark,
    kernelSocket
  }: LaunchWish): Record<string, string> {
    const passed = passedVariables(grants, this.#options.environment)
    const net = grants.filter(({ kind }) => kind === 'net')
    const proxy = net.length === 0 ? {} : this.#deps.egress?.variables(net)
    const socket = kernelSocket === null ? {} : { [SOCKET_VARIABLE]: KERNEL_SOCKET }
    const own = { ...socket, [mark[0]]: mark[1] }
    return { ...environment, ...INSIDE, ...proxy, ...given, ...passed, ...own }
  }

  #bind({ path, inside, isWritable }: Seen, descriptors: Descriptors): readonly string[] {
    const open = openFolder(path)
    if (!this.#options.canBindOpen) {
      closeSync(open)
      return [isWritable ? '--bind' : '--ro-bind', path, inside]
    }
    return [isWritable ? '--bind-fd' : '--ro-bind-fd', String(descriptors.add(open)), inside] // B2
  }

  /** What has gone since it was looked at, or has become a link, cannot be closed: it will show as changed. */
  #guard(seen: Seen, descriptors: Descriptors): readonly string[] {
    try {
      return this.#bind(seen, descriptors)
    } catch (error) {
      if (error instanceof GrantRefusedError) return []
      throw error
    }
  }
}

const NO_LIMITS = DEFAULT_SANDBOX.limits
const INSIDE = { PATH: PATH_INSIDE, HOME: TASK_FOLDER, TMPDIR: '/tmp' }

/** What every contained process has around it. */
export const WALLS: readonly string[] = [
  '--unshare-user',
  '--unshare-pid',
  '--unshare-ipc',
  '--unshare-uts',
  '--unshare-cgroup-try',
  '--unshare-net',
  '--die-with-parent',
  '--new-session',
  '--cap-drop',
  'ALL',
  // A kernel that runs as root shows as an ordinary user inside, as programs expect of one without rights.
  ...(process.getuid?.() === 0 ? ['--uid', '1000', '--gid', '1000'] : []),
  '--hostname',
  'weaver',
  '--clearenv'
]

function isUnlimited(limits: Limits): boolean {
  return Object.values(limits).every((value) => value === null)
}

/** Whether what is asked for can be given at all. */
function checkGrants(
  grants: readonly Grant[],
  { hasEgress, hasSocket }: { readonly hasEgress: boolean; readonly hasSocket: boolean }
): void {
  for (const grant of grants) {
    // Variables and secrets are in its environment already.
    if (['fs.read', 'fs.write', 'env', 'secret'].includes(grant.kind)) continue
    if (grant.kind === 'net') {
      if (hasEgress) continue
      throw new GrantRefusedError(
        formatGrant(grant),
        'this kernel has no way out for contained processes'
      )
    }
    if (hasSocket) continue
    throw new GrantRefusedError(formatGrant(grant), 'this kernel gives processes no way to ask')
  }
}

/** What stands between programs inside and the socket has to be there. */
function checkForwarder(program: string, net: readonly Grant[]): void {
  try {
    accessSync(program, constants.X_OK)
  } catch {
    const [grant] = net
    const why = `the way out needs ${program}, which is not on this machine: install perl`
    throw new GrantRefusedError(grant === undefined ? '' : formatGrant(grant), why)
  }
}

function systemView(
  etc: string,
  closed: readonly string[]
): {
  readonly args: readonly string[]
  readonly seen: readonly Seen[]
} {
  const args: string[] = []
  const seen: Seen[] = []
  for (const folder of SYSTEM_FOLDERS) {
    const stat = lstatSync(folder, { throwIfNoEntry: false })
    if (stat === undefined) continue
    seen.push({ path: folder, inside: folder, isWritable: false })
    if (stat.isSymbolicLink()) args.push('--symlink', readlinkSync(folder), folder)
    else args.push('--ro-bind', folder, folder)
  }
  // A home in a system folder (V2): what lies there is covered.
  for (const path of closed) {
    if (!SYSTEM_FOLDERS.some((folder) => isPathWithin(path, folder))) continue
    if (existsSync(path)) args.push('--tmpfs', path)
  }
  args.push('--ro-bind', etc, '/etc', '--proc', '/proc', '--dev', '/dev')
  seen.push({ path: etc, inside: '/etc', isWritable: false })
  // What is written there is the machine's: a kernel that runs as root would own it also inside.
  for (const name of PROC_READ_ONLY) args.push('--ro-bind-try', `/proc/${name}`, `/proc/${name}`)
  for (const name of PROC_MASKED_FILES) {
    if (isReadable(`/proc/${name}`)) args.push('--ro-bind', '/dev/null', `/proc/${name}`)
  }
  for (const name of PROC_MASKED_FOLDERS) {
    if (isReadable(`/proc/${name}`)) args.push('--tmpfs', `/proc/${name}`)
  }
  // Each mount costs a tenth of a millisecond: links stand in where they do as well.
  const size = ['--size', String(MEMORY_FOLDER_BYTES_MAX)]
  args.push('--perms', '1777', ...size, '--tmpfs', '/dev/shm', '--remount-ro', '/dev')
  args.push(
    '--perms',
    '1777',
    ...size,
    '--tmpfs',
    '/tmp',
    '--dir',
    '/var',
    '--symlink',
    '/tmp',
    '/var/tmp'
  )
  args.push('--perms', '0755', '--dir', '/run', '--symlink', '/run', '/var/run')
  return { args, seen }
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK)
    return true
  } catch {
    return false // Not there, or closed to this user anyway.
  }
}

function childrenOf(osPid: number): readonly number[] {
  try {
    const text = readFileSync(`/proc/${osPid}/task/${osPid}/children`, 'utf8')
    return text
      .split(' ')
      .filter((item) => item !== '')
      .map(Number)
  } catch {
    return [] // It has ended.
  }
}
