// The hashes of the chain, each in a domain of its own (core/hash.ts says how domains are written). Many
// at once, by `hashAll`, take half the time of as many single ones.

import { domainPrefix, invariant, shake256All } from '../core/index.ts'
import type { Message } from '../core/index.ts'

/** What is hashed in one domain; two parts are joined. */
type Hashable = (first: Uint8Array, second?: Uint8Array) => Message

function hashable(domain: string): Hashable {
  const prefix = domainPrefix(domain)
  return (first, second) => (second === undefined ? { prefix, first } : { prefix, first, second })
}

/** A payload: its salt and its encoding, in two parts or as the slot that holds both. */
export const payload: Hashable = hashable('weft/payload/1')
/** An encoded entry: its hash is a leaf of the Merkle tree. */
export const leaf: Hashable = hashable('weft/leaf/1')
/** The Merkle node over two children. */
export const node: Hashable = hashable('weft/node/1')
/** A block: its encoded header. */
const block: Hashable = hashable('weft/block/1')

export { shake256All as hashAll }

export function blockHash(header: Uint8Array): Uint8Array {
  const [digest] = shake256All([block(header)])
  invariant(digest !== undefined, 'Each message has a hash')
  return digest
}

export function payloadHash(slot: Uint8Array): Uint8Array {
  const [digest] = shake256All([payload(slot)])
  invariant(digest !== undefined, 'Each message has a hash')
  return digest
}

/** The Merkle leaves of encoded entries. */
export function leafHashes(entries: readonly Uint8Array[]): readonly Uint8Array[] {
  return shake256All(entries.map((entry) => leaf(entry)))
}

/** What the signature of a block is over, beside the header: see core/signing.ts. */
export const BLOCK_SIGNATURE_DOMAIN = 'weft/block-signature/1'
