// How a stranger gets through a member to an inviter that it cannot dial. An invite has a pass: a key made
// from its secret. The inviter names the pass to the members that it asks to let joiners through; the
// joiner signs a question of such a member with it. Neither learns the secret. Pure.
//
//   joiner -> {v, inviter, pass}
//   member -> {nonce}
//   joiner -> {signature}
//   member -> {ok: true}, and the join conversation with the inviter follows;  or {error}

import {
  encodeCbor,
  isSignedBy,
  millis,
  nodeId,
  shake256,
  SIGNATURE_BYTES,
  signerFromSeed
} from '../../core/index.ts'
import type { Cbor, MeshId, Millis, NodeId, Signer } from '../../core/index.ts'
import { MeshError } from '../errors.ts'
import { fieldsOf } from '../exchange.ts'
import { INVITE_TTL_MAX_MS, INVITES_MAX } from '../limits.ts'

/** Spoken with strangers by a member that lets joiners through. */
export const KNOCK_PROTOCOL = '/weft/knock/1'

export function guestProtocol(mesh: MeshId): string {
  return `/weft/${mesh.slice(0, 16)}/guest/1`
}

/** The key pair of an invite's secret; its node id is no node's. */
export function passOf(secret: Uint8Array): Signer {
  return signerFromSeed(shake256('weft/invite-pass/1', secret))
}

/** All that a signature under a pass says: worth nothing for another node, at another, or later. */
export interface Knock {
  readonly mesh: MeshId
  readonly joiner: NodeId
  readonly through: NodeId
  readonly inviter: NodeId
  readonly nonce: Uint8Array
}

const SIGNATURE_DOMAIN = 'weft/knock/1'

function saidIn({ mesh, joiner, through, inviter, nonce }: Knock): Uint8Array {
  return encodeCbor([mesh, joiner, through, inviter, nonce])
}

export function signKnock(pass: Signer, knock: Knock): Uint8Array {
  return pass.sign(SIGNATURE_DOMAIN, saidIn(knock))
}

export function isKnockSigned(pass: NodeId, knock: Knock, signature: unknown): boolean {
  return (
    signature instanceof Uint8Array &&
    signature.length === SIGNATURE_BYTES &&
    isSignedBy(pass, SIGNATURE_DOMAIN, saidIn(knock), signature)
  )
}

export interface KnockRequest {
  readonly inviter: NodeId
  readonly pass: NodeId
}

/** @throws MeshError `MESH_MESSAGE_INVALID` */
export function parseKnock(value: unknown): KnockRequest {
  const { v, inviter, pass } = fieldsOf(value)
  if (v !== 1 || typeof inviter !== 'string' || typeof pass !== 'string') throw unreadable()
  try {
    return { inviter: nodeId(inviter), pass: nodeId(pass) }
  } catch (error) {
    throw unreadable(error)
  }
}

/** What an inviter asks of a member: all its passes that count now, by how long each does. */
export interface Passage {
  readonly pass: NodeId
  readonly ttlMs: Millis
}

export function encodePassages(passages: readonly Passage[]): Cbor {
  return { v: 1, passes: passages.map(({ pass, ttlMs }) => [pass, Math.ceil(ttlMs)]) }
}

/** What cannot be read, or is beyond what an inviter may ask, is left out. */
export function readPassages(value: unknown): readonly Passage[] {
  const { v, passes } = fieldsOf(value)
  if (v !== 1 || !Array.isArray(passes)) return []
  return passes.slice(0, INVITES_MAX).flatMap((each: unknown) => {
    if (!Array.isArray(each)) return []
    const [pass, ttlMs]: unknown[] = each
    if (typeof ttlMs !== 'number' || !(ttlMs > 0) || ttlMs > INVITE_TTL_MAX_MS) return []
    try {
      return [{ pass: nodeId(String(pass)), ttlMs: millis(ttlMs) }]
    } catch {
      return []
    }
  })
}

function unreadable(cause?: unknown): MeshError {
  return new MeshError('MESH_MESSAGE_INVALID', 'Cannot read a knock: it has another form', {
    cause
  })
}
