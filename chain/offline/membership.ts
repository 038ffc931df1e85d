// What signed statements say about the members of a mesh: docs/chain-format.md, "Membership". Pure. fold.ts
// decides which of them count, and who is a member by these.

import { hex, encodeText, isSame, join, nodeKey } from './bytes.ts'
import { asArray, asInteger, asText, decode } from './cbor.ts'
import type { Value } from './cbor.ts'
import { Malformed } from './errors.ts'
import { inDomain, isSignedIn } from './keys.ts'
import type { Primitives } from './primitives.ts'
import { readRotation } from './rotation.ts'

const STATEMENT_DOMAIN = 'weft/statement/1'
const BODY_DOMAIN = 'weft/statement-body/1'
const STATEMENT_BYTES_MAX: number = 80 * 1024
export const STATEMENTS_MAX = 65_536
const KEEPS_MAX = 1024
const HEADS_MAX = 16
const SIGNATURES_MAX = 16
const NONCE_BYTES = 16

/** Somebody whom the mesh has admitted, as the statements of the file have it. */
export interface MeshMember {
  readonly node: string
  readonly name: string
  /** `evicted`, `left`, `succeeded`: a statement in the file has ended its membership since. */
  readonly role: 'admin' | 'member' | 'evicted' | 'left' | 'succeeded'
  /** The key that took over from this one, if one did. */
  readonly heir: string | null
}

export type StatementKind =
  | 'genesis'
  | 'admit'
  | 'role'
  | 'revoke'
  | 'leave'
  | 'quorum'
  | 'approve'
  | 'succeed'

export interface Statement {
  readonly id: string
  readonly by: string
  readonly kind: StatementKind
  /** The mesh it speaks of; for a genesis, the one it founds. */
  readonly mesh: string
  /** Whom it is about; empty for `quorum` and `approve`. */
  readonly node: string
  readonly name: string
  readonly role: 'admin' | 'member'
  readonly signatures: number
  /** The ids that it names, each under what they are named for. */
  readonly keeps: readonly string[]
  readonly after: readonly string[]
  readonly ends: readonly string[]
  readonly statements: readonly string[]
}

type Fields = ReadonlyMap<string, Value>

/** The fields of each kind, beside `v`, `kind` and `at`. */
const FIELDS: Readonly<Record<StatementKind, string>> = {
  genesis: 'node name role nonce',
  admit: 'mesh node name role invite',
  role: 'mesh node role after keeps',
  revoke: 'mesh node keeps',
  leave: 'mesh node ends',
  quorum: 'mesh signatures after keeps',
  approve: 'mesh statements',
  succeed: 'mesh node rotation keeps'
}

/** @throws Malformed */
export function readStatement(primitives: Primitives, bytes: Uint8Array): Statement {
  if (bytes.length > STATEMENT_BYTES_MAX) throw new Malformed('a statement is too long')
  const [body, by, signature] = asArray(decode(bytes), 3, 'a statement')
  const signer = asText(by, 'a signer')
  const key = nodeKey(signer)
  if (!(body instanceof Uint8Array) || !(signature instanceof Uint8Array) || key === null) {
    throw new Malformed('a statement has another form')
  }
  if (!isSignedIn(primitives, key, STATEMENT_DOMAIN, [body, signature])) {
    throw new Malformed('a statement is not signed by who it says')
  }
  const fields = decode(body)
  if (!(fields instanceof Map)) throw new Malformed('a statement has another form')
  const kind = kindOf(fields)
  const id = statementId(primitives, body, signer)
  const statement = parsed(fields, { id, by: signer, kind })
  if (kind === 'succeed') checkHeir(primitives, fields, { key, node: statement.node })
  return statement
}

function kindOf(fields: Fields): StatementKind {
  const kind = textOf(fields, 'kind')
  if (!isKind(kind)) {
    throw new Malformed(`a statement of kind '${kind.slice(0, 64)}' is of another version`)
  }
  const names = FIELDS[kind].split(' ')
  const isWhole = names.every((name) => fields.has(name)) && fields.size === names.length + 3
  if (fields.get('v') !== 1 || !isWhole) {
    throw new Malformed(`a statement of kind '${kind}' is of another version`)
  }
  asInteger(fields.get('at'), Number.MAX_SAFE_INTEGER, 'the time of a statement')
  return kind
}

function isKind(kind: string): kind is StatementKind {
  return Object.hasOwn(FIELDS, kind)
}

function parsed(
  fields: Fields,
  { id, by, kind }: Pick<Statement, 'id' | 'by' | 'kind'>
): Statement {
  const has = (name: string): boolean => FIELDS[kind].split(' ').includes(name)
  const node = has('node') ? textOf(fields, 'node') : ''
  if (has('node') && nodeKey(node) === null) throw new Malformed('a statement speaks of no node')
  const nonce = fields.get('nonce')
  if (kind === 'genesis' && !(nonce instanceof Uint8Array && nonce.length === NONCE_BYTES)) {
    throw new Malformed('a genesis has another form')
  }
  const signatures = has('signatures')
    ? asInteger(fields.get('signatures'), SIGNATURES_MAX, 'a number of signatures')
    : 1
  if (signatures < 1) throw new Malformed('a quorum of nobody')
  return {
    id,
    by,
    kind,
    node,
    signatures,
    mesh: kind === 'genesis' ? id : textOf(fields, 'mesh'),
    name: has('name') ? textOf(fields, 'name') : '',
    role: has('role') ? roleOf(fields, kind) : 'member',
    keeps: idsOf(fields, 'keeps', KEEPS_MAX),
    after: idsOf(fields, 'after', HEADS_MAX),
    ends: idsOf(fields, 'ends', HEADS_MAX),
    statements: idsOf(fields, 'statements', KEEPS_MAX)
  }
}

function roleOf(fields: Fields, kind: StatementKind): 'admin' | 'member' {
  const role = textOf(fields, 'role')
  if (role === 'admin') return role
  if (role !== 'member' || kind === 'genesis') throw new Malformed('a role of another version')
  return role
}

function idsOf(fields: Fields, name: string, countMax: number): readonly string[] {
  const value = fields.get(name)
  if (value === undefined) return []
  if (!Array.isArray(value) || value.length > countMax) throw new Malformed('a list is too long')
  return value.map((each: Value) => {
    const id = asText(each, 'the id of a statement')
    if (!/^[0-9a-f]{64}$/.test(id)) throw new Malformed('the id of a statement has another form')
    return id
  })
}

/** The new key must have signed, too, and the old one must be the signer. */
function checkHeir(
  primitives: Primitives,
  fields: Fields,
  { key, node }: { readonly key: Uint8Array; readonly node: string }
): void {
  const signed = fields.get('rotation')
  if (!(signed instanceof Uint8Array)) throw new Malformed('a succession has another form')
  const { oldKey, newKey } = readRotation(primitives, signed)
  const heir = nodeKey(node)
  if (!isSame(oldKey, key) || heir === null || !isSame(newKey, heir)) {
    throw new Malformed('a succession of other keys than it says')
  }
}

function textOf(fields: Fields, name: string): string {
  return asText(fields.get(name), `the ${name} of a statement`)
}

function statementId({ shake256 }: Primitives, body: Uint8Array, by: string): string {
  const words = shake256(inDomain(BODY_DOMAIN, body))
  // A node's text has 52 characters: in CBOR, a head of two bytes.
  const signer = join(Uint8Array.of(0x78, by.length), encodeText(by))
  return hex(shake256(inDomain(STATEMENT_DOMAIN, join(words, signer))))
}
