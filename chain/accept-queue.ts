// Checked blocks of another lane on their way to its disk: those that wait while one sync is under way share
// the next one.
//
// Invariants
//   Q1. They are written in the order in which they were given, and acknowledged only when durable.
//   Q2. After a failure nothing that waited is written: it would not follow what the disk holds.

import { invariant } from '../core/index.ts'
import type { Tip } from './block.ts'
import type { Batch, LaneStore } from './lane-store.ts'
import { ACCEPT_SYNC_BYTES } from './limits.ts'

interface Waiting {
  readonly batch: Batch
  readonly bytes: number
  readonly done: PromiseWithResolvers<void>
}

export interface AcceptQueueDeps {
  readonly store: Pick<LaneStore, 'append' | 'tip'>
  /** Told of each new end of the lane, once it is durable. */
  readonly onWritten: (tip: Tip) => void
}

export class AcceptQueue {
  readonly #deps: AcceptQueueDeps
  #waiting: Waiting[] = []
  #writing: Promise<void> | null = null
  /** The end of the lane once all that waits is written. */
  #tip: Tip | null = null

  constructor(deps: AcceptQueueDeps) {
    this.#deps = deps
  }

  /** What the next batch must follow. */
  get tip(): Tip {
    return this.#tip ?? this.#deps.store.tip
  }

  /** Durable once resolved. The caller has made sure that it follows `tip`. Rejects as the store does. */
  push(batch: Batch): Promise<void> {
    const bytes = batch.parts.reduce((sum, part) => sum + part.length, 0)
    const waiting = { batch, bytes, done: Promise.withResolvers<void>() }
    this.#waiting.push(waiting)
    this.#tip = batch.tip
    this.#writing ??= this.#write()
    return waiting.done.promise
  }

  /** Resolves, never rejects, when nothing waits any more. */
  async settled(): Promise<void> {
    await this.#writing
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const taken = this.#take()
      const batch = joined(taken.map((waiting) => waiting.batch))
      try {
        await this.#deps.store.append(batch)
      } catch (error) {
        for (const { done } of [...taken, ...this.#waiting]) done.reject(error) // Q2
        this.#waiting = []
        break
      }
      this.#deps.onWritten(batch.tip)
      for (const { done } of taken) done.resolve()
    }
    this.#tip = null
    this.#writing = null
  }

  /** As many of the oldest as share a sync, at least one. */
  #take(): readonly Waiting[] {
    let bytes = 0
    let count = 0
    for (const waiting of this.#waiting) {
      bytes += waiting.bytes
      if (count > 0 && bytes > ACCEPT_SYNC_BYTES) break
      count += 1
    }
    return this.#waiting.splice(0, count)
  }
}

function joined(batches: readonly Batch[]): Batch {
  let start = 0
  const records: Batch['records'][number][] = []
  for (const batch of batches) {
    for (const { height, offset } of batch.records) records.push({ height, offset: start + offset })
    for (const part of batch.parts) start += part.length
  }
  const last = batches.at(-1)
  invariant(last !== undefined, 'At least one batch is taken')
  return { parts: batches.flatMap(({ parts }) => parts), records, tip: last.tip }
}
