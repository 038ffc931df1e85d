// Who was admitted to a mesh, from signed statements: docs/chain-format.md, "Membership". Pure. It answers
// whose keys those in a file are; whether one was shut out since is for the mesh to say, not for a file.

import { hex, encodeText, join, nodeKey } from './bytes.ts'
import { asArray, asText, decode } from './cbor.ts'
import type { Value } from './cbor.ts'
import { Malformed } from './errors.ts'
import { inDomain, isSignedIn } from './keys.ts'
import type { Primitives } from './primitives.ts'

const STATEMENT_DOMAIN = 'weft/statement/1'
const BODY_DOMAIN = 'weft/statement-body/1'
const STATEMENT_BYTES_MAX: number = 80 * 1024
export const STATEMENTS_MAX = 65_536

export interface MeshMember {
  readonly node: string
  readonly name: string
  /** `evicted`: a statement in the file has shut it out since. */
  readonly role: string
}

export interface Statement {
  readonly id: string
  readonly by: string
  readonly kind: string
  /** The mesh it speaks of; for a genesis, the one it founds. */
  readonly mesh: string
  readonly fields: ReadonlyMap<string, Value>
}

/** Of these kinds all fields are understood; of others only who signed them. */
const FIELDS: Readonly<Record<string, number>> = { genesis: 7, admit: 8, role: 8 }

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
  const kind = textOf(fields, 'kind')
  const count = FIELDS[kind] ?? fields.size
  if (fields.get('v') !== 1 || fields.size !== count) {
    throw new Malformed(`a statement of kind '${kind.slice(0, 64)}' is of another version`)
  }
  const id = statementId(primitives, body, signer)
  return { id, by: signer, kind, mesh: kind === 'genesis' ? id : textOf(fields, 'mesh'), fields }
}

function textOf(fields: ReadonlyMap<string, Value>, name: string): string {
  return asText(fields.get(name), `the ${name} of a statement`)
}

function statementId({ shake256 }: Primitives, body: Uint8Array, by: string): string {
  const words = shake256(inDomain(BODY_DOMAIN, body))
  // A node's text has 52 characters: in CBOR, a head of two bytes.
  const signer = join(Uint8Array.of(0x78, by.length), encodeText(by))
  return hex(shake256(inDomain(STATEMENT_DOMAIN, join(words, signer))))
}

/**
 * The nodes that were admitted. The genesis counts because its id is the mesh's; an admission or a role,
 * because an admin by what counts signed it; all else must at least be by somebody admitted.
 * @throws Malformed where the genesis is missing or a statement does not count
 */
export function foldMembers(
  mesh: string,
  statements: readonly Statement[]
): ReadonlyMap<string, MeshMember> {
  const genesis = statements.find(({ kind, id }) => kind === 'genesis' && id === mesh)
  if (genesis === undefined || subjectOf(genesis) !== genesis.by) {
    throw new Malformed('no statement founds this mesh')
  }
  const others = statements.filter((each) => each !== genesis)
  const admins = new Set([genesis.by])
  const counted: Statement[] = [genesis]
  // A Set's iteration visits what is added meanwhile.
  for (const admin of admins) {
    for (const each of others) {
      if (each.by !== admin || (each.kind !== 'admit' && each.kind !== 'role')) continue
      counted.push(each)
      if (textOf(each.fields, 'role') === 'admin') admins.add(subjectOf(each))
    }
  }
  const members = membersOf(counted)
  for (const each of others) {
    const isBound = each.kind === 'admit' || each.kind === 'role'
    const counts = isBound ? counted.includes(each) : members.has(each.by)
    if (each.mesh !== mesh || !counts)
      throw new Malformed('a statement is by nobody who may make it')
    if (each.kind !== 'revoke' || !admins.has(each.by)) continue
    const member = members.get(subjectOf(each))
    if (member !== undefined) members.set(member.node, { ...member, role: 'evicted' })
  }
  return members
}

function membersOf(counted: readonly Statement[]): Map<string, MeshMember> {
  const members = new Map<string, MeshMember>()
  const [genesis, ...others] = counted
  const ordered = [genesis, ...others.toSorted((a, b) => (a.id < b.id ? -1 : 1))]
  for (const statement of ordered) {
    if (statement === undefined || statement.kind === 'role') continue
    const node = subjectOf(statement)
    const [name, role] = [textOf(statement.fields, 'name'), textOf(statement.fields, 'role')]
    if (!members.has(node)) members.set(node, { node, name, role })
  }
  for (const statement of others) {
    const member = statement.kind === 'role' ? members.get(subjectOf(statement)) : undefined
    if (member === undefined) continue
    members.set(member.node, { ...member, role: textOf(statement.fields, 'role') })
  }
  return members
}

function subjectOf({ fields }: Statement): string {
  const node = textOf(fields, 'node')
  if (nodeKey(node) === null) throw new Malformed('a statement speaks of no node')
  return node
}
