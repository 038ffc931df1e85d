// AES-256-GCM (NIST SP 800-38D) through node:crypto, for what is kept secret at rest.

import { createCipheriv, createDecipheriv } from 'node:crypto'
import { concatBytes, utf8 } from './bytes.ts'
import type { Entropy } from './entropy.ts'

export const SEAL_KEY_BYTES = 32
const ALGORITHM = 'aes-256-gcm'
/** SP 800-38D section 8.2: random nonces of this size, for fewer than 2^32 seals with one key. */
const NONCE_BYTES = 12
const TAG_BYTES = 16

/**
 * `nonce || ciphertext || tag`. `about` is bound to it and not kept in it: what it is and where it belongs,
 * so that one sealed thing cannot be put in the place of another.
 * @param key `SEAL_KEY_BYTES` bytes
 */
export function seal(
  { key, about }: { readonly key: Uint8Array; readonly about: string },
  plaintext: Uint8Array,
  entropy: Entropy
): Uint8Array {
  const nonce = entropy.bytes(NONCE_BYTES)
  const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(utf8(about))
  const ciphertext = cipher.update(plaintext)
  return concatBytes(nonce, ciphertext, cipher.final(), cipher.getAuthTag())
}

/** The plaintext, or null where the key, `about` or any byte is not what was sealed. Never throws. */
export function unseal(
  { key, about }: { readonly key: Uint8Array; readonly about: string },
  sealed: Uint8Array
): Uint8Array | null {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return null
  const nonce = sealed.subarray(0, NONCE_BYTES)
  const ciphertext = sealed.subarray(NONCE_BYTES, -TAG_BYTES)
  try {
    const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES })
    decipher.setAAD(utf8(about))
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
    return concatBytes(decipher.update(ciphertext), decipher.final())
  } catch {
    return null // GCM's tag does not fit, or the key has another size: either way it is not ours to read.
  }
}
