// What the operating system knows of its processes, and which of them belong together. The functions
// here are pure; linux-processes.ts and mac-processes.ts ask the system.

import type { Leash } from './environment.ts'

/** One process of this machine at one moment. */
export interface OsProcess {
  readonly osPid: number
  readonly parent: number
  readonly group: number
  readonly session: number
  /** Opaque. Together with `osPid` it names one process for as long as the machine is up. */
  readonly start: string
  readonly isZombie: boolean
  readonly command: string
  /** CPU time of it and of its children that have ended, in milliseconds. */
  readonly cpuMs: number
  readonly residentBytes: number
  /** Null when it carries none, when it may not be seen, or when leashes were not asked for. */
  readonly leash: Leash | null
}

/** The process table of the operating system. */
export interface OsProcesses {
  /** All processes that can be seen. Those that come and go during the call may be missing. */
  scan(options: { readonly withLeashes: boolean }): Promise<readonly OsProcess[]>
  /** The `start` of a process, or null when there is none. Fast: for use right after a spawn. */
  startOf(osPid: number): string | null
  /** Changes whenever the machine starts; a `start` means nothing under another one. */
  bootOf(): string
  /** Signals a process, or a group when `osPid` is negative. False when there was nothing to signal. */
  signal(osPid: number, name: NodeJS.Signals | 0): boolean
}

/** The leader of a process group that we started. */
export interface Leader {
  readonly osPid: number
  readonly start: string
}

/**
 * The processes for which `isSeed` holds, and all that descend from them as far as parents still tell;
 * never `spared` nor what descends from it alone. Zombies are left out: nothing can be done to them,
 * and they do nothing.
 */
export function withDescendants(
  processes: readonly OsProcess[],
  spared: number,
  isSeed: (process: OsProcess) => boolean
): readonly OsProcess[] {
  const mortal = processes.filter((process) => process.osPid !== spared && process.osPid > 1)
  const children = Map.groupBy(mortal, (process) => process.parent)
  const found = new Set<OsProcess>()
  let frontier = mortal.filter(isSeed)
  while (frontier.length > 0) {
    for (const process of frontier) found.add(process)
    frontier = frontier
      .flatMap((process) => children.get(process.osPid) ?? [])
      .filter((process) => !found.has(process))
  }
  return [...found].filter((process) => !process.isZombie)
}

/**
 * Whether the process is in the leader's group or session. A group's number stays taken while it has
 * members, so it speaks for itself unless the leader's own number has a new owner.
 */
export function isLedBy(
  process: OsProcess,
  leader: Leader,
  byPid: ReadonlyMap<number, OsProcess>
): boolean {
  if (process.group !== leader.osPid && process.session !== leader.osPid) return false
  const holder = byPid.get(leader.osPid)
  return holder === undefined || holder.start === leader.start
}

/** Whether a process that was seen before is among `processes`: the same one, not its number alone. */
export function startsMatch(
  processes: readonly OsProcess[]
): (osPid: number, start: string) => boolean {
  const starts = new Map(processes.map((process) => [process.osPid, process.start]))
  return (osPid, start) => starts.get(osPid) === start
}

/** Which of `leaders` each process belongs to: by group or session, else as its parent does. */
export function treesOf<Key>(
  processes: readonly OsProcess[],
  leaders: ReadonlyMap<Key, Leader>
): ReadonlyMap<Key, readonly OsProcess[]> {
  const byPid = new Map(processes.map((process) => [process.osPid, process]))
  const keyOf = new Map<number, Key>([...leaders].map(([key, leader]) => [leader.osPid, key]))
  const owners = new Map<OsProcess, Key | null>()
  const ownerOf = (process: OsProcess): Key | null => {
    const known = owners.get(process)
    if (known !== undefined) return known
    owners.set(process, null) // Ends the walk should parents ever form a ring.
    const key = keyOf.get(process.group) ?? keyOf.get(process.session)
    const leader = key === undefined ? undefined : leaders.get(key)
    const parent = byPid.get(process.parent)
    let owner: Key | null = null
    if (key !== undefined && leader !== undefined && isLedBy(process, leader, byPid)) owner = key
    else if (parent !== undefined) owner = ownerOf(parent)
    owners.set(process, owner)
    return owner
  }
  const trees = new Map<Key, OsProcess[]>([...leaders.keys()].map((key) => [key, []]))
  for (const process of processes) {
    const owner = ownerOf(process)
    if (owner !== null) trees.get(owner)?.push(process)
  }
  return trees
}
