// Signing checkpoints and cosignatures. The node's own Ed25519 key signs both; checkpoints also an ML-DSA-44
// key that is drawn from it, so that a home has one secret only.

import { createPrivateKey, createPublicKey, sign } from 'node:crypto'
import { encodeCbor, publicKeyOf, shake256, utf8 } from '../../core/index.ts'
import type { Signer } from '../../core/index.ts'
import {
  LANE_KEY_DOMAIN,
  ML_DSA_44,
  ML_DSA_44_KEY_BYTES,
  originOf,
  witnessName
} from '../offline/keys.ts'
import { nodePrimitives } from '../offline/node-primitives.ts'
import {
  cosignedText,
  cosignedTree,
  ED25519_COSIGNATURE,
  ED25519_NOTE,
  formatCheckpoint,
  formatTimed,
  keyId,
  ML_DSA_44_COSIGNATURE
} from '../offline/note.ts'
import type { Checkpoint, Note, NoteLine } from '../offline/note.ts'
import type { TreeHead } from './lane-tree.ts'

export interface NoteSigner {
  /** The statement by which this lane names its ML-DSA key; null without one. */
  readonly laneKey: Uint8Array | null
  /** A checkpoint with both signatures of the lane. `time` in seconds since 1970. */
  readonly checkpoint: (head: TreeHead, time: number) => Note
  /** This node's line, as a witness, on the text of a lane's checkpoint. */
  readonly cosign: (text: string, time: number) => NoteLine
}

const SEED_DOMAIN = 'weft/ml-dsa-44-seed/1'
// A PKCS #8 private key up to the 32-byte seed: RFC 9881, section 6.
const ML_DSA_44_PKCS8 = Buffer.from('3034020100300b060960864801650304031104228020', 'hex')

export function noteSigner(signer: Signer, options: { readonly hasMlDsa: boolean }): NoteSigner {
  const key = publicKeyOf(signer.nodeId)
  const origin = originOf(signer.nodeId)
  const name = witnessName(signer.nodeId)
  const ownId = keyId(nodePrimitives, origin, ED25519_NOTE, key)
  const witnessId = keyId(nodePrimitives, name, ED25519_COSIGNATURE, key)
  const mlDsa = options.hasMlDsa ? mlDsaSigner(signer) : null
  return {
    laneKey: mlDsa?.laneKey ?? null,
    checkpoint: ({ size, root }, time) => {
      const tree = { origin, size, root }
      const text = formatCheckpoint(tree)
      const own = { name: origin, keyId: ownId, signature: signer.signText(text) }
      return { text, lines: mlDsa === null ? [own] : [own, mlDsa.line(tree, time)] }
    },
    cosign: (text, time) => {
      const message = new TextDecoder().decode(cosignedText(time, text))
      return { name, keyId: witnessId, signature: formatTimed(time, signer.signText(message)) }
    }
  }
}

interface MlDsaSigner {
  readonly laneKey: Uint8Array
  readonly line: (tree: Checkpoint, time: number) => NoteLine
}

function mlDsaSigner(signer: Signer): MlDsaSigner {
  // This signature is secret: it is shown to nobody, and no other purpose signs in this domain. Whoever
  // computes the Ed25519 key from its public half one day still cannot make it: the nonce of a signature
  // comes from a part of the seed that no public value depends on.
  const seed = shake256(SEED_DOMAIN, signer.sign(SEED_DOMAIN, utf8(signer.nodeId)))
  const der = Buffer.concat([ML_DSA_44_PKCS8, seed])
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  const publicKey = new Uint8Array(spki.subarray(spki.length - ML_DSA_44_KEY_BYTES))
  const body = encodeCbor([1, publicKeyOf(signer.nodeId), ML_DSA_44, publicKey])
  const name = originOf(signer.nodeId)
  const id = keyId(nodePrimitives, name, ML_DSA_44_COSIGNATURE, publicKey)
  return {
    laneKey: encodeCbor([body, signer.sign(LANE_KEY_DOMAIN, body)]),
    line: (tree, time) => {
      const signature = new Uint8Array(sign(null, cosignedTree(name, time, tree), privateKey))
      return { name, keyId: id, signature: formatTimed(time, signature) }
    }
  }
}
