// The life of invites at the node that made them. Pure: the door (door.ts) carries the verdicts out.
//
// Invariants
//   I1. An invite admits at most `uses` nodes, each once; a repeat by the same node costs no use.
//   I2. After `expiresAt` by this node's wall clock an invite admits nobody. The wall clock is a claim:
//       setting it back revives an invite, which is why `uses` is counted and not judged by time.
//   I3. Nothing is learned about an invite without the proof of its secret.

import { encodeCbor, nodeId, unixMillis } from '../../core/index.ts'
import type { NodeId, UnixMillis } from '../../core/index.ts'
import type { JoinRefusalCode } from '../errors.ts'
import { INVITE_RELAYS_MAX, INVITE_USES_MAX } from '../limits.ts'
import { readStored, storeDamaged } from '../stored.ts'
import { INVITE_ID_PATTERN, SECRET_BYTES } from './invite-line.ts'
import type { Role } from './statement.ts'

export interface Invite {
  readonly inviteId: string
  readonly secret: Uint8Array
  readonly expiresAt: UnixMillis
  readonly role: Role
  readonly uses: number
  readonly usedBy: readonly NodeId[]
  /** Members that were asked to let its joiners through. */
  readonly relays: readonly NodeId[]
}

export type InviteVerdict =
  | { readonly kind: 'admit'; readonly next: Invite }
  | { readonly kind: 'repeat' }
  | { readonly kind: 'refuse'; readonly code: JoinRefusalCode }

/** Judges one request to use `invite` (null: unknown id). `isProven` says that it knew the secret. */
export function judgeInvite(
  invite: Invite | null,
  request: { readonly node: NodeId; readonly isProven: boolean },
  wall: UnixMillis
): InviteVerdict {
  if (invite === null) return { kind: 'refuse', code: 'MESH_INVITE_UNKNOWN' }
  if (!request.isProven) return { kind: 'refuse', code: 'MESH_INVITE_INVALID' }
  if (invite.usedBy.includes(request.node)) return { kind: 'repeat' }
  if (wall >= invite.expiresAt) return { kind: 'refuse', code: 'MESH_INVITE_EXPIRED' }
  if (invite.usedBy.length >= invite.uses) return { kind: 'refuse', code: 'MESH_INVITE_USED' }
  return { kind: 'admit', next: { ...invite, usedBy: [...invite.usedBy, request.node] } }
}

/** Whether strangers may knock because of this invite. */
export function isInviteOpen(invite: Invite, wall: UnixMillis): boolean {
  return wall < invite.expiresAt && invite.usedBy.length < invite.uses
}

/** The invites to forget: the oldest of those that are not open, beyond the `kept` newest. */
export function forgettableInvites(
  invites: Iterable<Invite>,
  wall: UnixMillis,
  kept: number
): readonly Invite[] {
  // A closed invite is kept for a while: who comes too late should learn that, and not "unknown".
  const closed = [...invites].filter((invite) => !isInviteOpen(invite, wall))
  return closed.toSorted((a, b) => b.expiresAt - a.expiresAt).slice(kept)
}

export function encodeInvite(invite: Invite): Uint8Array {
  const { relays, ...rest } = invite
  return encodeCbor({ v: 1, ...rest, ...(relays.length === 0 ? {} : { relays }) })
}

/** @throws MeshError `MESH_STORE_DAMAGED` */
export function decodeInvite(bytes: Uint8Array): Invite {
  const {
    inviteId,
    secret,
    expiresAt,
    role,
    uses,
    usedBy,
    relays = []
  } = readStored(bytes, 'an invite')
  if (
    typeof inviteId !== 'string' ||
    !INVITE_ID_PATTERN.test(inviteId) ||
    !(secret instanceof Uint8Array) ||
    secret.length !== SECRET_BYTES ||
    typeof expiresAt !== 'number' ||
    (role !== 'admin' && role !== 'member') ||
    typeof uses !== 'number' ||
    !Array.isArray(usedBy) ||
    usedBy.length > INVITE_USES_MAX ||
    !Array.isArray(relays) ||
    relays.length > INVITE_RELAYS_MAX
  ) {
    throw storeDamaged('an invite')
  }
  return {
    inviteId,
    secret,
    expiresAt: unixMillis(expiresAt),
    role,
    uses,
    usedBy: usedBy.map(storedNode),
    relays: relays.map(storedNode)
  }
}

function storedNode(value: unknown): NodeId {
  if (typeof value !== 'string') throw storeDamaged('an invite')
  return nodeId(value)
}
