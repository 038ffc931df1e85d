// What a membership statement may say. Formats: docs/formats/mesh.md, section 1.

import { checkedName, meshIdOf, nodeId, readRotation, unixMillis } from '../../core/index.ts'
import type { MeshId, NodeId, UnixMillis } from '../../core/index.ts'
import { MeshError } from '../errors.ts'
import { QUORUM_MAX, STATEMENT_HEADS_MAX, STATEMENTS_KEPT_MAX } from '../limits.ts'

export type Role = 'admin' | 'member'

/** The first statement of a mesh. Its hash is the mesh's id, and its signer the first admin. */
export interface GenesisBody {
  readonly kind: 'genesis'
  readonly node: NodeId
  readonly name: string
  readonly role: 'admin'
  readonly nonce: Uint8Array
  readonly at: UnixMillis
}

/** An admin's word that a node is a member. */
export interface AdmitBody {
  readonly kind: 'admit'
  readonly mesh: MeshId
  readonly node: NodeId
  readonly name: string
  readonly role: Role
  /** The invite that was used, by its id in hexadecimal. For people: nothing depends on it. */
  readonly invite: string
  readonly at: UnixMillis
}

/** An admin's word that a key is out for good. */
export interface RevokeBody {
  readonly kind: 'revoke'
  readonly mesh: MeshId
  readonly node: NodeId
  /** What `node` itself has said and goes on counting; all else of its hand is void. */
  readonly keeps: readonly string[]
  readonly at: UnixMillis
}

/** An admin's word about what a member may do. */
export interface RoleBody {
  readonly kind: 'role'
  readonly mesh: MeshId
  readonly node: NodeId
  readonly role: Role
  /** The statements about this node's role that this one takes the place of. */
  readonly after: readonly string[]
  /** As for a revocation, where an admin becomes a member. */
  readonly keeps: readonly string[]
  readonly at: UnixMillis
}

/** A member's own word that it goes. It may come back by a new invite. */
export interface LeaveBody {
  readonly kind: 'leave'
  readonly mesh: MeshId
  readonly node: NodeId
  /** The admissions that this ends. */
  readonly ends: readonly string[]
  readonly at: UnixMillis
}

/** A member's own word that another key takes its place, with the same name and role. Signed by the old key. */
export interface SucceedBody {
  readonly kind: 'succeed'
  readonly mesh: MeshId
  /** The new key. */
  readonly node: NodeId
  /** Both keys' word for it: the payload of the entry that ends the old key's lane. */
  readonly rotation: Uint8Array
  /** What the old key has said and goes on counting; all else of its hand is void. */
  readonly keeps: readonly string[]
  readonly at: UnixMillis
}

/** How many admins must sign what changes the membership. */
export interface QuorumBody {
  readonly kind: 'quorum'
  readonly mesh: MeshId
  readonly signatures: number
  readonly after: readonly string[]
  /** What counted under the rule before, and goes on counting. */
  readonly keeps: readonly string[]
  readonly at: UnixMillis
}

/** One more signature under other statements. */
export interface ApproveBody {
  readonly kind: 'approve'
  readonly mesh: MeshId
  readonly statements: readonly string[]
  readonly at: UnixMillis
}

export type StatementBody =
  | GenesisBody
  | AdmitBody
  | RevokeBody
  | RoleBody
  | LeaveBody
  | SucceedBody
  | QuorumBody
  | ApproveBody

export const NONCE_BYTES = 16
const INVITE_ID_PATTERN = /^[0-9a-f]{32}$/
const ID_PATTERN = /^[0-9a-f]{64}$/

/** @throws MeshError `MESH_STATEMENT_INVALID`, or what the parsers of core throw */
export function parseBody(value: unknown): StatementBody {
  const fields = record(value)
  if (fields['v'] !== 1) throw invalid('its version is unknown')
  const at = unixMillis(number(fields['at']))
  const { kind } = fields
  if (kind === 'genesis') return parseGenesis(fields, at)
  const mesh = parseMesh(fields['mesh'])
  if (kind === 'approve') {
    const statements = idList(fields['statements'], STATEMENTS_KEPT_MAX)
    return exactly(fields, { kind, mesh, statements, at })
  }
  if (kind === 'quorum') {
    const signatures = number(fields['signatures'])
    if (!Number.isSafeInteger(signatures) || signatures < 1 || signatures > QUORUM_MAX) {
      throw invalid('its number of signatures is out of range')
    }
    return exactly(fields, { kind, mesh, signatures, ...afterAndKeeps(fields), at })
  }
  const node = nodeId(text(fields['node']))
  switch (kind) {
    case 'admit': {
      const invite = text(fields['invite'])
      if (!INVITE_ID_PATTERN.test(invite)) throw invalid('its invite has another form')
      const name = checkedName(text(fields['name']))
      const role = parseRole(fields['role'])
      return exactly(fields, { kind, mesh, node, name, role, invite, at })
    }
    case 'revoke': {
      const keeps = idList(fields['keeps'], STATEMENTS_KEPT_MAX)
      return exactly(fields, { kind, mesh, node, keeps, at })
    }
    case 'role': {
      const role = parseRole(fields['role'])
      return exactly(fields, { kind, mesh, node, role, ...afterAndKeeps(fields), at })
    }
    case 'leave': {
      const ends = idList(fields['ends'], STATEMENT_HEADS_MAX)
      return exactly(fields, { kind, mesh, node, ends, at })
    }
    case 'succeed': {
      const { rotation } = fields
      if (!(rotation instanceof Uint8Array) || readRotation(rotation)?.to !== node) {
        throw invalid('its rotation is not signed by both keys')
      }
      const keeps = idList(fields['keeps'], STATEMENTS_KEPT_MAX)
      return exactly(fields, { kind, mesh, node, rotation, keeps, at })
    }
    default:
      throw invalid('its kind is unknown')
  }
}

function parseGenesis(fields: Record<string, unknown>, at: UnixMillis): GenesisBody {
  const node = nodeId(text(fields['node']))
  const name = checkedName(text(fields['name']))
  const nonce = fields['nonce']
  if (!(nonce instanceof Uint8Array) || nonce.length !== NONCE_BYTES) {
    throw invalid('its nonce has another form')
  }
  if (fields['role'] !== 'admin') throw invalid('a founder is an admin')
  return exactly(fields, { kind: 'genesis', node, name, role: 'admin', nonce, at })
}

function afterAndKeeps(fields: Record<string, unknown>): Pick<RoleBody, 'after' | 'keeps'> {
  return {
    after: idList(fields['after'], STATEMENT_HEADS_MAX),
    keeps: idList(fields['keeps'], STATEMENTS_KEPT_MAX)
  }
}

function parseRole(value: unknown): Role {
  if (value !== 'admin' && value !== 'member') throw invalid('its role is unknown')
  return value
}

function parseMesh(value: unknown): MeshId {
  if (typeof value !== 'string' || !ID_PATTERN.test(value)) {
    throw invalid('its mesh has another form')
  }
  return meshIdOf(new Uint8Array(Buffer.from(value, 'hex')))
}

function idList(value: unknown, countMax: number): readonly string[] {
  const isList =
    Array.isArray(value) &&
    value.length <= countMax &&
    value.every((each) => typeof each === 'string' && ID_PATTERN.test(each))
  if (!isList) throw invalid('a list of statements in it has another form')
  return value
}

/** Refuses fields that nobody reads: what is signed must be what is understood. */
function exactly<T extends StatementBody>(fields: Record<string, unknown>, body: T): T {
  if (Object.keys(fields).length !== Object.keys(body).length + 1) {
    throw invalid('it has fields that version 1 does not know')
  }
  return body
}

function record(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid('it has another form')
  }
  return { ...value }
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw invalid('it has another form')
  return value
}

function number(value: unknown): number {
  if (typeof value !== 'number') throw invalid('it has another form')
  return value
}

export function invalid(why: string, cause?: unknown): MeshError {
  return new MeshError('MESH_STATEMENT_INVALID', `Cannot accept a membership statement: ${why}`, {
    cause
  })
}
