// The Merkle tree of RFC 6962 section 2.1 over the entries of one block, with domain-separated
// SHAKE-256 in place of its 0x00 and 0x01 prefixes.

import { invariant } from '../core/index.ts'
import { nodeHash } from './hashes.ts'

/**
 * The root over one leaf hash or more. Pairing neighbours level by level, with an odd last node moved up
 * unchanged, gives the same tree as splitting at the largest power of two below the size.
 */
export function merkleRoot(leaves: readonly Uint8Array[]): Uint8Array {
  let level = leaves
  while (level.length > 1) {
    const above: Uint8Array[] = []
    for (let index = 0; index < level.length; index += 2) {
      const left = level[index]
      const right = level[index + 1]
      if (left !== undefined) above.push(right === undefined ? left : nodeHash(left, right))
    }
    level = above
  }
  const [root] = level
  invariant(root !== undefined, 'A block has at least one entry')
  return root
}
