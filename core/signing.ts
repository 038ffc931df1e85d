// Ed25519 (RFC 8032) through node:crypto. Every signature is over `length(domain) || domain || bytes`,
// so that a signature made for one purpose is worthless for any other.

import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { concatBytes, utf8 } from './bytes.ts'
import { WeaverError } from './errors.ts'
import { domainPrefix } from './hash.ts'
import { nodeIdOf, publicKeyOf } from './ids.ts'
import type { NodeId } from './ids.ts'

export const SEED_BYTES = 32
export const SIGNATURE_BYTES = 64

/** Signs as one node. Holds the private key, and never shows it. */
export interface Signer {
  readonly nodeId: NodeId
  /** The 64-byte Ed25519 signature over the domain and the bytes. */
  sign(domain: string, bytes: Uint8Array): Uint8Array
  /**
   * The 64-byte Ed25519 signature over a text as it is, for formats of others that say themselves what
   * is signed (signed notes). @throws WeaverError `CORE_INVALID_TEXT` for a text that could be taken for
   * a domain and bytes
   */
  signText(text: string): Uint8Array
}

// DER headers of RFC 8410: a PKCS #8 private key and a SubjectPublicKeyInfo, up to the raw key.
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')
const FIRST_BYTE_MIN = 0x41 // 'A'. Domains are literals of this project, the longest of 23 bytes.
const KEYS_CACHED_MAX = 1024 // As many as a mesh may have members; a key object is about 300 bytes.

/** @throws WeaverError `CORE_INVALID_SEED` unless `seed` is 32 bytes. */
export function signerFromSeed(seed: Uint8Array): Signer {
  if (seed.length !== SEED_BYTES) {
    throw new WeaverError(
      'CORE_INVALID_SEED',
      `Cannot make a key of ${seed.length} bytes: must be ${SEED_BYTES}`
    )
  }
  const der = Buffer.concat([PKCS8_PREFIX, seed])
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  const id = nodeIdOf(new Uint8Array(spki.subarray(SPKI_PREFIX.length)))
  return {
    nodeId: id,
    sign: (domain, bytes) => new Uint8Array(sign(null, separated(domain, bytes), privateKey)),
    signText: (text) => new Uint8Array(sign(null, separateText(text), privateKey))
  }
}

/** Whether `signature` is that of `signedBy` over the domain and the bytes. Never throws. */
export function isSignedBy(
  signedBy: NodeId,
  domain: string,
  bytes: Uint8Array,
  signature: Uint8Array
): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false
  return verify(null, separated(domain, bytes), publicKeyObject(signedBy), signature)
}

function separated(domain: string, bytes: Uint8Array): Uint8Array {
  return concatBytes(domainPrefix(domain), bytes)
}

/** No domain is as long as the first byte of a text is great, so neither stands for the other. */
function separateText(text: string): Uint8Array {
  const bytes = utf8(text)
  if ((bytes[0] ?? 0) >= FIRST_BYTE_MIN) return bytes
  throw new WeaverError('CORE_INVALID_TEXT', 'Cannot sign a text that does not begin with a letter')
}

const keys = new Map<NodeId, KeyObject>()

function publicKeyObject(id: NodeId): KeyObject {
  const known = keys.get(id)
  if (known !== undefined) return known
  const der = Buffer.concat([SPKI_PREFIX, publicKeyOf(id)])
  const key = createPublicKey({ key: der, format: 'der', type: 'spki' })
  if (keys.size >= KEYS_CACHED_MAX) keys.clear()
  keys.set(id, key)
  return key
}
