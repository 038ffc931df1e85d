// Finds the secrets in a stream of bytes, however it is cut into chunks, and puts a mark in their place.
//
// Invariants
//   R1. A byte that belongs to a secret, or may yet turn out to, is never let out.
//   R2. Every other byte goes out unchanged, in order, exactly once.
//   R3. What is held back is at most as long as the longest secret.

import { concatBytes, utf8 } from '../../core/index.ts'
import type { SecretPatterns } from './patterns.ts'

/** What stands in the place of a secret. */
export const REDACTED = '[redacted]'
const MARK = utf8(REDACTED)

/** One stream. Not for two streams at a time: what is held back belongs to one. */
export class Redactor {
  readonly #patterns: SecretPatterns
  /** Zero at the start of all patterns. */
  #place = 0
  /** As many of the last bytes as the place is deep, and for each whether it belongs to a secret. */
  #held: number[] = []
  #isSecret: boolean[] = []
  /** The mark for the secret that is passing has been put out. */
  #isMarked = false
  #hasFound = false

  constructor(patterns: SecretPatterns) {
    this.#patterns = patterns
  }

  /** Whether a secret was in it so far. */
  get hasFound(): boolean {
    return this.#hasFound
  }

  /** What may go out now: perhaps nothing, perhaps also what was held back before. */
  push(bytes: Uint8Array): Uint8Array {
    if (this.#patterns.isEmpty) return bytes
    const out: Uint8Array[] = []
    let at = 0
    while (at < bytes.length) {
      if (this.#place === 0) {
        const begin = this.#patterns.nextBegin(bytes, at)
        if (begin > at) this.#emit(out, bytes.subarray(at, begin))
        at = begin
        if (at === bytes.length) break
      }
      this.#step(out, bytes[at] ?? 0)
      at += 1
    }
    return concatBytes(...out)
  }

  /** At the end of the stream: what was held back and is no secret. The redactor is then as new. */
  end(): Uint8Array {
    const out: Uint8Array[] = []
    this.#letOut(out, this.#held.length)
    this.#place = 0
    this.#isMarked = false
    return concatBytes(...out)
  }

  #step(out: Uint8Array[], byte: number): void {
    const patterns = this.#patterns
    this.#place = patterns.after(this.#place, byte)
    this.#held.push(byte)
    this.#isSecret.push(false)
    const ends = patterns.ends(this.#place)
    if (ends > 0) {
      this.#hasFound = true
      this.#isSecret.fill(true, this.#held.length - ends)
    }
    this.#letOut(out, this.#held.length - patterns.depth(this.#place)) // R3
  }

  /** The oldest `count` of the held bytes: nothing that begins later can make them secret any more (R1). */
  #letOut(out: Uint8Array[], count: number): void {
    if (count === 0) return
    const bytes = this.#held.splice(0, count)
    const isSecret = this.#isSecret.splice(0, count)
    let from = 0
    while (from < count) {
      const kind = isSecret[from] === true
      let to = from
      while (to < count && (isSecret[to] === true) === kind) to += 1
      if (!kind) this.#emit(out, Uint8Array.from(bytes.slice(from, to)))
      else if (!this.#isMarked) {
        out.push(MARK)
        this.#isMarked = true
      }
      from = to
    }
  }

  #emit(out: Uint8Array[], bytes: Uint8Array): void {
    out.push(bytes)
    this.#isMarked = false
  }
}

/** The text without any of the secrets. */
export function redactedText(patterns: SecretPatterns, text: string): string {
  if (patterns.isEmpty) return text
  const redactor = new Redactor(patterns)
  const out = concatBytes(redactor.push(utf8(text)), redactor.end())
  return new TextDecoder().decode(out)
}
