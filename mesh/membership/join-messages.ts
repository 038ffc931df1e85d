// What joiner and inviter say to each other, and how the secret is proven without being shown.
//
//   joiner  -> {v, mesh, invite, name, nonce}
//   inviter -> {nonce}   or   {error}: the request cannot be read
//   joiner  -> {proof}
//   inviter -> {proof, statements, addresses, greets}   or   {error}
//
// A proof is an HMAC over both nonces, both ids and the role of the speaker: it is worth nothing in
// another session, for another node, or sent back to its maker. `greets`: the inviter takes the joiner's
// hello on this same connection, which spares both a second handshake.

import { createHmac, timingSafeEqual } from 'node:crypto'
import { checkedName, encodeCbor, meshId } from '../../core/index.ts'
import type { MeshId, NodeId } from '../../core/index.ts'
import { MeshError } from '../errors.ts'
import { fieldsOf } from '../exchange.ts'
import { INVITE_ID_PATTERN } from './invite-line.ts'

export const JOIN_PROTOCOL = '/weft/join/1'
export const JOIN_NONCE_BYTES = 32

export interface JoinRequest {
  readonly mesh: MeshId
  readonly invite: string
  readonly name: string
  readonly nonce: Uint8Array
}

/** Everything that a proof binds. */
export interface JoinSession {
  readonly request: JoinRequest
  readonly joiner: NodeId
  readonly inviter: NodeId
  readonly inviterNonce: Uint8Array
}

export function joinProof(
  secret: Uint8Array,
  speaker: 'joiner' | 'inviter',
  session: JoinSession
): Uint8Array {
  const { request, joiner, inviter, inviterNonce } = session
  const said = encodeCbor([
    'weft/join/1',
    speaker,
    request.mesh,
    request.invite,
    request.name,
    joiner,
    inviter,
    request.nonce,
    inviterNonce
  ])
  return new Uint8Array(createHmac('sha256', secret).update(said).digest())
}

export function isSameProof(expected: Uint8Array, given: unknown): boolean {
  return (
    given instanceof Uint8Array &&
    given.length === expected.length &&
    timingSafeEqual(given, expected)
  )
}

/** @throws MeshError `MESH_MESSAGE_INVALID` */
export function parseJoinRequest(value: unknown): JoinRequest {
  const { v, mesh, invite, name, nonce } = fieldsOf(value)
  if (
    v !== 1 ||
    typeof mesh !== 'string' ||
    typeof invite !== 'string' ||
    !INVITE_ID_PATTERN.test(invite) ||
    typeof name !== 'string' ||
    !isNonce(nonce)
  ) {
    throw new MeshError('MESH_MESSAGE_INVALID', 'Cannot read a join request: it has another form')
  }
  try {
    return { mesh: meshId(mesh), invite, name: checkedName(name), nonce }
  } catch (error) {
    throw new MeshError('MESH_MESSAGE_INVALID', 'Cannot read a join request', { cause: error })
  }
}

export function isNonce(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && value.length === JOIN_NONCE_BYTES
}
