// Merkle trees shaped as in RFC 6962 section 2.1, over any hash of a pair, and the checks of RFC 9162
// sections 2.1.3.2 and 2.1.4.2. Pure. Sizes may pass 2^32: no bit operations on them.

import { encodeText, isSame, join } from './bytes.ts'
import type { Primitives } from './primitives.ts'

/** The hash of an inner node over its two children. */
export type HashPair = (left: Uint8Array, right: Uint8Array) => Uint8Array

/** The trees of RFC 6962 itself: over SHA-256, as checkpoints have them. */
export function sha256Leaf({ sha256 }: Primitives, leaf: Uint8Array): Uint8Array {
  return sha256(join(Uint8Array.of(0), leaf))
}

export function sha256Pair({ sha256 }: Primitives): HashPair {
  return (left, right) => sha256(join(Uint8Array.of(1), left, right))
}

/** The root of the tree of size 0. */
export function emptyRoot({ sha256 }: Primitives): Uint8Array {
  return sha256(encodeText(''))
}

export interface Inclusion {
  readonly index: number
  readonly size: number
  readonly leaf: Uint8Array
  readonly path: readonly Uint8Array[]
}

/** The root that the path leads to; null where a path of this length fits no tree of that size. */
export function rootOfInclusion(
  { index, size, leaf, path }: Inclusion,
  pair: HashPair
): Uint8Array | null {
  if (index >= size) return null
  let [at, last] = [index, size - 1]
  let hash = leaf
  for (const sibling of path) {
    if (last === 0) return null
    if (isOdd(at) || at === last) {
      hash = pair(sibling, hash)
      while (!isOdd(at) && at !== 0) [at, last] = [half(at), half(last)]
    } else {
      hash = pair(hash, sibling)
    }
    ;[at, last] = [half(at), half(last)]
  }
  return last === 0 ? hash : null
}

/** A tree as it was and as it is. */
export interface Growth {
  readonly oldSize: number
  readonly oldRoot: Uint8Array
  readonly size: number
  readonly root: Uint8Array
  readonly path: readonly Uint8Array[]
}

/** Whether the path shows that the tree only grew. The empty tree is consistent with every other. */
export function isConsistent(growth: Growth, pair: HashPair): boolean {
  const { oldSize, oldRoot, size, root, path } = growth
  if (oldSize > size) return false
  if (oldSize === size) return path.length === 0 && isSame(oldRoot, root)
  if (oldSize === 0) return path.length === 0
  let [at, last] = [oldSize - 1, size - 1]
  while (isOdd(at)) [at, last] = [half(at), half(last)]
  // A whole left subtree is its own start; the path then does not repeat the old root.
  const [first, ...rest] = at === 0 ? [oldRoot, ...path] : path
  if (first === undefined) return false
  let [before, after] = [first, first]
  for (const sibling of rest) {
    if (last === 0) return false
    if (isOdd(at) || at === last) {
      before = pair(sibling, before)
      after = pair(sibling, after)
      while (!isOdd(at) && at !== 0) [at, last] = [half(at), half(last)]
    } else {
      after = pair(after, sibling)
    }
    ;[at, last] = [half(at), half(last)]
  }
  return last === 0 && isSame(before, oldRoot) && isSame(after, root)
}

/** Grows leaf by leaf, and keeps one hash for each perfect subtree: what the next root needs. */
export class CompactTree {
  readonly #pair: HashPair
  readonly #edge: { readonly size: number; readonly hash: Uint8Array }[] = []
  #size = 0

  constructor(pair: HashPair) {
    this.#pair = pair
  }

  get size(): number {
    return this.#size
  }

  append(leaf: Uint8Array): void {
    let node = { size: 1, hash: leaf }
    for (let left = this.#edge.at(-1); left?.size === node.size; left = this.#edge.at(-1)) {
      node = { size: node.size * 2, hash: this.#pair(left.hash, node.hash) }
      this.#edge.pop()
    }
    this.#edge.push(node)
    this.#size += 1
  }

  /** Null for the empty tree, whose root depends on the hash in use. */
  root(): Uint8Array | null {
    const hashes = this.#edge.map(({ hash }) => hash)
    return hashes.length === 0 ? null : hashes.reduceRight((right, left) => this.#pair(left, right))
  }
}

function isOdd(value: number): boolean {
  return value % 2 === 1
}

function half(value: number): number {
  return Math.floor(value / 2)
}
