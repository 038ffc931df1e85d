// Finds the secrets in a stream of bytes, however it is cut into chunks, and puts a mark in their place.
//
// Invariants
//   R1. A byte that belongs to a secret, or may yet turn out to, is never let out.
//   R2. Every other byte goes out unchanged, in order, exactly once.
//   R3. What is held back is at most as long as the longest secret.
//
// The search is that of Aho and Corasick (Efficient string matching, CACM 18(6), 1975): one step for each
// byte, whatever the number of secrets.

import { concatBytes, utf8 } from '../../core/index.ts'
import { disguisesOf } from './disguises.ts'

/** What stands in the place of a secret. */
export const REDACTED = '[redacted]'
const MARK = utf8(REDACTED)

interface Place {
  readonly next: Map<number, Place>
  /** Length of what has been read of the patterns that begin here. */
  readonly depth: number
  /** The longest other suffix of it that also begins a pattern. */
  fallback: Place | null
  /** Length of the longest pattern that ends here; 0 for none. */
  ends: number
}

/** What to look for. Built once, used by any number of streams. */
export interface SecretPatterns {
  readonly root: Place
  readonly isEmpty: boolean
  /** By first byte: 1 where a pattern begins with it. */
  readonly first: Uint8Array
}

export function secretPatterns(values: readonly Uint8Array[]): SecretPatterns {
  const root: Place = { next: new Map(), depth: 0, fallback: null, ends: 0 }
  const first = new Uint8Array(256)
  for (const value of values) {
    for (const form of disguisesOf(value)) {
      first[form[0] ?? 0] = 1
      addPattern(root, form)
    }
  }
  linkFallbacks(root)
  return { root, isEmpty: values.length === 0, first }
}

function addPattern(root: Place, pattern: Uint8Array): void {
  let place = root
  for (const byte of pattern) {
    let next = place.next.get(byte)
    if (next === undefined) {
      next = { next: new Map(), depth: place.depth + 1, fallback: root, ends: 0 }
      place.next.set(byte, next)
    }
    place = next
  }
  place.ends = pattern.length
}

/** In order of depth, so that the fallback of a place is complete before it is needed. */
function linkFallbacks(root: Place): void {
  const queue: Place[] = [...root.next.values()]
  for (const place of queue) {
    for (const [byte, next] of place.next) {
      let fallback = place.fallback
      while (fallback !== null && !fallback.next.has(byte)) fallback = fallback.fallback
      next.fallback = fallback?.next.get(byte) ?? root
      next.ends = Math.max(next.ends, next.fallback.ends)
      queue.push(next)
    }
  }
}

/** One stream. Not for two streams at a time: what is held back belongs to one. */
export class Redactor {
  readonly #patterns: SecretPatterns
  #place: Place
  /** The last `#place.depth` bytes, and for each whether it belongs to a secret. */
  #held: number[] = []
  #isSecret: boolean[] = []
  /** The mark for the secret that is passing has been put out. */
  #isMarked = false
  #hasFound = false

  constructor(patterns: SecretPatterns) {
    this.#patterns = patterns
    this.#place = patterns.root
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
      if (this.#place.depth === 0) {
        const begin = this.#nextBegin(bytes, at)
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
    this.#place = this.#patterns.root
    this.#isMarked = false
    return concatBytes(...out)
  }

  #nextBegin(bytes: Uint8Array, from: number): number {
    const { first } = this.#patterns
    let at = from
    while (at < bytes.length && first[bytes[at] ?? 0] === 0) at += 1
    return at
  }

  #step(out: Uint8Array[], byte: number): void {
    let place: Place | null = this.#place
    while (place !== null && !place.next.has(byte)) place = place.fallback
    this.#place = place?.next.get(byte) ?? this.#patterns.root
    this.#held.push(byte)
    this.#isSecret.push(false)
    const { ends, depth } = this.#place
    if (ends > 0) {
      this.#hasFound = true
      this.#isSecret.fill(true, this.#held.length - ends)
    }
    this.#letOut(out, this.#held.length - depth) // R3
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
