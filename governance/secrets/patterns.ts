// What to look for in a stream, as an automaton of Aho and Corasick (Efficient string matching, CACM 18(6), 1975): one
// step for each byte, whatever the number of secrets.
//
// A place stands for what has been read of the patterns that begin with it; place 0 for nothing. A secret of some
// kilobytes makes a hundred thousand places, so each is a number, and what is known of it lies in arrays: 21 bytes.

import { disguisesOf } from './disguises.ts'

/** Of a place, or of what could follow: none. The root follows nothing. */
const NONE = 0

/** Built once, used by any number of streams. */
export class SecretPatterns {
  readonly isEmpty: boolean
  /** By first byte: the place that it leads to from the root. */
  readonly #begins = new Int32Array(256)
  readonly #byte: Uint8Array
  readonly #child: Int32Array
  readonly #sibling: Int32Array
  /** The longest other suffix of what was read that also begins a pattern. */
  readonly #fallback: Int32Array
  readonly #depth: Int32Array
  readonly #ends: Int32Array
  #count = 1

  constructor(values: readonly Uint8Array[]) {
    const forms = values.flatMap((value) => disguisesOf(value))
    const places = forms.reduce((sum, form) => sum + form.length, 1)
    this.isEmpty = forms.length === 0
    this.#byte = new Uint8Array(places)
    this.#child = new Int32Array(places)
    this.#sibling = new Int32Array(places)
    this.#fallback = new Int32Array(places)
    this.#depth = new Int32Array(places)
    this.#ends = new Int32Array(places)
    for (const form of forms) this.#add(form)
    this.#linkFallbacks()
  }

  /** Where the next byte leads from a place. */
  after(place: number, byte: number): number {
    let from = place
    while (from !== NONE) {
      const next = this.#next(from, byte)
      if (next !== NONE) return next
      from = this.#fallback[from] ?? NONE
    }
    return this.#begins[byte] ?? NONE
  }

  /** How many bytes have been read of the patterns that begin with this place. */
  depth(place: number): number {
    return this.#depth[place] ?? 0
  }

  /** Length of the longest pattern that ends at this place; 0 for none. */
  ends(place: number): number {
    return this.#ends[place] ?? 0
  }

  /** Where in `bytes`, from `from` on, a pattern may begin; its length where nowhere. */
  nextBegin(bytes: Uint8Array, from: number): number {
    let at = from
    while (at < bytes.length && this.#begins[bytes[at] ?? 0] === NONE) at += 1
    return at
  }

  #add(pattern: Uint8Array): void {
    let place = NONE
    for (const byte of pattern) place = this.#next(place, byte) || this.#grow(place, byte)
    this.#ends[place] = pattern.length
  }

  #next(place: number, byte: number): number {
    if (place === NONE) return this.#begins[byte] ?? NONE
    let child = this.#child[place] ?? NONE
    while (child !== NONE && this.#byte[child] !== byte) child = this.#sibling[child] ?? NONE
    return child
  }

  #grow(place: number, byte: number): number {
    const grown = this.#count
    this.#count += 1
    this.#byte[grown] = byte
    this.#depth[grown] = this.depth(place) + 1
    if (place === NONE) this.#begins[byte] = grown
    else {
      this.#sibling[grown] = this.#child[place] ?? NONE
      this.#child[place] = grown
    }
    return grown
  }

  /** In order of depth, so that the fallback of a place is complete before it is needed. */
  #linkFallbacks(): void {
    const queue = new Int32Array(this.#count)
    let end = 0
    for (const place of this.#begins) if (place !== NONE) queue[end++] = place
    for (let at = 0; at < end; at += 1) {
      const place = queue[at] ?? NONE
      let child = this.#child[place] ?? NONE
      while (child !== NONE) {
        const fallback = this.after(this.#fallback[place] ?? NONE, this.#byte[child] ?? 0)
        this.#fallback[child] = fallback
        this.#ends[child] = Math.max(this.ends(child), this.ends(fallback))
        queue[end++] = child
        child = this.#sibling[child] ?? NONE
      }
    }
  }
}

export function secretPatterns(values: readonly Uint8Array[]): SecretPatterns {
  return new SecretPatterns(values)
}
