// Salts keep the hash of a redacted payload from being guessed: a payload is often one of a few likely
// values. They are drawn from the node's key, so blocks are the same on every run, and nobody without the
// key can compute them. A verifier needs to know none of this: it hashes the salt it finds.

import { hash } from 'node:crypto'
import { concatBytes, shake256, utf8 } from '../core/index.ts'
import type { Signer } from '../core/index.ts'
import { SALT_BYTES } from './limits.ts'

const DOMAIN = 'weft/salt/1'

/** Makes SALT_BYTES for each entry of the block at `height`. */
export type SaltSource = (height: number, count: number) => Uint8Array

export function saltSource(signer: Signer): SaltSource {
  // This signature is secret: it is shown to nobody, and no other purpose signs in this domain.
  const key = shake256(DOMAIN, signer.sign(DOMAIN, utf8(signer.nodeId)))
  return (height, count) => {
    const place = new Uint8Array(8)
    new DataView(place.buffer).setBigUint64(0, BigInt(height))
    const options = { outputEncoding: 'buffer', outputLength: count * SALT_BYTES } as const
    return new Uint8Array(hash('shake256', concatBytes(key, place), options))
  }
}
