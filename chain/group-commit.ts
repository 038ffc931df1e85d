// The append queue of the own lane: what waits while one block is being synced becomes the next block.
//
// Invariants
//   G1. An append is acknowledged only when its block is durable, and appends keep their order.
//   G2. The drafts of one append stand together in one block, or none of them does.
//   G3. The queue is bounded; beyond its bound an append is refused at once.
//   G4. An append that is taken into a block can no longer be aborted.

import { entryRef } from './entry.ts'
import type { EntryRef, PendingEntry } from './entry.ts'
import { AppendTooLargeError, ChainStoppedError, QueueFullError } from './errors.ts'
import type { NodeId } from '../core/index.ts'
import {
  APPEND_BYTES_MAX,
  ENTRIES_PER_BLOCK_MAX,
  QUEUE_BYTES_MAX,
  QUEUE_ENTRIES_MAX,
  SALT_BYTES
} from './limits.ts'
import { TABLE_ROW_BYTES } from './record.ts'

interface Waiting {
  readonly entries: readonly PendingEntry[]
  readonly bytes: number
  readonly resolve: (refs: readonly EntryRef[]) => void
  readonly reject: (reason: unknown) => void
  /** Null once taken (G4), or when there is nothing to listen to. */
  stopListening: (() => void) | null
}

export interface GroupCommitDeps {
  readonly lane: NodeId
  /** Makes one block of the entries, durable once resolved to its height. Never called twice at once. */
  readonly commit: (entries: readonly PendingEntry[]) => Promise<number>
}

export class GroupCommit {
  readonly #deps: GroupCommitDeps
  #queue: Waiting[] = []
  #entriesWaiting = 0
  #bytesWaiting = 0
  #running: Promise<void> | null = null
  #isStopped = false

  constructor(deps: GroupCommitDeps) {
    this.#deps = deps
  }

  /** Not `async`: each promise between the disk and the caller is a turn that the next block waits for. */
  append(entries: readonly PendingEntry[], signal?: AbortSignal): Promise<readonly EntryRef[]> {
    if (this.#isStopped) return Promise.reject(new ChainStoppedError())
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    if (entries.length === 0) return Promise.resolve([])
    const bytes = sizeOf(entries)
    if (entries.length > ENTRIES_PER_BLOCK_MAX || bytes > APPEND_BYTES_MAX) {
      const what = `${entries.length} entries of ${bytes} bytes do not fit in one block: must be <= `
      return Promise.reject(
        new AppendTooLargeError(
          `${what}${ENTRIES_PER_BLOCK_MAX} entries and ${APPEND_BYTES_MAX} bytes`
        )
      )
    }
    const isFull =
      this.#entriesWaiting + entries.length > QUEUE_ENTRIES_MAX ||
      this.#bytesWaiting + bytes > QUEUE_BYTES_MAX
    if (isFull) return Promise.reject(new QueueFullError(this.#entriesWaiting, this.#bytesWaiting))
    return this.#enqueue(entries, bytes, signal)
  }

  /** Refuses further appends and resolves when those that wait are settled. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#running
  }

  #enqueue(
    entries: readonly PendingEntry[],
    bytes: number,
    signal: AbortSignal | undefined
  ): Promise<readonly EntryRef[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly EntryRef[]>()
    const waiting: Waiting = { entries, bytes, resolve, reject, stopListening: null }
    if (signal !== undefined) {
      const onAbort = (): void => this.#withdraw(waiting, signal.reason)
      signal.addEventListener('abort', onAbort, { once: true })
      waiting.stopListening = () => signal.removeEventListener('abort', onAbort)
    }
    this.#queue.push(waiting)
    this.#entriesWaiting += entries.length
    this.#bytesWaiting += bytes
    this.#running ??= this.#run()
    return promise
  }

  async #run(): Promise<void> {
    // Appends of one tick share the first block: no window of time, only the end of this turn. The
    // writers that the last block released come back a turn or two after it.
    for (;;) {
      for (let turn = 0; turn < GATHER_TURNS; turn += 1) await Promise.resolve()
      const batch = this.#take()
      if (batch.length === 0) break
      await this.#commit(batch)
    }
    this.#running = null // In the same turn as the last look at the queue: no append is left behind.
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    const { lane, commit } = this.#deps
    try {
      const height = await commit(batch.flatMap((waiting) => waiting.entries))
      let index = 0
      for (const waiting of batch) {
        waiting.resolve(waiting.entries.map(() => entryRef(lane, height, index++)))
      }
    } catch (error) {
      for (const waiting of batch) waiting.reject(error)
    }
  }

  /** As many of the oldest as fit in one block. */
  #take(): readonly Waiting[] {
    let entries = 0
    let bytes = 0
    let count = 0
    for (const waiting of this.#queue) {
      entries += waiting.entries.length
      bytes += waiting.bytes
      if (entries > ENTRIES_PER_BLOCK_MAX || bytes > APPEND_BYTES_MAX) break
      count += 1
    }
    const batch = this.#queue.splice(0, count)
    for (const waiting of batch) this.#leave(waiting)
    return batch
  }

  #withdraw(waiting: Waiting, reason: unknown): void {
    const index = this.#queue.indexOf(waiting)
    if (index === -1) return
    this.#queue.splice(index, 1)
    this.#leave(waiting)
    waiting.reject(reason)
  }

  #leave(waiting: Waiting): void {
    this.#entriesWaiting -= waiting.entries.length
    this.#bytesWaiting -= waiting.bytes
    waiting.stopListening?.()
    waiting.stopListening = null
  }
}

// An `await` of a caller, one of the caller's caller, and one to spare: measured with 64 writers.
const GATHER_TURNS = 4
// Six fields: two texts of three length bytes, a kind of two, two numbers, a hash, the array itself.
const ENTRY_OVERHEAD_BYTES = 80

/** An upper bound of what the entries take in a record. */
function sizeOf(entries: readonly PendingEntry[]): number {
  let bytes = 0
  for (const { kind, actor, subject, payload } of entries) {
    const text = (kind.length + actor.length + subject.length) * 3 // UTF-8 of UTF-16 at worst.
    bytes += text + payload.length + ENTRY_OVERHEAD_BYTES + SALT_BYTES + TABLE_ROW_BYTES
  }
  return bytes
}
