// Key rotation: a node that changes its key goes on in a new lane. The entry that says so stands at the end
// of the old lane and at the start of the new one, and is signed by both keys. Pure.

import { compare, isSame } from './bytes.ts'
import { asArray, asBytes, asInteger, decode } from './cbor.ts'
import { Malformed } from './errors.ts'
import { isSignedIn } from './keys.ts'
import type { Primitives } from './primitives.ts'

/** The kind of the entry. Its payload is what `readRotation` reads. */
export const ROTATION_KIND = 'key.rotated'
export const ROTATION_DOMAIN = 'weft/key-rotation/1'
const KEY_BYTES = 32
const SIGNATURE_BYTES = 64
const BODY_BYTES_MAX = 128

export interface Rotation {
  readonly oldKey: Uint8Array
  readonly newKey: Uint8Array
}

/** Reads [body, signature of the old key, signature of the new key]. @throws Malformed */
export function readRotation(primitives: Primitives, payload: Uint8Array): Rotation {
  const [body, byOld, byNew] = asArray(decode(payload), 3, 'a rotation')
  if (!(body instanceof Uint8Array) || body.length > BODY_BYTES_MAX) {
    throw new Malformed('a rotation has another form')
  }
  const [version, from, to] = asArray(decode(body), 3, 'a rotation')
  if (asInteger(version, 1, 'its version') !== 1) throw new Malformed('its version is unknown')
  const oldKey = asBytes(from, KEY_BYTES, 'the old key')
  const newKey = asBytes(to, KEY_BYTES, 'the new key')
  if (compare(oldKey, newKey) === 0) throw new Malformed('a rotation to the same key')
  const signatures = [byOld, byNew].map((each) => asBytes(each, SIGNATURE_BYTES, 'a signature'))
  for (const [index, key] of [oldKey, newKey].entries()) {
    const signature = signatures[index] ?? new Uint8Array(0)
    if (!isSignedIn(primitives, key, ROTATION_DOMAIN, [body, signature])) {
      throw new Malformed(`a rotation that the ${index === 0 ? 'old' : 'new'} key has not signed`)
    }
  }
  return { oldKey, newKey }
}

/** What is wrong with a rotation where it stands in the lane of `key`, or null. */
export function rotationProblem(
  { oldKey, newKey }: Rotation,
  key: Uint8Array,
  { height, index, count }: { height: number; index: number; count: number }
): string | null {
  if (isSame(oldKey, key)) return index === count - 1 ? null : 'a rotation with entries behind it'
  if (!isSame(newKey, key)) return "a rotation of somebody else's keys"
  return height === 1 ? null : 'a rotation behind the first block of its lane'
}
