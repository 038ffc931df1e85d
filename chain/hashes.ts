// The hashes of the chain, each in a domain of its own (core/hash.ts says how domains are written).
// One-shot hashing over a reused buffer takes half the time of a streaming hash at these sizes.

import { hash } from 'node:crypto'
import { HASH_BYTES, shake256, utf8 } from '../core/index.ts'

const SCRATCH_BYTES = 4096 // Beyond it the copy costs more than a streaming hash does.

const OPTIONS = { outputEncoding: 'buffer', outputLength: HASH_BYTES } as const

/** SHAKE-256 with 32 bytes of output in one domain; equal to `shake256(domain, ...parts)`. */
function hasher(domain: string): (first: Uint8Array, second?: Uint8Array) => Uint8Array {
  const text = utf8(domain)
  const scratch = new Uint8Array(SCRATCH_BYTES)
  scratch[0] = text.length
  scratch.set(text, 1)
  const start = 1 + text.length
  return (first, second) => {
    const end = start + first.length + (second?.length ?? 0)
    if (end > SCRATCH_BYTES) {
      return second === undefined ? shake256(domain, first) : shake256(domain, first, second)
    }
    scratch.set(first, start)
    if (second !== undefined) scratch.set(second, start + first.length)
    const input = scratch.subarray(0, end)
    const digest = hash('shake256', input, OPTIONS)
    return new Uint8Array(digest.buffer, digest.byteOffset, HASH_BYTES)
  }
}

/** The hash of a block: over its encoded header. */
export const blockHash: (header: Uint8Array) => Uint8Array = hasher('weft/block/1')
/** The hash of a payload: over its salt and its encoding, in two parts or as the slot that holds both. */
export const payloadHash: (salt: Uint8Array, payload?: Uint8Array) => Uint8Array =
  hasher('weft/payload/1')
/** The Merkle leaf of an encoded entry. */
export const leafHash: (entry: Uint8Array) => Uint8Array = hasher('weft/leaf/1')
/** The Merkle node over two children. */
export const nodeHash: (left: Uint8Array, right?: Uint8Array) => Uint8Array = hasher('weft/node/1')

/** What the signature of a block is over, beside the header: see core/signing.ts. */
export const BLOCK_SIGNATURE_DOMAIN = 'weft/block-signature/1'
