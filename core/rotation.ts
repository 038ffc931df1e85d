// The word by which a node goes on under another key, signed by both keys: docs/chain-format.md, "Key
// rotation". It is the payload of the entry that ends the old lane and begins the new one, and the heart of
// the statement by which the membership of the old key becomes that of the new one.

import { decodeCbor, encodeCbor } from './cbor.ts'
import { nodeIdOf, PUBLIC_KEY_BYTES, publicKeyOf } from './ids.ts'
import type { NodeId } from './ids.ts'
import { isSignedBy } from './signing.ts'
import type { Signer } from './signing.ts'

const ROTATION_DOMAIN = 'weft/key-rotation/1'
/** A body of 73 bytes, two signatures, and what CBOR puts around them. */
const ROTATION_BYTES_MAX = 256

export interface Rotation {
  readonly from: NodeId
  readonly to: NodeId
}

/** CBOR [body, the old key's signature, the new key's]. Both keys always make the same bytes. */
export function signRotation(oldKey: Signer, newKey: Signer): Uint8Array {
  const body = encodeCbor([1, publicKeyOf(oldKey.nodeId), publicKeyOf(newKey.nodeId)])
  return encodeCbor([body, oldKey.sign(ROTATION_DOMAIN, body), newKey.sign(ROTATION_DOMAIN, body)])
}

/** Null for anything that not both keys have signed. Never throws. */
export function readRotation(bytes: Uint8Array): Rotation | null {
  if (bytes.length > ROTATION_BYTES_MAX) return null
  try {
    const parts: unknown = decodeCbor(bytes)
    if (!Array.isArray(parts) || parts.length !== 3) return null
    const [body, byOld, byNew]: unknown[] = parts
    if (!(body instanceof Uint8Array && byOld instanceof Uint8Array && byNew instanceof Uint8Array))
      return null
    const [from, to] = keysIn(decodeCbor(body))
    if (from === undefined || to === undefined || from === to) return null
    const isSigned =
      isSignedBy(from, ROTATION_DOMAIN, body, byOld) && isSignedBy(to, ROTATION_DOMAIN, body, byNew)
    return isSigned ? { from, to } : null
  } catch {
    return null // Not canonical CBOR: no rotation.
  }
}

function keysIn(body: unknown): readonly NodeId[] {
  if (!Array.isArray(body) || body.length !== 3 || body[0] !== 1) return []
  return body.slice(1).flatMap((key: unknown) => {
    return key instanceof Uint8Array && key.length === PUBLIC_KEY_BYTES ? [nodeIdOf(key)] : []
  })
}
