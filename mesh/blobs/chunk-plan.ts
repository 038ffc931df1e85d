// Which chunk to ask of whom. Pure but for its own state: no I/O, no clock.
//
// Invariants
//   P1. A chunk is done once, whoever brought it.
//   P2. A chunk is asked of one source, and of a second one only when every other is asked of somebody.
//   P3. What a source that is gone was asked for is asked of others first.
//   P4. What a source said that it lacks is not asked of it again, until it is dropped.

import type { NodeId } from '../../core/index.ts'
import { BLOB_COPIES_MAX } from './limits.ts'

export class ChunkPlan {
  readonly #done: Uint8Array
  /** In the order in which they were first asked for. */
  readonly #asked = new Map<number, NodeId[]>()
  readonly #lacks = new Map<NodeId, Set<number>>()
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
    const index = this.#takeReturned(source) ?? this.#takeNext()
    if (index !== null) {
      this.#asked.set(index, [source])
      return index
    }
    for (const [asked, sources] of this.#asked) {
      if (sources.length >= BLOB_COPIES_MAX || sources.includes(source)) continue
      if (this.#hasNot(source, asked)) continue
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

  /** `source` has not got this one, which it was asked for (P4). */
  lack(source: NodeId, index: number): void {
    const lacking = this.#lacks.get(source) ?? new Set()
    lacking.add(index)
    this.#lacks.set(source, lacking)
    this.#unask(source, index)
    this.#returned = this.#returned.toSorted((a, b) => a - b)
  }

  /** `source` brings nothing more of what it was asked for (P3). */
  drop(source: NodeId): void {
    this.#lacks.delete(source)
    for (const index of this.#asked.keys()) this.#unask(source, index)
    this.#returned = this.#returned.toSorted((a, b) => a - b)
  }

  #unask(source: NodeId, index: number): void {
    const sources = this.#asked.get(index)
    const at = sources?.indexOf(source) ?? -1
    if (sources === undefined || at < 0) return
    sources.splice(at, 1)
    if (sources.length > 0) return
    this.#asked.delete(index)
    this.#returned.push(index)
  }

  #hasNot(source: NodeId, index: number): boolean {
    return this.#lacks.get(source)?.has(index) === true
  }

  #takeReturned(source: NodeId): number | null {
    this.#returned = this.#returned.filter((index) => !this.isDone(index))
    const at = this.#returned.findIndex((index) => !this.#hasNot(source, index))
    return at < 0 ? null : (this.#returned.splice(at, 1)[0] ?? null)
  }

  #takeNext(): number | null {
    while (this.#cursor < this.#done.length && this.isDone(this.#cursor)) this.#cursor += 1
    return this.#cursor < this.#done.length ? this.#cursor++ : null
  }
}
