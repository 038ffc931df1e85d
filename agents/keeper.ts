// Keeps agents for the next kernel, as they change.
//
// Invariants
//   P1. Writes of one agent happen one after the other, the newest state last.
//   P2. Only what is to outlive its kernel is kept: `temporary` agents are not, nor those of a process, which end
//       with it.

import { equalBytes } from '../core/index.ts'
import type { Logger, Pid } from '../core/index.ts'
import type { AgentRecord, AgentStore } from './ports.ts'
import { encodeAgent } from './record.ts'

export interface KeeperDeps {
  readonly store: AgentStore
  readonly log: Logger
}

const PROCESS_PREFIX = 'process:'

export class Keeper {
  readonly #deps: KeeperDeps
  readonly #kept = new Map<Pid, { readonly bytes: Uint8Array; readonly written: Promise<void> }>()
  readonly #writing = new Set<Promise<void>>()

  constructor(deps: KeeperDeps) {
    this.#deps = deps
  }

  /** What the store has said, at the start. */
  found(record: AgentRecord): void {
    this.#kept.set(record.pid, { bytes: encodeAgent(record), written: Promise.resolve() })
  }

  note(record: AgentRecord): void {
    if (record.restart === 'temporary' || record.requester.startsWith(PROCESS_PREFIX)) return // P2
    const before = this.#kept.get(record.pid)
    const bytes = encodeAgent(record)
    if (before !== undefined && equalBytes(before.bytes, bytes)) return
    const write = (): Promise<void> => this.#deps.store.put(record)
    const written = this.#after(before?.written, write)
    this.#kept.set(record.pid, { bytes, written })
    // What could not be written is written with the next change, though nothing else of it changes.
    written.catch(() => {
      if (this.#kept.get(record.pid)?.written === written) this.#kept.delete(record.pid)
    })
  }

  forget(pid: Pid): void {
    const before = this.#kept.get(pid)
    if (before === undefined) return
    this.#kept.delete(pid)
    void this.#after(before.written, () => this.#deps.store.delete(pid))
  }

  /** Durable once resolved: the newest that `note` was told of it. Rejects where it could not be written. */
  async kept(pid: Pid): Promise<void> {
    await this.#kept.get(pid)?.written
  }

  /** Resolves when nothing is being written any more. Never rejects. */
  async settled(): Promise<void> {
    while (this.#writing.size > 0) await Promise.all(this.#writing)
  }

  // P1
  #after(before: Promise<void> = Promise.resolve(), write: () => Promise<void>): Promise<void> {
    const written = before.catch(() => undefined).then(write)
    const watched = written
      .catch((error: unknown) => {
        this.#deps.log.error('Cannot keep an agent for the next kernel', { why: String(error) })
      })
      .finally(() => this.#writing.delete(watched))
    this.#writing.add(watched)
    return written
  }
}
