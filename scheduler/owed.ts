// Tasks that were given up while their executors were out of reach. When such an executor is back it is
// told to end the command: the result that then comes is fenced. Part of the origin's driver.

import type { NodeId } from '../core/index.ts'
import type { Entry, EntryOwner } from './origin-entry.ts'
import type { ExecutorClient } from './ports.ts'
import { currentEpoch } from './task.ts'

export interface OwedDeps {
  readonly executors: ExecutorClient
  readonly owner: EntryOwner
}

export class Owed {
  readonly #deps: OwedDeps
  readonly #entries = new Set<Entry>()

  constructor(deps: OwedDeps) {
    this.#deps = deps
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0
  }

  add(entry: Entry): void {
    this.#entries.add(entry)
  }

  remove(entry: Entry): void {
    this.#entries.delete(entry)
  }

  tell(reachable: ReadonlySet<NodeId>): void {
    for (const entry of this.#entries) {
      const { phase, taskId } = entry.task
      const epoch = currentEpoch(entry.task)
      if (phase.kind !== 'ended' || phase.executor === null || epoch === null) continue
      if (!reachable.has(phase.executor)) continue
      this.#entries.delete(entry)
      this.#deps.executors
        .cancel(phase.executor, { taskId, epoch })
        .then(() => this.#deps.owner.step(entry, { kind: 'settled' }))
        .catch(() => this.#entries.add(entry)) // Told when it is back again.
    }
  }
}
