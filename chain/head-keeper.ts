// Writes head files a little behind the lanes: a sync of its own after each block would halve the speed
// of a lone writer, and the head file guards against lost tails, not against crashes.

import { millis } from '../core/index.ts'
import type { Clock, Logger } from '../core/index.ts'
import { HEAD_DELAY_MS } from './limits.ts'
import type { LaneStore } from './lane-store.ts'

export interface HeadKeeperDeps {
  readonly clock: Clock
  readonly log: Logger
}

export class HeadKeeper {
  readonly #clock: Clock
  readonly #log: Logger
  readonly #stopping = new AbortController()
  readonly #due = new Set<LaneStore>()
  #writing: Promise<void> | null = null

  constructor(deps: HeadKeeperDeps) {
    this.#clock = deps.clock
    this.#log = deps.log
  }

  /** Sees to it that the store's head file names its tip soon. */
  note(store: LaneStore): void {
    this.#due.add(store)
    this.#writing ??= this.#writeSoon()
  }

  /** Writes what is due and ends. Idempotent. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#writing
  }

  async #writeSoon(): Promise<void> {
    while (this.#due.size > 0) {
      await this.#pause()
      const stores = [...this.#due]
      this.#due.clear()
      for (const store of stores) await this.#write(store)
    }
    this.#writing = null // In the same turn as the last look at what is due: no note is lost.
  }

  async #pause(): Promise<void> {
    try {
      await this.#clock.sleep(millis(HEAD_DELAY_MS), this.#stopping.signal)
    } catch {
      // Stopping: write at once.
    }
  }

  async #write(store: LaneStore): Promise<void> {
    try {
      await store.syncHead()
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      this.#log.error('Could not write the head file of a lane', { lane: store.lane, reason })
    }
  }
}
