// What a user does to the membership: says it, sees that it spreads, and learns who has confirmed it.

import type { Clock, NodeId, Signer } from '../../core/index.ts'
import { CONFIRM_TIMEOUT_MS } from '../limits.ts'
import type { Outbox } from '../outbox/outbox.ts'
import type { Council, Said } from './council.ts'
import type { Pending } from './fold.ts'
import type { Roster } from './roster.ts'
import type { Role, Statement } from './statement.ts'

export const STATEMENT_TOPIC = 'statement'

export interface ActsDeps {
  readonly self: NodeId
  readonly clock: Clock
  readonly roster: Roster
  readonly council: Council
  readonly outbox: Outbox
  /** Founds a mesh of one, after the old one was left. */
  readonly found: () => Promise<unknown>
}

/** How far an act has come. */
export interface ActOutcome {
  /** Null where nothing had to be said. */
  readonly statement: string | null
  /** False while signatures of other admins are missing. */
  readonly isInForce: boolean
  readonly signers: readonly NodeId[]
  readonly needed: number
  /** The members who have it on their disks, and those who will get it as soon as they are reachable. */
  readonly confirmed: readonly NodeId[]
  readonly outstanding: readonly NodeId[]
}

export class MembershipActs {
  readonly #deps: ActsDeps

  constructor(deps: ActsDeps) {
    this.#deps = deps
  }

  /** Locks a key out for good. @throws as `Council.evict` */
  async evict(node: NodeId): Promise<ActOutcome> {
    return this.#spread(await this.#deps.council.evict(node))
  }

  /** @throws as `Council.setRole` */
  async setRole(node: NodeId, role: Role): Promise<ActOutcome> {
    return this.#spread(await this.#deps.council.setRole(node, role))
  }

  /** How many admins must sign from now on. @throws as `Council.setSignatures` */
  async setSignatures(signatures: number): Promise<ActOutcome> {
    return this.#spread(await this.#deps.council.setSignatures(signatures))
  }

  /** Signs what waits for signatures: one statement, or all of them. @throws as `Council.approve` */
  async approve(prefix: string | null): Promise<readonly Statement[]> {
    const { approved, said } = await this.#deps.council.approve(prefix)
    await this.#spread(said)
    return approved
  }

  pending(): readonly Pending[] {
    return this.#deps.roster.membership?.pending ?? []
  }

  /** How many admins must sign. */
  signatures(): number {
    return this.#deps.roster.membership?.signatures ?? 1
  }

  /**
   * Leaves the mesh: tells the members, forgets it, and is in a mesh of its own then.
   * @throws as `Council.resign`; then nothing has changed
   */
  async leave(isForced: boolean): Promise<ActOutcome> {
    const { council, roster, found } = this.#deps
    const statement = await council.resign(isForced)
    const { confirmed, outstanding } = await this.#confirmations(statement)
    // Whoever has not heard it yet hears it from the others, or sees us gone.
    await roster.leave()
    await found()
    const signers = [statement.by]
    const id = statement.id
    return { statement: id, isInForce: true, signers, needed: 1, confirmed, outstanding }
  }

  /**
   * Hands the membership of this node over to another key. The others hear it first; then this node is a
   * member no more, and its home goes on under `heir`.
   * @throws as `Council.handOver`
   */
  async handOver(heir: Signer): Promise<ActOutcome> {
    const { council, roster } = this.#deps
    const statement = await council.handOver(heir)
    const { confirmed, outstanding } = await this.#confirmations(statement)
    await roster.add(statement, [])
    // From here this home knows the new key as the member.
    const signers = [statement.by]
    const id = statement.id
    return { statement: id, isInForce: true, signers, needed: 1, confirmed, outstanding }
  }

  async #spread(said: Said | null): Promise<ActOutcome> {
    if (said === null) {
      const nobody = { signers: [], needed: 0, confirmed: [], outstanding: [] }
      return { statement: null, isInForce: true, ...nobody }
    }
    const { statement, isInForce, signers, needed } = said
    const told = await this.#confirmations(statement)
    return { statement: statement.id, isInForce, signers, needed, ...told }
  }

  async #confirmations(
    statement: Statement
  ): Promise<Pick<ActOutcome, 'confirmed' | 'outstanding'>> {
    const { self, clock, roster, outbox } = this.#deps
    const all = [...(roster.membership?.members.values() ?? [])].map(({ nodeId }) => nodeId)
    const others = all.filter((node) => node !== self)
    const posted = await outbox.post(others, STATEMENT_TOPIC, statement.bytes)
    const confirmed: NodeId[] = []
    const each = [...posted].map(async ([node, promise]) => {
      await promise
      confirmed.push(node)
    })
    const timer = new AbortController()
    const patience = clock.sleep(CONFIRM_TIMEOUT_MS, timer.signal).catch(() => undefined)
    await Promise.race([Promise.all(each), patience])
    timer.abort()
    const done = new Set(confirmed)
    return { confirmed: [...done], outstanding: others.filter((node) => !done.has(node)) }
  }
}
