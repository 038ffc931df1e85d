// The line that a person copies from one machine to another: `weft1` and base64url of CBOR and a
// checksum. The checksum tells a damaged line from a forged one; the secret is what is proven.

import {
  concatBytes,
  decodeCbor,
  encodeCbor,
  equalBytes,
  fromHex,
  meshIdOf,
  nodeIdOf,
  publicKeyOf,
  shake256,
  toHex,
  unixMillis
} from '../../core/index.ts'
import type { MeshId, NodeId, UnixMillis } from '../../core/index.ts'
import { MeshError } from '../errors.ts'
import { ADDRESS_LENGTH_MAX, INVITE_ADDRESSES_MAX, INVITE_LINE_LENGTH_MAX } from '../limits.ts'
import type { Role } from './statement.ts'

export interface InviteLine {
  readonly meshId: MeshId
  readonly inviter: NodeId
  /** Without the trailing `/p2p/...`, which `inviter` says already. */
  readonly addresses: readonly string[]
  readonly inviteId: string
  readonly secret: Uint8Array
  readonly expiresAt: UnixMillis
  readonly role: Role
}

const PREFIX = 'weft1'
const VERSION = 1
const CHECKSUM_BYTES = 4
export const INVITE_ID_BYTES = 16
export const SECRET_BYTES = 32
export const INVITE_ID_PATTERN: RegExp = /^[0-9a-f]{32}$/

export function formatInvite(invite: InviteLine): string {
  const bytes = encodeCbor([
    VERSION,
    bytesOfHex(invite.meshId),
    publicKeyOf(invite.inviter),
    invite.addresses,
    bytesOfHex(invite.inviteId),
    invite.secret,
    invite.expiresAt,
    invite.role
  ])
  return PREFIX + Buffer.from(concatBytes(bytes, checksum(bytes))).toString('base64url')
}

/**
 * Reads a pasted line. White space within it is forgiven: terminals and mail wrap lines.
 * @throws MeshError `MESH_INVITE_DAMAGED`, `MESH_INVITE_UNSUPPORTED`
 */
export function parseInvite(line: string): InviteLine {
  if (line.length > INVITE_LINE_LENGTH_MAX) throw damaged('it is too long')
  const text = line.replaceAll(/\s/g, '')
  const payload = text.slice(PREFIX.length)
  if (!text.startsWith(PREFIX) || !/^[A-Za-z0-9_-]+$/.test(payload)) {
    throw damaged("it must begin with 'weft1' and contain letters, digits, - and _ only")
  }
  const all = new Uint8Array(Buffer.from(payload, 'base64url'))
  const bytes = all.slice(0, -CHECKSUM_BYTES)
  if (bytes.length === 0 || !equalBytes(checksum(bytes), all.slice(-CHECKSUM_BYTES))) {
    throw damaged('a part is missing or changed')
  }
  let fields: unknown
  try {
    fields = decodeCbor(bytes)
  } catch (error) {
    throw damaged('it cannot be read', error)
  }
  if (!Array.isArray(fields)) throw damaged('it has another form')
  if (fields[0] !== VERSION) {
    throw new MeshError(
      'MESH_INVITE_UNSUPPORTED',
      'Cannot read the invite: another version of weaver made it; run one version on both machines'
    )
  }
  return parseFields(fields)
}

function parseFields(fields: readonly unknown[]): InviteLine {
  const [, mesh, inviter, addresses, inviteId, secret, expiresAt, role] = fields
  if (
    fields.length !== 8 ||
    !isBytes(mesh, 32) ||
    !isBytes(inviter, 32) ||
    !isBytes(inviteId, INVITE_ID_BYTES) ||
    !isBytes(secret, SECRET_BYTES) ||
    !isAddresses(addresses) ||
    typeof expiresAt !== 'number' ||
    !Number.isSafeInteger(expiresAt) ||
    expiresAt < 0 ||
    (role !== 'admin' && role !== 'member')
  ) {
    throw damaged('it has another form')
  }
  return {
    meshId: meshIdOf(mesh),
    inviter: nodeIdOf(inviter),
    addresses,
    inviteId: toHex(inviteId),
    secret,
    expiresAt: unixMillis(expiresAt),
    role
  }
}

function isAddresses(value: unknown): value is readonly string[] {
  return (
    Array.isArray(value) &&
    value.length <= INVITE_ADDRESSES_MAX &&
    value.every((each) => typeof each === 'string' && each.length <= ADDRESS_LENGTH_MAX)
  )
}

function isBytes(value: unknown, size: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length === size
}

function bytesOfHex(text: string): Uint8Array {
  return fromHex(text) ?? new Uint8Array()
}

function checksum(bytes: Uint8Array): Uint8Array {
  return shake256('weft/invite-line/1', bytes).slice(0, CHECKSUM_BYTES)
}

function damaged(why: string, cause?: unknown): MeshError {
  return new MeshError(
    'MESH_INVITE_DAMAGED',
    `Cannot read the invite: ${why}; copy the whole line that 'weaver mesh invite' printed`,
    { cause }
  )
}
