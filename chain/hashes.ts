// The hashes of the chain, each in a domain of its own (core/hash.ts says how domains are written). Many
// at once, by `hashAll`, take half the time of as many single ones.

import { domainPrefix, HASH_BYTES, invariant, shake256All, shake256Slices } from '../core/index.ts'
import type { Message, Slices } from '../core/index.ts'

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

const PREFIXES = {
  leaf: domainPrefix('weft/leaf/1'),
  payload: domainPrefix('weft/payload/1'),
  node: domainPrefix('weft/node/1')
} as const

/** The hashes of all slices in one domain, one behind another. */
export function hashesOf(domain: 'leaf' | 'payload', slices: Slices): Uint8Array {
  const digests = new Uint8Array((slices.bounds.length / 2) * HASH_BYTES)
  shake256Slices(PREFIXES[domain], slices, digests)
  return digests
}

/** Replaces a level of a Merkle tree, `count` hashes one behind another, with that above it. Returns its count. */
export function hashLevel(level: Uint8Array, count: number): number {
  const pairs = Math.floor(count / 2)
  const bounds = new Uint32Array(2 * pairs)
  for (let pair = 0; pair < pairs; pair += 1) {
    bounds[2 * pair] = 2 * pair * HASH_BYTES
    bounds[2 * pair + 1] = 2 * (pair + 1) * HASH_BYTES
  }
  shake256Slices(PREFIXES.node, { bytes: level, bounds }, level)
  if (count % 2 === 0) return pairs
  level.copyWithin(pairs * HASH_BYTES, (count - 1) * HASH_BYTES, count * HASH_BYTES)
  return pairs + 1
}

/** The Merkle leaves of encoded entries. */
export function leafHashes(entries: readonly Uint8Array[]): readonly Uint8Array[] {
  return shake256All(entries.map((entry) => leaf(entry)))
}

/** What the signature of a block is over, beside the header: see core/signing.ts. */
export const BLOCK_SIGNATURE_DOMAIN = 'weft/block-signature/1'
