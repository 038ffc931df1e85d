// Ending processes that must not live on.

import type { Clock } from '../../core/index.ts'
import { KILL_ROUND_MS, KILL_ROUNDS_MAX } from './limits.ts'
import { withDescendants } from './os-processes.ts'
import type { OsProcess, OsProcesses } from './os-processes.ts'

const ownPid = process.pid

export interface Killing {
  /** Those that were found and killed. */
  readonly ended: readonly OsProcess[]
  /** False when some lived on: stuck in the system, or forking faster than we kill. */
  readonly isComplete: boolean
}

/**
 * Kills the processes for which `isDoomed` holds and their descendants, until a search finds no more:
 * one that forks during the search is found by the next.
 */
export async function killAll(
  deps: { readonly os: OsProcesses; readonly clock: Clock },
  isDoomed: (process: OsProcess, byPid: ReadonlyMap<number, OsProcess>) => boolean
): Promise<Killing> {
  const ended = new Map<string, OsProcess>()
  for (let round = 0; round < KILL_ROUNDS_MAX; round++) {
    const processes = await deps.os.scan({ withLeashes: true })
    const byPid = new Map(processes.map((process) => [process.osPid, process]))
    // Ourselves spared: a kernel may have been started by a process of its own predecessor.
    const doomed = withDescendants(processes, ownPid, (process) => isDoomed(process, byPid))
    if (doomed.length === 0) return { ended: [...ended.values()], isComplete: true }
    for (const process of doomed) {
      deps.os.signal(process.osPid, 'SIGKILL')
      ended.set(`${process.osPid} ${process.start}`, process)
    }
    await deps.clock.sleep(KILL_ROUND_MS)
  }
  return { ended: [...ended.values()], isComplete: false }
}
