// Primitives out of node:crypto, and the paired SHAKE-256 of core/. The one file of this folder that a browser does not load.

import { createPublicKey, hash, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { shake256All } from '../../core/index.ts'
import type { Primitives } from './primitives.ts'

// SubjectPublicKeyInfo up to the raw key: RFC 8410, and RFC 9881 for ML-DSA-44.
const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex')
const ML_DSA_44_SPKI = Buffer.from('30820532300b06096086480165030403110382052100', 'hex')

const SHAKE_256 = { outputEncoding: 'buffer', outputLength: 32 } as const

export const nodePrimitives: Primitives = {
  sha256: (bytes) => new Uint8Array(hash('sha256', bytes, 'buffer')),
  shake256: (bytes) => new Uint8Array(hash('shake256', bytes, SHAKE_256)),
  shake256Each: shake256All,
  ed25519: (key, message, signature) =>
    key.length === 32 && isSigned(Buffer.concat([ED25519_SPKI, key]), message, signature),
  mlDsa44: (key, message, signature) =>
    key.length === 1312 && isSigned(Buffer.concat([ML_DSA_44_SPKI, key]), message, signature)
}

const KEYS_CACHED_MAX = 64 // The keys of a mesh's nodes come again and again.
const keys = new Map<string, KeyObject>()

function keyOf(spki: Buffer): KeyObject {
  const name = spki.toString('latin1')
  const known = keys.get(name)
  if (known !== undefined) return known
  const key = createPublicKey({ key: spki, format: 'der', type: 'spki' })
  if (keys.size >= KEYS_CACHED_MAX) keys.clear()
  keys.set(name, key)
  return key
}

function isSigned(spki: Buffer, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verify(null, message, keyOf(spki), signature)
  } catch {
    return false // Bytes that are no key sign nothing.
  }
}
