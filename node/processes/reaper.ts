// Ends what an earlier kernel of this home left behind. Runs at start, before anything is spawned, while
// this kernel holds the home's lock: so whatever carries this home's mark has no owner.

import type { Clock } from '../../core/index.ts'
import { isLedBy } from './os-processes.ts'
import type { Leader, OsProcess, OsProcesses } from './os-processes.ts'
import { killAll } from './tree.ts'

/** A process that was found without an owner, and ended. */
export interface ReapedProcess {
  readonly osPid: number
  /** The pid it had, or belonged to; null when only the journal led to its group. */
  readonly pid: number | null
  readonly command: string
}

/**
 * By the mark that they carry, and by the journal: a leader only counts while its number and its start
 * time are those written down, so a number that has a new owner is left alone.
 */
export async function reap(
  deps: { readonly os: OsProcesses; readonly clock: Clock },
  options: { readonly home: string; readonly journal: ReadonlyMap<number, Leader> }
): Promise<readonly ReapedProcess[]> {
  const leaders = [...options.journal.values()]
  const { ended } = await killAll(deps, (process, byPid) => {
    if (process.leash?.home === options.home) return true
    return leaders.some((leader) => isAlive(leader, byPid) && isLedBy(process, leader, byPid))
  })
  return ended.map(({ osPid, leash, command }) => ({ osPid, pid: leash?.pid ?? null, command }))
}

// Without its leader a group might be a later one of the same number: then only the mark counts.
function isAlive(leader: Leader, byPid: ReadonlyMap<number, OsProcess>): boolean {
  return byPid.get(leader.osPid)?.start === leader.start
}
