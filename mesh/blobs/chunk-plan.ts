// Which chunk to ask of whom. Pure but for its own state: no I/O, no clock.
//
// Invariants
//   P1. A chunk is done once, whoever brought it.
//   P2. A chunk is asked of one source, and of a second one only when every other is asked of somebody.
//   P3. What a source that is gone was asked for is asked of others first.

import type { NodeId } from '../../core/index.ts'
import { BLOB_COPIES_MAX } from './limits.ts'

export class ChunkPlan {
  readonly #done: Uint8Array
  /** In the order in which they were first asked for. */
  readonly #asked = new Map<number, NodeId[]>()
  #returned: number[] = []
  #cursor = 0
  #left: number

  constructor(done: Uint8Array) {
    this.#done = done
    this.#left = done.reduce((left, isDone) => left - isDone, done.length)
  }

  /** Chunks that are not done. */
  get left(): number {
    return this.#left
  }

  isDone(index: number): boolean {
    return this.#done[index] === 1
  }

  /** The next chunk to ask of `source`, or null when there is nothing for it to do. */
  take(source: NodeId): number | null {
    const index = this.#takeReturned() ?? this.#takeNext()
    if (index !== null) {
      this.#asked.set(index, [source])
      return index
    }
    for (const [asked, sources] of this.#asked) {
      if (sources.length >= BLOB_COPIES_MAX || sources.includes(source)) continue
      sources.push(source) // P2
      return asked
    }
    return null
  }

  /** False when it was done before (P1). */
  finish(index: number): boolean {
    if (this.isDone(index)) return false
    this.#done[index] = 1
    this.#left -= 1
    this.#asked.delete(index)
    return true
  }

  /** `source` brings nothing more of what it was asked for (P3). */
  drop(source: NodeId): void {
    for (const [index, sources] of this.#asked) {
      const at = sources.indexOf(source)
      if (at < 0) continue
      sources.splice(at, 1)
      if (sources.length > 0) continue
      this.#asked.delete(index)
      this.#returned.push(index)
    }
    this.#returned = this.#returned.toSorted((a, b) => a - b)
  }

  #takeReturned(): number | null {
    for (;;) {
      const index = this.#returned.shift() ?? null
      if (index === null || !this.isDone(index)) return index
    }
  }

  #takeNext(): number | null {
    while (this.#cursor < this.#done.length && this.isDone(this.#cursor)) this.#cursor += 1
    return this.#cursor < this.#done.length ? this.#cursor++ : null
  }
}
