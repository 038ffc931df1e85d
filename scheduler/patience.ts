// How long a task may wait for a place: as long as it may run. Its executor counts again from its start.
// Part of the origin's driver.

import { underEither } from '../core/index.ts'
import type { Clock } from '../core/index.ts'
import type { Entry, EntryOwner } from './origin-entry.ts'

export interface PatienceDeps {
  readonly clock: Clock
  readonly owner: EntryOwner
  readonly stopping: AbortSignal
}

export class Patience {
  readonly #deps: PatienceDeps

  constructor(deps: PatienceDeps) {
    this.#deps = deps
  }

  /** Ends the task when its time is up and it still waits. */
  start(entry: Entry): void {
    if (entry.spec.timeoutMs === null) return
    const { clock, owner, stopping } = this.#deps
    const ended = new AbortController()
    const end = (): void => ended.abort()
    entry.committed.promise.then(end, end)
    const { timeoutMs } = entry.spec
    const wait = underEither(stopping, ended, (either) => clock.sleep(timeoutMs, either))
    const told = wait.then(() => {
      entry.isOverdue = true
      owner.step(entry, overdue(entry))
      return null
    })
    told.catch(() => {}) // It has ended, or the kernel stops.
  }

  /** To be asked before it waits once more: a task that may not is ended. */
  isOver(entry: Entry): boolean {
    if (entry.isOverdue) this.#deps.owner.step(entry, overdue(entry))
    return entry.isOverdue
  }
}

function overdue(entry: Entry): { readonly kind: 'overdue'; readonly reason: string } {
  const seconds = (entry.spec.timeoutMs ?? 0) / 1000
  const why = entry.waitingFor === null ? '' : `: ${entry.waitingFor}`
  return { kind: 'overdue', reason: `it found no place in ${seconds} s${why}` }
}
