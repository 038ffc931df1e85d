// Who is a member, from signed statements. Pure: one set of statements, one answer, on every node.
//
// Invariants
//   M1. The fold depends on the set alone: order and repetition of statements change nothing.
//   M2. A statement counts only if enough admins by statements that count have signed it. The genesis
//       counts because its hash is the mesh's id.
//   M3. A key that was evicted is no member again, whatever else is said of it: a machine comes back with
//       a new key. Who left by its own word comes back by an admission made later.
//   M4. Names are unique: of two nodes that were admitted under one name at the same time by two
//       admins, one shows it with the end of its id added, the same one on every node.
//   M5. Of what an evicted or demoted admin said, only that counts which the evicting admin knew: its key
//       may be in bad hands, and nothing shows when a statement was made.
//   M7. A key that has handed over is silent from then on, but for what its successor's statement keeps. The
//       successor has its name and role. Evicting either ends both; of two successors of one key at most one
//       counts, and of a key that has left, none.
//   M6. Where two admins evict each other at once, the one nearer to the founder is heard first.

import type { MeshId, NodeId, UnixMillis } from '../../core/index.ts'
import { STATEMENTS_PENDING_MAX } from '../limits.ts'
import { Authority } from './authority.ts'
import type { Evaluation, Rules } from './authority.ts'
import { foundedMesh } from './statement.ts'
import type { AdmitBody, Role, Statement } from './statement.ts'

export interface Member {
  readonly nodeId: NodeId
  readonly name: string
  readonly role: Role
  /** The statement that gave the member its name. */
  readonly statement: string
}

/** A node that was a member. */
export interface Departure {
  readonly nodeId: NodeId
  readonly name: string
  readonly kind: 'evicted' | 'left' | 'succeeded'
  /** Who said so, and in which statement. */
  readonly by: NodeId
  readonly statement: string
  /** When, as its signer claims. */
  readonly at: UnixMillis
}

/** What an admin has said and what needs the signatures of others yet. */
export interface Pending {
  readonly statement: Statement
  readonly signers: readonly NodeId[]
  readonly needed: number
}

export interface Membership {
  readonly meshId: MeshId
  readonly members: ReadonlyMap<string, Member>
  readonly departed: ReadonlyMap<string, Departure>
  /** How many admins must sign what changes the membership. */
  readonly signatures: number
  /** Ids of the statements that count, sorted. */
  readonly counted: readonly string[]
  readonly pending: readonly Pending[]
}

/** Null when `statements` lack the genesis of `meshId`. */
export function foldMembership(meshId: MeshId, statements: Iterable<Statement>): Membership | null {
  const sorted = [...new Map(Array.from(statements, (each) => [each.id, each])).values()]
  sorted.sort((a, b) => (a.id < b.id ? -1 : 1))
  const genesis = sorted.find((each) => isGenesisOf(meshId, each))
  if (genesis === undefined) return null
  const others = sorted.filter(({ body }) => body.kind !== 'genesis' && body.mesh === meshId)
  const authority = new Authority(genesis, others)
  const rules: Rules = {
    silenced: new Map(),
    signatures: 1,
    evicted: new Map(),
    demoted: new Set(),
    heirs: new Map(),
    grandfathered: new Set()
  }
  const revoked = new Map<NodeId, Statement>()
  const evaluation = settle({ authority, rules, revoked, signed: new Set(others.map(signerOf)) })
  const { counted } = evaluation
  return {
    meshId,
    ...standing([...counted.values()], { revoked, rules }),
    signatures: rules.signatures,
    counted: [...new Set([...counted.keys(), ...idsOf(revoked)])].toSorted(),
    pending: pendingOf(others, { authority, rules, evaluation })
  }
}

function isGenesisOf(meshId: MeshId, statement: Statement): boolean {
  const { body, by } = statement
  return body.kind === 'genesis' && body.node === by && foundedMesh(statement) === meshId
}

function signerOf(statement: Statement): NodeId {
  return statement.by
}

function idsOf(statements: ReadonlyMap<NodeId, Statement>): readonly string[] {
  return [...statements.values()].map(({ id }) => id)
}

interface Settling {
  readonly authority: Authority
  readonly rules: Rules
  readonly revoked: Map<NodeId, Statement>
  /** Nodes that have signed anything: silencing others changes nothing. */
  readonly signed: ReadonlySet<NodeId>
}

/**
 * Puts restrictions in force, one by one: first those that ask for more signatures, then evictions and
 * demotions by the rank of their signer (M6), each only if it counts under those before it. One that was
 * put in force stays so, though a later one silences its signer: whoever was out stays out (M3).
 */
function settle(settling: Settling): Evaluation {
  const { authority, rules, revoked, signed } = settling
  const applied = new Set<string>()
  let evaluation = authority.evaluate(rules)
  for (;;) {
    const next = nextRestriction(evaluation, applied)
    if (next === null) return evaluation
    applied.add(next.id)
    const { body } = next
    if (body.kind === 'quorum') {
      rules.signatures = Math.max(rules.signatures, body.signatures)
      for (const id of body.keeps) rules.grandfathered.add(id)
      rules.grandfathered.add(next.id)
    } else if (body.kind === 'succeed') {
      rules.heirs.set(next.by, { node: body.node, statement: next.id })
      keep(rules.silenced, next.by, [...body.keeps, next.id])
    } else if (body.kind === 'revoke' || body.kind === 'role') {
      if (body.kind === 'revoke') {
        if (!revoked.has(body.node)) revoked.set(body.node, next)
        keep(rules.evicted, body.node, body.keeps)
      } else rules.demoted.add(body.node)
      keep(rules.silenced, body.node, body.keeps)
      if (!signed.has(body.node)) continue
    }
    evaluation = authority.evaluate(rules)
  }
}

function keep(kept: Map<NodeId, Set<string>>, node: NodeId, ids: readonly string[]): void {
  kept.set(node, new Set([...(kept.get(node) ?? []), ...ids]))
}

function nextRestriction(
  { counted, admins }: Evaluation,
  applied: ReadonlySet<string>
): Statement | null {
  const superseded = new Set<string>()
  for (const { body } of counted.values()) {
    if (body.kind === 'role' || body.kind === 'quorum') {
      for (const id of body.after) superseded.add(id)
    }
  }
  const found: Statement[] = []
  for (const statement of counted.values()) {
    const { id, body } = statement
    const isRestriction =
      body.kind === 'revoke' ||
      body.kind === 'succeed' ||
      (body.kind === 'role' && body.role === 'member' && !superseded.has(id)) ||
      (body.kind === 'quorum' && !superseded.has(id))
    if (isRestriction && !applied.has(id)) found.push(statement)
  }
  const rank = ({ by, body }: Statement): number =>
    body.kind === 'quorum' ? -1 : (admins.get(by) ?? Infinity)
  // Between equals the key decides, which was there before the quarrel, and not an id that can be tried for.
  const isBefore = (a: Statement, b: Statement): boolean => {
    if (rank(a) !== rank(b)) return rank(a) < rank(b)
    return a.by === b.by ? a.id < b.id : a.by < b.by
  }
  return found.reduce<Statement | null>(
    (best, each) => (best === null || isBefore(each, best) ? each : best),
    null
  )
}

/** Each node's first admission by id names it; the newest words about its role decide on that. */
function standing(
  counted: readonly Statement[],
  { revoked, rules }: { revoked: ReadonlyMap<NodeId, Statement>; rules: Rules }
): Pick<Membership, 'members' | 'departed'> {
  const members = new Map<string, Member>()
  const departed = new Map<string, Departure>()
  const names = new Set<string>()
  const roles = rolesSaid(counted)
  const ended = leavings(counted)
  const ids = new Set(counted.map(({ id }) => id))
  const [genesis, ...others] = counted
  // The founder comes first, so nobody takes its name.
  const ordered = [genesis, ...others.toSorted((a, b) => (a.id < b.id ? -1 : 1))]
  for (const statement of ordered) {
    const body = statement?.body
    if (statement === undefined || (body?.kind !== 'genesis' && body?.kind !== 'admit')) continue
    const { name } = body
    const line = lineOf({ node: body.node, given: statement.id }, { counted: ids, ended, rules })
    const last = line.at(-1) ?? { node: body.node, given: statement.id }
    const { node } = last
    for (const [index, { node: old }] of line.slice(0, -1).entries()) {
      const next = counted.find(({ id }) => id === line[index + 1]?.given) ?? statement
      const word = { by: old, statement: next.id, at: next.body.at }
      departed.set(old, { nodeId: old, name, kind: 'succeeded', ...word })
    }
    const end = revoked.get(node) ?? ended.get(last.given)
    if (end !== undefined) {
      const kind = end.body.kind === 'revoke' ? 'evicted' : 'left'
      const {
        by,
        id,
        body: { at }
      } = end
      departed.set(node, { nodeId: node, name, kind, by, statement: id, at })
      continue
    }
    const said = line.findLast((each) => roles.has(each.node))
    const role = roles.get(said?.node ?? node) ?? body.role
    const known = members.get(node)
    if (known !== undefined) {
      if (role === 'admin') members.set(node, { ...known, role })
      continue
    }
    const shown = names.has(name) ? `${name.slice(0, 54)}-${node.slice(-8).toLowerCase()}` : name
    names.add(shown)
    members.set(node, { nodeId: node, name: shown, role, statement: statement.id })
  }
  for (const node of members.keys()) departed.delete(node) // It left, and came back.
  return { members, departed }
}

/** One key of a member, and the statement that made it one. */
interface Key {
  readonly node: NodeId
  readonly given: string
}

interface Line {
  readonly counted: ReadonlySet<string>
  readonly ended: ReadonlyMap<string, Statement>
  readonly rules: Rules
}

/** The keys of one member in turn (M7): those that handed over, and the one that stands now. */
function lineOf(first: Key, { counted, ended, rules }: Line): readonly Key[] {
  const line = [first]
  const seen = new Set([first.node])
  // The list grows while it is walked. Whoever left handed over to nobody.
  for (const { node, given } of line) {
    const heir = ended.has(given) ? undefined : rules.heirs.get(node)
    if (heir === undefined || !counted.has(heir.statement) || seen.has(heir.node)) break
    line.push({ node: heir.node, given: heir.statement })
    seen.add(heir.node)
  }
  return line
}

/** The role of each node that statements speak of; where two spoke at once, the lesser one. */
function rolesSaid(counted: readonly Statement[]): ReadonlyMap<NodeId, Role> {
  const said = counted.filter(({ body }) => body.kind === 'role')
  const superseded = new Set(said.flatMap(({ body }) => (body.kind === 'role' ? body.after : [])))
  const roles = new Map<NodeId, Role>()
  for (const { id, body } of said) {
    if (body.kind !== 'role' || superseded.has(id)) continue
    if (roles.get(body.node) !== 'member') roles.set(body.node, body.role)
  }
  return roles
}

/** Admissions that their nodes have ended -> by which statement. */
function leavings(counted: readonly Statement[]): ReadonlyMap<string, Statement> {
  const ended = new Map<string, Statement>()
  const nodeOf = new Map(
    counted.flatMap(({ id, body }) =>
      body.kind === 'admit' || body.kind === 'genesis' || body.kind === 'succeed'
        ? [[id, body.node] as const]
        : []
    )
  )
  for (const statement of counted) {
    if (statement.body.kind !== 'leave') continue
    for (const id of statement.body.ends) {
      if (nodeOf.get(id) === statement.by) ended.set(id, statement)
    }
  }
  return ended
}

/** What admins have said and what may still come to count; a bounded number of each signer's. */
function pendingOf(
  others: readonly Statement[],
  parts: { readonly authority: Authority; readonly rules: Rules; readonly evaluation: Evaluation }
): readonly Pending[] {
  const { authority, rules, evaluation } = parts
  const each = new Map<NodeId, number>()
  const pending: Pending[] = []
  for (const statement of others) {
    if (evaluation.counted.has(statement.id)) continue
    const { kind } = statement.body
    // No signature of another makes these count.
    if (kind === 'leave' || kind === 'succeed' || rules.silenced.has(statement.by)) continue
    const signers = authority.signers(statement, evaluation.admins, rules)
    const count = each.get(statement.by) ?? 0
    if (!signers.has(statement.by) || count >= STATEMENTS_PENDING_MAX) continue
    each.set(statement.by, count + 1)
    pending.push({ statement, signers: [...signers], needed: authority.needed(statement, rules) })
  }
  return pending
}

/** Why `admin` may not admit `node` as `name`, or null if it may. */
export function admissionProblem(
  membership: Membership,
  admin: NodeId,
  request: Pick<AdmitBody, 'node' | 'name'>
): 'not-admin' | 'name-taken' | 'evicted' | null {
  if (membership.members.get(admin)?.role !== 'admin') return 'not-admin'
  if (membership.departed.get(request.node)?.kind === 'evicted') return 'evicted'
  for (const member of membership.members.values()) {
    if (member.name === request.name && member.nodeId !== request.node) return 'name-taken'
  }
  return null
}
