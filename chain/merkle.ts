// The Merkle tree of RFC 6962 section 2.1 over the entries of one block, with domain-separated
// SHAKE-256 in place of its 0x00 and 0x01 prefixes.

import { HASH_BYTES, invariant } from '../core/index.ts'
import type { Message } from '../core/index.ts'
import { hashAll, hashLevel, node } from './hashes.ts'

/**
 * The root over one leaf hash or more. Pairing neighbours level by level, with an odd last node moved up
 * unchanged, gives the same tree as splitting at the largest power of two below the size.
 */
export function merkleRoot(leaves: readonly Uint8Array[]): Uint8Array {
  let level = leaves
  while (level.length > 1) level = levelAbove(level)
  const [root] = level
  invariant(root !== undefined, 'A block has at least one entry')
  return root
}

/** The same over leaf hashes that lie one behind another, without making the levels between. */
export function rootOfHashes(leaves: Uint8Array): Uint8Array {
  const level = leaves.slice()
  for (let count = level.length / HASH_BYTES; count > 1;) count = hashLevel(level, count)
  return level.slice(0, HASH_BYTES)
}

/** One level of the tree from the one below it. */
export function levelAbove(level: readonly Uint8Array[]): readonly Uint8Array[] {
  const pairs: Message[] = []
  for (let index = 1; index < level.length; index += 2) {
    const [left, right] = [level[index - 1], level[index]]
    if (left !== undefined && right !== undefined) pairs.push(node(left, right))
  }
  const above = hashAll(pairs)
  const odd = level.length % 2 === 1 ? level.at(-1) : undefined
  if (odd !== undefined) above.push(odd)
  return above
}
