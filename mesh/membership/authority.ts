// Which statements count, under the restrictions that are in force. Pure; fold.ts decides on those.
//
// A statement counts when enough admins have signed it: its signer, and those who approved it. Admins
// are made by statements that count, so the set grows from the genesis to its least fixed point, and
// neither order nor repetition of statements matters.

import type { NodeId } from '../../core/index.ts'
import type { Statement } from './statement.ts'

/** What restrictions have done so far. Grown by the fold, one restriction at a time. */
export interface Rules {
  /** Nodes whose word counts no more, but for the statements named. */
  readonly silenced: Map<NodeId, Set<string>>
  signatures: number
  /** Nodes that were evicted -> what of their own hand the evicting admins knew. */
  readonly evicted: Map<NodeId, Set<string>>
  /** Nodes that an admin has made members: their successors are no admins. */
  readonly demoted: Set<NodeId>
  /** Keys that have handed over -> the key that took their place, and by which statement. */
  readonly heirs: Map<NodeId, { readonly node: NodeId; readonly statement: string }>
  /** What counted before more signatures were asked for. */
  readonly grandfathered: Set<string>
}

export interface Evaluation {
  readonly counted: ReadonlyMap<string, Statement>
  /** Every node that a counting statement makes an admin -> steps from the founder. */
  readonly admins: ReadonlyMap<NodeId, number>
}

export class Authority {
  readonly #genesis: Statement
  readonly #others: readonly Statement[]
  readonly #approvals = new Map<string, Statement[]>()
  readonly #byId: ReadonlyMap<string, Statement>

  /** `others` are of the genesis's mesh, sorted by id. */
  constructor(genesis: Statement, others: readonly Statement[]) {
    this.#genesis = genesis
    this.#others = others
    this.#byId = new Map(others.map((each) => [each.id, each]))
    for (const statement of others) {
      if (statement.body.kind !== 'approve') continue
      for (const id of statement.body.statements) {
        const known = this.#approvals.get(id)
        if (known === undefined) this.#approvals.set(id, [statement])
        else known.push(statement)
      }
    }
  }

  evaluate(rules: Rules): Evaluation {
    const counted = new Map([[this.#genesis.id, this.#genesis]])
    const admins = new Map<NodeId, number>([[this.#genesis.by, 0]])
    let open = this.#others
    for (let depth = 1; open.length > 0; depth++) {
      const known = { counted, admins: new Map(admins) }
      const left: Statement[] = []
      for (const statement of open) {
        if (!this.#counts(statement, known, rules)) left.push(statement)
        else {
          counted.set(statement.id, statement)
          const promotes = promotesToAdmin(statement, known.admins, rules)
          if (promotes !== null && !admins.has(promotes)) admins.set(promotes, depth)
        }
      }
      if (left.length === open.length) break
      open = left
    }
    return { counted, admins }
  }

  /** The admins who have signed `statement`. */
  signers(statement: Statement, admins: Evaluation['admins'], rules: Rules): ReadonlySet<NodeId> {
    const signatures = [statement, ...(this.#approvals.get(statement.id) ?? [])]
    const heard = signatures.filter(({ id, by }) => {
      const kept = rules.silenced.get(by)
      return admins.has(by) && (kept === undefined || kept.has(id))
    })
    // A key and the one that took its place are one admin.
    return new Set(heard.map(({ by }) => lastHeir(by, rules)))
  }

  /** How many signatures `statement` needs. */
  needed(statement: Statement, rules: Rules): number {
    const { id, body } = statement
    if (body.kind === 'approve') return 1
    if (rules.grandfathered.has(id)) return 1
    if (body.kind !== 'quorum') return rules.signatures
    // Whoever lowers the number needs as many as the rule that is to go.
    const before = body.after.map((each) => this.#byId.get(each)?.body)
    const numbers = before.map((each) => (each?.kind === 'quorum' ? each.signatures : 1))
    return Math.max(rules.signatures, body.signatures, ...numbers)
  }

  #counts(statement: Statement, known: Evaluation, rules: Rules): boolean {
    const { body, by } = statement
    if (body.kind === 'leave') return body.node === by && this.#wasAdmitted(by, known.counted)
    if (body.kind === 'succeed') return this.#succeeds(statement, known, rules)
    return this.signers(statement, known.admins, rules).size >= this.needed(statement, rules)
  }

  /** A member hands over once, and not after an eviction whose admin did not know of it. */
  #succeeds({ id, by }: Statement, { counted }: Evaluation, rules: Rules): boolean {
    const kept = rules.evicted.get(by)
    const other = rules.heirs.get(by)
    if (kept !== undefined && !kept.has(id)) return false
    if (other !== undefined && other.statement !== id) return false
    return this.#wasAdmitted(by, counted)
  }

  #wasAdmitted(node: NodeId, counted: Evaluation['counted']): boolean {
    if (this.#genesis.by === node) return true
    for (const { body } of counted.values()) {
      if ((body.kind === 'admit' || body.kind === 'succeed') && body.node === node) return true
    }
    return false
  }
}

/** The node that a counting statement makes an admin, or null. */
function promotesToAdmin(
  { body, by }: Statement,
  admins: Evaluation['admins'],
  rules: Rules
): NodeId | null {
  if (body.kind === 'admit' || body.kind === 'role') return body.role === 'admin' ? body.node : null
  if (body.kind !== 'succeed') return null
  return admins.has(by) && !rules.demoted.has(by) ? body.node : null
}

/** The key that stands for `node` now: itself, or the last of those that took its place. */
export function lastHeir(node: NodeId, { heirs }: Pick<Rules, 'heirs'>): NodeId {
  let last = node
  // Two keys may name each other, each in the hand of the same thief: no further than there are heirs.
  for (let step = 0; step <= heirs.size; step += 1) {
    const next = heirs.get(last)?.node
    if (next === undefined) return last
    last = next
  }
  return last
}
