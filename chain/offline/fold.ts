// Which statements of a mesh count, and who is a member by them: docs/chain-format.md, "Membership". Written
// from that page, apart from the mesh's own fold, with which tests compare it. Pure: the answer depends on
// the set of statements alone.

import { Malformed } from './errors.ts'
import type { MeshMember, Statement } from './membership.ts'

/** What restrictions in force have done so far. */
interface Force {
  signatures: number
  /** What counted under a smaller number of signatures. */
  readonly kept: Set<string>
  /** Keys whose word counts no more -> what of it still does. */
  readonly silent: Map<string, Set<string>>
  readonly evicted: Map<string, { readonly knew: Set<string>; by: Statement }>
  readonly demoted: Set<string>
  readonly heirs: Map<string, Statement>
}

interface Counting {
  readonly counted: ReadonlyMap<string, Statement>
  /** Admins -> steps from the founder. */
  readonly admins: ReadonlyMap<string, number>
  /** Nodes that were ever let in. */
  readonly admitted: ReadonlySet<string>
}

/**
 * Everybody who was admitted, with what became of them. Each statement must count, or wait for the
 * signatures of further admins.
 * @throws Malformed where the genesis is missing or a statement is by nobody who may make it
 */
export function foldMembers(
  mesh: string,
  statements: readonly Statement[]
): ReadonlyMap<string, MeshMember> {
  const byId = new Map(statements.map((each) => [each.id, each]))
  const genesis = byId.get(mesh)
  if (genesis?.kind !== 'genesis' || genesis.node !== genesis.by) {
    throw new Malformed('no statement founds this mesh')
  }
  const others = [...byId.values()].filter((each) => each !== genesis).toSorted(inOrder)
  if (others.some((each) => each.kind === 'genesis' || each.mesh !== mesh)) {
    throw new Malformed('a statement is about another mesh')
  }
  const rules = new Rules(genesis, others)
  const { counted, admins } = rules.settle()
  const { force } = rules
  for (const each of others) {
    if (counted.has(each.id) || force.evicted.get(each.node)?.by === each) continue
    const isWaiting = each.kind !== 'leave' && each.kind !== 'succeed' && admins.has(each.by)
    if (!isWaiting || force.silent.has(each.by)) {
      throw new Malformed('a statement is by nobody who may make it')
    }
  }
  return standing(genesis, [...counted.values()], force)
}

function inOrder(a: Statement, b: Statement): number {
  return a.id < b.id ? -1 : Number(a.id > b.id)
}

class Rules {
  readonly force: Force = {
    signatures: 1,
    kept: new Set(),
    silent: new Map(),
    evicted: new Map(),
    demoted: new Set(),
    heirs: new Map()
  }
  readonly #genesis: Statement
  readonly #others: readonly Statement[]
  readonly #byId: ReadonlyMap<string, Statement>
  /** The id of a statement -> the approvals that name it. */
  readonly #approvals = new Map<string, Statement[]>()

  constructor(genesis: Statement, others: readonly Statement[]) {
    this.#genesis = genesis
    this.#others = others
    this.#byId = new Map(others.map((each) => [each.id, each]))
    for (const each of others) {
      for (const id of each.statements) {
        const known = this.#approvals.get(id)
        if (known === undefined) this.#approvals.set(id, [each])
        else known.push(each)
      }
    }
  }

  /** Step 2 of the page: restrictions one by one, each followed by step 1 from its beginning. */
  settle(): Counting {
    const done = new Set<string>()
    for (;;) {
      const counting = this.#count()
      const next = this.#restriction(counting, done)
      if (next === undefined) return counting
      done.add(next.id)
      this.#enforce(next)
    }
  }

  /** Step 1 of the page: rounds until nothing changes. */
  #count(): Counting {
    const counted = new Map([[this.#genesis.id, this.#genesis]])
    const admins = new Map([[this.#genesis.by, 0]])
    const admitted = new Set([this.#genesis.by])
    for (let round = 1; ; round += 1) {
      const before = { counted, admitted, admins: new Map(admins) }
      const fresh: Statement[] = []
      for (const each of this.#others) {
        if (counted.has(each.id) || !this.#counts(each, before)) continue
        fresh.push(each)
        counted.set(each.id, each)
        if (each.kind === 'admit' || each.kind === 'succeed') admitted.add(each.node)
        const admin = this.#promoted(each, before)
        if (admin !== null && !admins.has(admin)) admins.set(admin, round)
      }
      if (fresh.length === 0) return { counted, admins, admitted }
    }
  }

  #counts(each: Statement, { admitted, admins }: Counting): boolean {
    const { force } = this
    const wasAdmitted = (): boolean => admitted.has(each.by)
    if (each.kind === 'leave') return each.node === each.by && wasAdmitted()
    if (each.kind === 'succeed') {
      const isKnown = force.evicted.get(each.by)?.knew.has(each.id) ?? true
      const heir = force.heirs.get(each.by)
      return isKnown && (heir === undefined || heir === each) && wasAdmitted()
    }
    return this.#signers(each, admins).size >= this.#needed(each)
  }

  #signers(statement: Statement, admins: ReadonlyMap<string, number>): ReadonlySet<string> {
    const { silent } = this.force
    const signers = new Set<string>()
    for (const each of [statement, ...(this.#approvals.get(statement.id) ?? [])]) {
      const isHeard = silent.get(each.by)?.has(each.id) ?? true
      if (isHeard && admins.has(each.by)) signers.add(this.#lastHeir(each.by))
    }
    return signers
  }

  #needed(each: Statement): number {
    const { force } = this
    if (each.kind === 'approve' || force.kept.has(each.id)) return 1
    if (each.kind !== 'quorum') return force.signatures
    const replaced = each.after.map((id) => {
      const other = this.#byId.get(id)
      return other?.kind === 'quorum' ? other.signatures : 1
    })
    return Math.max(force.signatures, each.signatures, ...replaced)
  }

  #promoted({ kind, node, role, by }: Statement, { admins }: Counting): string | null {
    if (kind === 'admit' || kind === 'role') return role === 'admin' ? node : null
    if (kind !== 'succeed') return null
    return admins.has(by) && !this.force.demoted.has(by) ? node : null
  }

  #lastHeir(node: string): string {
    const { heirs } = this.force
    let last = node
    for (let step = 0; step <= heirs.size; step += 1) last = heirs.get(last)?.node ?? last
    return last
  }

  #restriction({ counted, admins }: Counting, done: ReadonlySet<string>): Statement | undefined {
    const all = [...counted.values()]
    const replaced = new Set(all.flatMap(({ after }) => after))
    const rank = ({ kind, by }: Statement): number =>
      kind === 'quorum' ? -1 : (admins.get(by) ?? Infinity)
    return all
      .filter((each) => {
        const isLess = each.kind === 'quorum' || (each.kind === 'role' && each.role === 'member')
        const isOut = each.kind === 'revoke' || each.kind === 'succeed'
        return !done.has(each.id) && (isOut || (isLess && !replaced.has(each.id)))
      })
      .toSorted((a, b) => {
        if (rank(a) !== rank(b)) return rank(a) < rank(b) ? -1 : 1
        return a.by === b.by ? inOrder(a, b) : a.by < b.by ? -1 : 1
      })[0]
  }

  #enforce(each: Statement): void {
    const { force } = this
    const silence = (node: string, heard: readonly string[]): void => {
      force.silent.set(node, new Set([...(force.silent.get(node) ?? []), ...heard]))
    }
    switch (each.kind) {
      case 'quorum':
        force.signatures = Math.max(force.signatures, each.signatures)
        for (const id of [...each.keeps, each.id]) force.kept.add(id)
        return
      case 'succeed':
        force.heirs.set(each.by, each)
        return silence(each.by, [...each.keeps, each.id])
      case 'role':
        force.demoted.add(each.node)
        return silence(each.node, each.keeps)
      default: {
        const before = force.evicted.get(each.node)
        const knew = new Set([...(before?.knew ?? []), ...each.keeps])
        force.evicted.set(each.node, { knew, by: before?.by ?? each })
        silence(each.node, each.keeps)
      }
    }
  }
}

/** Step 3 of the page. */
function standing(
  genesis: Statement,
  counted: readonly Statement[],
  { evicted, heirs }: Force
): ReadonlyMap<string, MeshMember> {
  const present = new Map<string, MeshMember>()
  const gone = new Map<string, MeshMember>()
  const names = new Set<string>()
  const ended = endedBy(counted)
  const roles = rolesSaid(counted)
  const ids = new Set(counted.map(({ id }) => id))
  const admissions = counted.filter(({ kind }) => kind === 'admit').toSorted(inOrder)
  for (const { node: first, name, role: given, id } of [genesis, ...admissions]) {
    const line = [{ node: first, by: id }]
    for (const { node, by } of line) {
      const next = ended.has(by) ? undefined : heirs.get(node)
      if (next === undefined || !ids.has(next.id)) break
      if (line.some((each) => each.node === next.node)) break
      gone.set(node, { node, name, role: 'succeeded', heir: next.node })
      line.push({ node: next.node, by: next.id })
    }
    const { node, by } = line.at(-1) ?? { node: first, by: id }
    if (evicted.has(node) || ended.has(by)) {
      const role = evicted.has(node) ? 'evicted' : 'left'
      gone.set(node, { node, name, role, heir: null })
      continue
    }
    const said = line.findLast((each) => roles.has(each.node))
    const role = roles.get(said?.node ?? node) ?? given
    const known = present.get(node)
    if (known !== undefined) {
      if (role === 'admin') present.set(node, { ...known, role })
      continue
    }
    const shown = names.has(name) ? `${name.slice(0, 54)}-${node.slice(-8).toLowerCase()}` : name
    names.add(shown)
    present.set(node, { node, name: shown, role, heir: null })
  }
  return new Map([...gone, ...present])
}

/** Admissions that their nodes have ended themselves. */
function endedBy(counted: readonly Statement[]): ReadonlySet<string> {
  const byId = new Map(counted.map((each) => [each.id, each]))
  const ended = new Set<string>()
  for (const { kind, by, ends } of counted) {
    if (kind !== 'leave') continue
    for (const id of ends) {
      const admission = byId.get(id)
      const isOne = ['genesis', 'admit', 'succeed'].includes(admission?.kind ?? '')
      if (isOne && admission?.node === by) ended.add(id)
    }
  }
  return ended
}

/** Of the newest words about a node's role, the lesser. */
function rolesSaid(counted: readonly Statement[]): ReadonlyMap<string, 'admin' | 'member'> {
  const said = counted.filter(({ kind }) => kind === 'role')
  const replaced = new Set(said.flatMap(({ after }) => after))
  const roles = new Map<string, 'admin' | 'member'>()
  for (const { id, node, role } of said) {
    if (!replaced.has(id) && roles.get(node) !== 'member') roles.set(node, role)
  }
  return roles
}
