import { ContainmentMissingError } from './errors.ts'
import { Bubblewrap } from './bubblewrap.ts'
import { GroupMaker } from './cgroups.ts'
import type { GroupMakerDeps } from './cgroups.ts'
import { detectContainment } from './detect.ts'
import type { Absent, Detected } from './detect.ts'
import type { Containment, Egress } from './ports.ts'
import { Podman } from './podman.ts'
import { seccompFilter, workerFilter } from './seccomp.ts'
import { Seatbelt } from './seatbelt.ts'
import { BubblewrapWorkers, librariesOf, SeatbeltWorkers } from './workers.ts'
import type { WorkerWalls } from '../../sandbox-wasm/index.ts'

export interface ContainmentOptions {
  readonly home: string
  readonly boot: string
  readonly runDirectory: string
  readonly closedPaths: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly platform: NodeJS.Platform
  readonly arch: string
  /** The Node that runs tools' workers. */
  readonly execPath: string
}

/** How this kernel confines, as far as this machine lets it. */
export interface OpenContainment {
  readonly detected: Detected | Absent
  /** @throws WeaverError `CONTAINMENT_MISSING` */
  containment(): Containment
  /** For those that named an image. */
  readonly podman: Podman
  readonly groups: GroupMaker
  /** Around tools' workers. @throws WeaverError `CONTAINMENT_MISSING` at each of them where there is none */
  readonly workers: WorkerWalls
  /** The way out for `net:` grants. */
  readonly egress: Egress | null
}

/** To be called once, under the home's lock. */
export async function openContainment(
  deps: GroupMakerDeps & { readonly egress: Egress | null },
  options: ContainmentOptions
): Promise<OpenContainment> {
  const detected = await detectContainment(options.platform, options.arch)
  const groups = new GroupMaker(deps, options)
  const podman = new Podman(deps, options)
  await podman.endEarlier()
  const containment = opened(detected, { groups, egress: deps.egress }, options)
  return {
    detected,
    groups,
    podman,
    workers: await openedWorkers(detected, groups, options),
    egress: deps.egress,
    containment: () => {
      if (containment !== null) return containment
      throw missing(detected)
    }
  }
}

function opened(
  detected: Detected | Absent,
  deps: { readonly groups: GroupMaker; readonly egress: Egress | null },
  options: ContainmentOptions
): Containment | null {
  if (detected.name === null) return null
  const { program, canBindOpen } = detected
  if (detected.name === 'sandbox-exec') return new Seatbelt({ ...options, program })
  const filter = seccompFilter(options.arch)
  if (filter === null) return null // Not reached: it was not detected then.
  return new Bubblewrap(deps, { ...options, program, canBindOpen, filter })
}

async function openedWorkers(
  detected: Detected | Absent,
  groups: GroupMaker,
  options: ContainmentOptions
): Promise<WorkerWalls> {
  if (detected.name === 'sandbox-exec') return new SeatbeltWorkers(detected.program)
  const filter = workerFilter(options.arch)
  if (detected.name === null || filter === null) {
    return {
      around: () => {
        throw missing(detected)
      }
    }
  }
  const libraries = await librariesOf(options.execPath)
  const { program } = detected
  return new BubblewrapWorkers({ groups }, { ...options, program, filter, libraries })
}

/** Says what to install, and how to do without: by asking for it. */
export function missing(detected: Detected | Absent): ContainmentMissingError {
  const { why, fix } = detected.name === null ? detected : { why: 'it was not opened', fix: '' }
  return new ContainmentMissingError(
    why,
    `run \`${fix}\` there, or ask for a process that is not contained with --containment none`
  )
}
