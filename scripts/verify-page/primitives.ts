// Primitives out of @noble/*: for browsers, and as a cross-check of node:crypto in the tests.

import { ed25519 } from '@noble/curves/ed25519.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { shake256 } from '@noble/hashes/sha3.js'
import { ml_dsa44 as mlDsa44 } from '@noble/post-quantum/ml-dsa.js'
import type { Primitives } from '../../chain/offline/primitives.ts'

const NOTHING = new Uint8Array(0)

export const noblePrimitives: Primitives = {
  sha256: (bytes) => sha256(bytes),
  shake256: (bytes) => shake256(bytes, { dkLen: 32 }),
  shake256Each: (messages) =>
    messages.map(({ prefix, first, second = NOTHING }) => {
      return shake256.create({ dkLen: 32 }).update(prefix).update(first).update(second).digest()
    }),
  ed25519: (key, message, signature) =>
    orFalse(() => ed25519.verify(signature, message, key, { zip215: false })),
  mlDsa44: (key, message, signature) => orFalse(() => mlDsa44.verify(signature, message, key))
}

function orFalse(check: () => boolean): boolean {
  try {
    return check()
  } catch {
    return false // Bytes that are no key or signature sign nothing.
  }
}
