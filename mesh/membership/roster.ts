// The statements this node holds, on disk and folded: the one answer to "who is a member".
//
// Invariants
//   R1. What the fold counts is on disk before anybody is told of it.
//   R2. Only statements that count are kept, so a member cannot fill our disk with others.
//   R3. A node is in one mesh at a time; leaving and entering is one write.
//   R4. Whoever was seen evicted here stays out here, whatever the fold says later: the word of an admin
//       that is silenced afterwards may cease to count, and nobody comes back by that.
//   R5. The first successor that a key named here is its only one: of what comes later by that key nothing
//       is taken in. Whoever has stolen the old key cannot take back what its owner did before.

import { encodeCbor, meshId, shake256, utf8 } from '../../core/index.ts'
import type { KeyValueStore, MeshId, NodeId, StoreWrite } from '../../core/index.ts'
import { MeshError } from '../errors.ts'
import { STATEMENTS_MAX } from '../limits.ts'
import { readStored, storeDamaged } from '../stored.ts'
import { Serial } from '../tasks.ts'
import { foldMembership } from './fold.ts'
import type { Departure, Member, Membership } from './fold.ts'
import { foundedMesh, parseStatement } from './statement.ts'
import type { Statement } from './statement.ts'

const CURRENT_KEY = 'mesh/current'
const STATEMENT_PREFIX = 'mesh/statement/'
const BARRED_PREFIX = 'mesh/barred/'

export class Roster {
  readonly #store: KeyValueStore
  readonly #onChange: (said: Statement | null) => void
  readonly #turn = new Serial()
  #statements: ReadonlyMap<string, Statement> = new Map()
  /** Nodes seen evicted -> the statement that did it (R4). */
  #barred: ReadonlyMap<string, Statement> = new Map()
  #membership: Membership | null = null
  /** The membership as the statements alone would have it. */
  #folded: Membership | null = null
  #digest: Uint8Array = new Uint8Array()

  /** `onChange` is called after every change of the membership, once it is on disk; `said`: by this node. */
  constructor(store: KeyValueStore, onChange: (said: Statement | null) => void) {
    this.#store = store
    this.#onChange = onChange
  }

  get membership(): Membership | null {
    return this.#membership
  }

  /** Equal on two nodes exactly if both hold the same statements. Empty without a mesh. */
  get digest(): Uint8Array {
    return this.#digest
  }

  member(id: NodeId): Member | null {
    return this.#membership?.members.get(id) ?? null
  }

  isMember(id: string): id is NodeId {
    return this.#membership?.members.has(id) ?? false
  }

  /** Evictions that were in force here and count no more: for an admin to say again (R4). */
  contested(): readonly Statement[] {
    const inForce = this.#folded?.departed
    return [...this.#barred].flatMap(([node, statement]) =>
      inForce?.get(node)?.kind === 'evicted' ? [] : [statement]
    )
  }

  /** The key that stands for `id` now, or null where it never handed over. */
  heirOf(id: NodeId): NodeId | null {
    const { departed } = this.#membership ?? {}
    let heir: NodeId | null = null
    let next = departed?.get(id)
    // Each step goes to a newer key; two that name each other end with the first one seen twice.
    for (const seen = new Set<string>([id]); next?.kind === 'succeeded';) {
      const body = this.#statements.get(next.statement)?.body
      if (body?.kind !== 'succeed' || seen.has(body.node)) break
      heir = body.node
      seen.add(heir)
      next = departed?.get(heir)
    }
    return heir
  }

  /** The key that `id` took over from, with the word of both. */
  predecessorOf(id: NodeId): { readonly node: NodeId; readonly rotation: Uint8Array } | null {
    for (const { nodeId, kind, statement } of this.#membership?.departed.values() ?? []) {
      const body = kind === 'succeeded' ? this.#statements.get(statement)?.body : undefined
      if (body?.kind === 'succeed' && body.node === id) {
        return { node: nodeId, rotation: body.rotation }
      }
    }
    return null
  }

  /** The statements that count. */
  counted(): readonly Statement[] {
    const ids = this.#membership?.counted ?? []
    return ids.flatMap((id) => this.#statements.get(id) ?? [])
  }

  statement(id: string): Statement | null {
    return this.#statements.get(id) ?? null
  }

  /** The bytes of the statements held, but for those whose ids `known` has. */
  statements(known: ReadonlySet<string> = new Set()): readonly Uint8Array[] {
    const wanted = this.ids().filter((id) => !known.has(id))
    return wanted.flatMap((id) => this.#statements.get(id)?.bytes ?? [])
  }

  ids(): readonly string[] {
    return [...this.#statements.keys()]
  }

  /** @throws MeshError `MESH_STORE_DAMAGED` */
  async load(): Promise<void> {
    const current = await this.#store.get(CURRENT_KEY)
    if (current === null) return
    const stored = await this.#store.list(STATEMENT_PREFIX)
    const barred = await this.#store.list(BARRED_PREFIX)
    const { mesh } = readStored(current, 'the membership')
    try {
      const statements = stored.map(([, bytes]) => parseStatement(bytes))
      this.#barred = new Map(
        barred.map(([key, bytes]) => [key.slice(BARRED_PREFIX.length), parseStatement(bytes)])
      )
      if (this.#apply(meshId(String(mesh)), statements)) return
    } catch (error) {
      throw storeDamaged('the membership', error)
    }
    throw storeDamaged('the membership')
  }

  /** Enters the mesh that `statements` describe, and leaves the one before, in one write (R3). */
  async enter(mesh: MeshId, statements: readonly Statement[]): Promise<void> {
    await this.#turn.run(async () => {
      const membership = foldMembership(mesh, statements)
      if (membership === null) {
        throw new MeshError(
          'MESH_ANSWER_INVALID',
          `Cannot enter mesh ${mesh}: no genesis statement`
        )
      }
      const ids = heldIds(membership)
      const kept = statements.filter((each) => ids.has(each.id))
      const bars = newBars(new Map(), membership, kept)
      await this.#store.write([
        ...(await this.#forgetting()),
        ...kept.map(statementWrite),
        ...bars.map(barWrite),
        { key: CURRENT_KEY, value: encodeCbor({ v: 1, mesh }) }
      ])
      // From here the membership is durable: a crash starts in the new mesh.
      this.#barred = new Map(bars)
      this.#apply(mesh, kept)
    })
    this.#onChange(null)
  }

  /** Forgets the mesh, in one write with all that belongs to it. */
  async leave(): Promise<void> {
    await this.#turn.run(async () => {
      await this.#store.write([...(await this.#forgetting()), { key: CURRENT_KEY, value: null }])
      this.#barred = new Map()
      this.#statements = new Map()
      this.#membership = null
      this.#folded = null
      this.#digest = new Uint8Array()
    })
    this.#onChange(null)
  }

  async #forgetting(): Promise<readonly StoreWrite[]> {
    const prefixes = [
      STATEMENT_PREFIX,
      BARRED_PREFIX,
      'mesh/invite/',
      'mesh/outbox/',
      'mesh/inbox/'
    ]
    const lists = await Promise.all(prefixes.map((prefix) => this.#store.list(prefix)))
    return lists.flat().map(([key]) => ({ key, value: null }))
  }

  /** Adds one statement of our own, with `writes` in the same transaction. */
  async add(statement: Statement, writes: readonly StoreWrite[]): Promise<void> {
    await this.#turn.run(async () => {
      const membership = this.#membership
      if (membership === null) throw new MeshError('MESH_NO_MESH', 'Cannot admit: there is no mesh')
      const all = [...this.#statements.values(), statement]
      const folded = foldMembership(membership.meshId, all)
      const bars = folded === null ? [] : newBars(this.#barred, folded, all)
      await this.#store.write([statementWrite(statement), ...bars.map(barWrite), ...writes])
      this.#barred = new Map([...this.#barred, ...bars])
      this.#apply(membership.meshId, all)
    })
    this.#onChange(statement)
  }

  /** Resolves when what has been received so far is taken in, or was not. */
  async settled(): Promise<void> {
    await this.#turn.run(async () => undefined)
  }

  /**
   * Takes in statements from a member. What does not parse, or neither counts nor waits for signatures, is
   * dropped.
   * @returns how many were new
   */
  async absorb(received: readonly Uint8Array[]): Promise<number> {
    const fresh = await this.#turn.run(async () => {
      const membership = this.#membership
      if (membership === null) return 0
      const offered = received.flatMap((bytes) => parsedOrNothing(bytes))
      const closed = successions(this.#statements.values(), this.#folded?.counted ?? [])
      const unknown = offered.filter((each) => {
        return !this.#statements.has(each.id) && closed.get(each.by)?.has(each.id) !== false
      })
      const all = [...this.#statements.values(), ...unknown]
      const folded = foldMembership(membership.meshId, all)
      if (folded === null || folded.counted.length > STATEMENTS_MAX) return 0
      const ids = heldIds(folded)
      const kept = unknown.filter((each) => ids.has(each.id))
      if (kept.length === 0) return 0
      const bars = newBars(this.#barred, folded, all)
      const gone = [...this.#statements.keys()].filter((id) => !ids.has(id))
      await this.#store.write([
        ...kept.map(statementWrite),
        ...bars.map(barWrite),
        ...gone.map((id) => ({ key: STATEMENT_PREFIX + id, value: null }))
      ])
      this.#barred = new Map([...this.#barred, ...bars])
      this.#apply(membership.meshId, [...this.#statements.values(), ...kept])
      return kept.length
    })
    if (fresh > 0) this.#onChange(null)
    return fresh
  }

  #apply(mesh: MeshId, statements: readonly Statement[]): boolean {
    const folded = foldMembership(mesh, statements)
    if (folded === null) return false
    const ids = heldIds(folded)
    const kept = statements.filter((each) => ids.has(each.id))
    this.#statements = new Map(kept.map((each) => [each.id, each]))
    this.#folded = folded
    this.#membership = withoutBarred(folded, this.#barred)
    this.#digest = shake256('weft/membership/1', utf8([...ids].toSorted().join('')))
    return true
  }
}

/** What a node keeps and passes on: what counts, and what waits for signatures. */
function heldIds(membership: Membership): ReadonlySet<string> {
  return new Set([
    ...membership.counted,
    ...membership.pending.map(({ statement }) => statement.id)
  ])
}

/** Keys that have handed over -> what of their own hand still counts (R5). */
function successions(
  statements: Iterable<Statement>,
  counted: readonly string[]
): ReadonlyMap<NodeId, ReadonlySet<string>> {
  const ids = new Set(counted)
  const closed = new Map<NodeId, ReadonlySet<string>>()
  for (const { id, by, body } of statements) {
    if (body.kind === 'succeed' && ids.has(id)) closed.set(by, new Set(body.keeps))
  }
  return closed
}

type Bar = readonly [node: string, statement: Statement]

/** Evictions in force that `barred` does not have yet. */
function newBars(
  barred: ReadonlyMap<string, Statement>,
  { departed }: Membership,
  statements: readonly Statement[]
): readonly Bar[] {
  const fresh = [...departed.values()].filter(
    ({ kind, nodeId }) => kind === 'evicted' && !barred.has(nodeId)
  )
  if (fresh.length === 0) return []
  const byId = new Map(statements.map((each) => [each.id, each]))
  return fresh.flatMap(({ nodeId, statement }) => {
    const found = byId.get(statement)
    return found === undefined ? [] : [[nodeId, found] as const]
  })
}

/** R4. */
function withoutBarred(folded: Membership, barred: ReadonlyMap<string, Statement>): Membership {
  const back = [...folded.members.values()].filter(({ nodeId }) => barred.has(nodeId))
  if (back.length === 0) return folded
  const members = new Map([...folded.members].filter(([node]) => !barred.has(node)))
  const departed = new Map<string, Departure>(folded.departed)
  for (const { nodeId, name } of back) {
    const statement = barred.get(nodeId)
    if (statement === undefined) continue
    departed.set(nodeId, {
      nodeId,
      name,
      kind: 'evicted',
      by: statement.by,
      statement: statement.id,
      at: statement.body.at
    })
  }
  return { ...folded, members, departed }
}

/** Reads what an inviter sent: all of it must parse, and it must contain the genesis of `mesh`. */
export function parseStatements(mesh: MeshId, list: unknown): readonly Statement[] {
  if (!Array.isArray(list) || list.length > STATEMENTS_MAX) {
    throw new MeshError('MESH_ANSWER_INVALID', 'Cannot join: the answer has another form')
  }
  const statements = list.map((each: unknown) =>
    parseStatement(each instanceof Uint8Array ? each : new Uint8Array())
  )
  if (!statements.some((each) => each.body.kind === 'genesis' && foundedMesh(each) === mesh)) {
    throw new MeshError('MESH_ANSWER_INVALID', 'Cannot join: the answer is about another mesh')
  }
  return statements
}

function parsedOrNothing(bytes: Uint8Array): readonly Statement[] {
  try {
    return [parseStatement(bytes)]
  } catch {
    return [] // A member may forward what it did not make; one bad statement spoils no other.
  }
}

function barWrite([node, statement]: Bar): StoreWrite {
  return { key: BARRED_PREFIX + node, value: statement.bytes }
}

function statementWrite(statement: Statement): StoreWrite {
  return { key: STATEMENT_PREFIX + statement.id, value: statement.bytes }
}
