// What a process leaves in the folders that it may write for their owner's tools to obey (attack 26): looked for
// before its start and after its end, and told with that.

import { formatGrant } from '../../core/index.ts'
import type { Logger, Pid } from '../../core/index.ts'
import type { ProcessExit, RunningProcess, SpawnRequest } from '../../agents/index.ts'
import {
  checkGuards,
  lookAtWorkspaces,
  TRAP_NOTE_CHARACTERS_MAX,
  trapChanges,
  trapNote
} from '../containment/index.ts'
import type { Guard, TrapChange } from '../containment/index.ts'

export interface TrapWatch {
  /** What has to be closed for this process. */
  readonly guards: readonly Guard[]
  /** The same process, which tells at its end. */
  follow(process: RunningProcess): RunningProcess
}

export interface TrapWatchDeps {
  readonly log: Logger
  readonly onTraps: (pid: Pid, changes: readonly TrapChange[]) => void
}

/** @throws WeaverError `CONTAINMENT_GRANT_REFUSED` when more would have to be closed than can be */
export async function watchTraps(
  { log, onTraps }: TrapWatchDeps,
  { pid, sandbox }: Pick<SpawnRequest, 'pid' | 'sandbox'>
): Promise<TrapWatch> {
  const writable = sandbox.grants.filter(({ kind }) => kind === 'fs.write')
  if (writable.length === 0) return { guards: [], follow: (process) => process }
  const before = await lookAtWorkspaces(writable)
  if (sandbox.containment === 'os') checkGuards(before, writable)
  const told = async (process: RunningProcess): Promise<ProcessExit> => {
    const exit = await process.exited
    const after = await lookAtWorkspaces(writable)
    const changes = trapChanges(before.places, after.places)
    const note = trapNote(changes, TRAP_NOTE_CHARACTERS_MAX)
    if (note === null) return exit
    const folders = writable.map(formatGrant).join(' ')
    log.warn('A process changed what tools obey', { pid, folders, changes: changes.length })
    onTraps(pid, changes)
    return { ...exit, note }
  }
  return {
    guards: before.guards,
    follow: (process) => ({
      osPid: process.osPid,
      exited: told(process),
      signal: (name) => process.signal(name),
      stop: (graceMs) => process.stop(graceMs),
      detachIo: () => process.detachIo()
    })
  }
}
