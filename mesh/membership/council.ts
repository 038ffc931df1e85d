// What an admin says about the membership, and what a member says when it goes.
//
// Invariants
//   A1. Recorded in the ledger, then on disk, then told: as for an admission.
//   A2. A statement names what goes on counting of the node it is about (fold M5), as known here at the
//       moment of signing. One act at a time, so that no two of ours are made from one state.

import type { Cbor, Clock, Logger, NodeId, Signer } from '../../core/index.ts'
import { signRotation } from '../../core/index.ts'
import { MeshError } from '../errors.ts'
import { QUORUM_MAX, STATEMENT_HEADS_MAX, STATEMENTS_KEPT_MAX } from '../limits.ts'
import type { MeshLedger } from '../ports.ts'
import { Serial } from '../tasks.ts'
import type { Member, Membership } from './fold.ts'
import type { Roster } from './roster.ts'
import { signStatement, statementSummary } from './statement.ts'
import type { Role, Statement, StatementBody } from './statement.ts'

export interface CouncilDeps {
  readonly roster: Roster
  readonly signer: Signer
  readonly clock: Clock
  readonly ledger: MeshLedger
  readonly log: Logger
  /** Tells a node that is about to be cut off why. Best effort; never throws. */
  readonly tell: (node: NodeId, statement: Statement) => void
}

/** What became of a statement. */
export interface Said {
  readonly statement: Statement
  /** The admins who have signed so far; it counts when they are enough. */
  readonly signers: readonly NodeId[]
  readonly needed: number
  readonly isInForce: boolean
}

export class Council {
  readonly #deps: CouncilDeps
  readonly #turn = new Serial()

  constructor(deps: CouncilDeps) {
    this.#deps = deps
  }

  /**
   * Locks a key out for good.
   * @throws MeshError `MESH_NOT_ADMIN`, `MESH_NOT_MEMBER`, `MESH_LIMIT_REACHED`
   */
  evict(node: NodeId): Promise<Said> {
    return this.#turn.run(async () => {
      const { membership } = this.#standing('evict')
      if (node === this.#deps.signer.nodeId) {
        throw new MeshError(
          'MESH_NOT_MEMBER',
          "Cannot evict this node itself; to go, run 'weaver mesh leave'"
        )
      }
      requireMember(membership, node)
      return this.#evict(membership, node)
    })
  }

  /** Says again, in our own name, what an admin said that is silenced now (roster R4). Never throws. */
  carryOn(): Promise<void> {
    return this.#turn.run(async () => {
      const { roster, signer, log } = this.#deps
      for (const { body, by } of roster.contested()) {
        const { membership } = roster
        const isAdmin = roster.member(signer.nodeId)?.role === 'admin'
        if (membership === null || !isAdmin || body.kind !== 'revoke') return
        if (body.node === signer.nodeId) continue
        try {
          await this.#evict(membership, body.node)
          log.warn('kept a node out that an admin evicted who is silenced now', {
            node: body.node,
            by
          })
        } catch (error) {
          log.error('could not repeat an eviction', { node: body.node, error: String(error) })
          return
        }
      }
    })
  }

  /** @throws MeshError `MESH_NOT_ADMIN`, `MESH_NOT_MEMBER`, `MESH_LAST_ADMIN`, `MESH_LIMIT_REACHED` */
  setRole(node: NodeId, role: Role): Promise<Said | null> {
    return this.#turn.run(async () => {
      const { membership, mesh, at } = this.#standing('change roles')
      const member = requireMember(membership, node)
      if (member.role === role) return null
      if (role === 'member' && admins(membership).length === 1) throw lastAdmin('make it a member')
      const { roster } = this.#deps
      const said = roster.counted().filter((each) => each.body.kind === 'role')
      const after = heads(said.filter(({ body }) => body.kind === 'role' && body.node === node))
      const keeps = role === 'member' ? this.#wordsOf(node) : []
      return this.#say('mesh.role-changed', `node:${node}`, {
        kind: 'role',
        mesh,
        node,
        role,
        after,
        keeps,
        at
      })
    })
  }

  /** @throws MeshError `MESH_NOT_ADMIN`, `MESH_LIMIT_REACHED` */
  setSignatures(signatures: number): Promise<Said | null> {
    return this.#turn.run(async () => {
      const { membership, mesh, at } = this.#standing('change how many signatures are needed')
      if (membership.signatures === signatures) return null
      const most = Math.min(QUORUM_MAX, admins(membership).length)
      if (!Number.isSafeInteger(signatures) || signatures < 1 || signatures > most) {
        throw new MeshError(
          'MESH_LIMIT_REACHED',
          `Cannot ask for ${signatures} signatures: must be between 1 and ${most}, the number of ` +
            "admins; make more with 'weaver mesh role NODE admin'"
        )
      }
      const counted = this.#deps.roster.counted()
      const after = heads(counted.filter((each) => each.body.kind === 'quorum'))
      const keeps = atMost(counted.map(({ id }) => id))
      return this.#say('mesh.signatures-changed', `mesh:${mesh}`, {
        kind: 'quorum',
        mesh,
        signatures,
        after,
        keeps,
        at
      })
    })
  }

  /** Signs what others have said: one statement by its id or a prefix of it, or all that waits. */
  approve(
    prefix: string | null
  ): Promise<{ readonly approved: readonly Statement[]; readonly said: Said | null }> {
    return this.#turn.run(async () => {
      const { membership, mesh, at } = this.#standing('approve')
      const self = this.#deps.signer.nodeId
      const waiting = membership.pending.filter(
        ({ statement, signers }) => !signers.includes(self) && statement.id.startsWith(prefix ?? '')
      )
      if (prefix !== null && waiting.length !== 1) {
        throw new MeshError(
          'MESH_STATEMENT_INVALID',
          `Cannot approve '${prefix}': ${waiting.length} statements that wait for this admin begin so`
        )
      }
      const approved = waiting.map(({ statement }) => statement)
      if (approved.length === 0) return { approved, said: null }
      const statements = atMost(approved.map(({ id }) => id))
      const body = { kind: 'approve', mesh, statements, at } as const
      return { approved, said: await this.#say('mesh.approved', `mesh:${mesh}`, body) }
    })
  }

  /**
   * Signs the end of our own membership. Here it has no effect: as a member still, this node must tell the
   * others, and forgets all of them after that.
   * @throws MeshError `MESH_NO_MESH`, `MESH_LAST_ADMIN` unless `isForced`
   */
  resign(isForced: boolean): Promise<Statement> {
    return this.#turn.run(async () => {
      const { roster, signer, clock, ledger } = this.#deps
      const { membership } = roster
      const node = signer.nodeId
      if (membership === null) throw new MeshError('MESH_NO_MESH', 'Cannot leave: there is no mesh')
      const isLast =
        membership.members.size > 1 &&
        membership.members.get(node)?.role === 'admin' &&
        admins(membership).length === 1
      if (isLast && !isForced) throw lastAdmin('leave')
      const ends = roster.counted().flatMap(({ id, body }) => {
        const isAdmission =
          body.kind === 'admit' || body.kind === 'genesis' || body.kind === 'succeed'
        return isAdmission && body.node === node ? [id] : []
      })
      const statement = signStatement(signer, {
        kind: 'leave',
        mesh: membership.meshId,
        node,
        ends: ends.slice(-STATEMENT_HEADS_MAX),
        at: clock.wall()
      })
      await ledger.record('mesh.left', `mesh:${membership.meshId}`, statementSummary(statement))
      return statement
    })
  }

  /**
   * Signs that the key `heir` takes the place of ours. Here it has no effect, as with `resign`: the others
   * must hear it from a member. What it says is on record as the last entry of our lane.
   * @throws MeshError `MESH_NO_MESH`, `MESH_LIMIT_REACHED`
   */
  handOver(heir: Signer): Promise<Statement> {
    return this.#turn.run(async () => {
      const { roster, signer, clock } = this.#deps
      const { membership } = roster
      if (membership === null) {
        throw new MeshError('MESH_NO_MESH', 'Cannot hand over to another key: there is no mesh')
      }
      return signStatement(signer, {
        kind: 'succeed',
        mesh: membership.meshId,
        node: heir.nodeId,
        rotation: signRotation(signer, heir),
        keeps: this.#wordsOf(signer.nodeId),
        at: clock.wall()
      })
    })
  }

  #evict(membership: Membership, node: NodeId): Promise<Said> {
    return this.#say('mesh.evicted', `node:${node}`, {
      kind: 'revoke',
      mesh: membership.meshId,
      node,
      keeps: this.#wordsOf(node),
      at: this.#deps.clock.wall()
    })
  }

  /** The ids of what `node` has said and what counts here now (A2). */
  #wordsOf(node: NodeId): readonly string[] {
    const counted = this.#deps.roster.counted()
    return atMost(counted.filter(({ by }) => by === node).map(({ id }) => id))
  }

  #standing(what: string): {
    readonly membership: Membership
    readonly mesh: Membership['meshId']
    readonly at: ReturnType<Clock['wall']>
  } {
    const { roster, signer, clock } = this.#deps
    const { membership } = roster
    if (membership === null) throw new MeshError('MESH_NO_MESH', `Cannot ${what}: there is no mesh`)
    if (roster.member(signer.nodeId)?.role !== 'admin') {
      const names = admins(membership).map(({ name }) => name)
      throw new MeshError(
        'MESH_NOT_ADMIN',
        `Cannot ${what}: this node is no admin of the mesh; run it on ${names.join(' or ')}`
      )
    }
    return { membership, mesh: membership.meshId, at: clock.wall() }
  }

  async #say(kind: string, subject: string, body: StatementBody): Promise<Said> {
    const { roster, signer, ledger } = this.#deps
    const statement = signStatement(signer, body)
    const payload: Cbor = statementSummary(statement)
    await ledger.record(kind, subject, payload)
    // While the disk works: once it is done, the connection to an evicted node is cut.
    if (body.kind === 'revoke') this.#deps.tell(body.node, statement)
    await roster.add(statement, [])
    // From here it is on disk: a crash goes on telling it.
    const { pending = [] } = roster.membership ?? {}
    const waiting = pending.find((each) => each.statement.id === statement.id)
    return {
      statement,
      signers: waiting?.signers ?? [signer.nodeId],
      needed: waiting?.needed ?? 1,
      isInForce: waiting === undefined
    }
  }
}

function admins(membership: Membership): readonly Member[] {
  return [...membership.members.values()].filter(({ role }) => role === 'admin')
}

function requireMember(membership: Membership, node: NodeId): Member {
  const member = membership.members.get(node)
  if (member !== undefined) return member
  throw new MeshError('MESH_NOT_MEMBER', `Cannot find ${node} among the members of this mesh`)
}

/** Of statements that take each other's place, those that none of the others has replaced. */
function heads(statements: readonly Statement[]): readonly string[] {
  const replaced = new Set(
    statements.flatMap(({ body }) =>
      body.kind === 'role' || body.kind === 'quorum' ? body.after : []
    )
  )
  return statements
    .map(({ id }) => id)
    .filter((id) => !replaced.has(id))
    .slice(0, STATEMENT_HEADS_MAX)
}

function atMost(ids: readonly string[]): readonly string[] {
  if (ids.length <= STATEMENTS_KEPT_MAX) return ids
  throw new MeshError(
    'MESH_LIMIT_REACHED',
    `Cannot sign a statement about ${ids.length} others: at most ${STATEMENTS_KEPT_MAX}`
  )
}

function lastAdmin(what: string): MeshError {
  return new MeshError(
    'MESH_LAST_ADMIN',
    `Cannot ${what}: it is the only admin, and nobody could admit or evict any more; ` +
      "make another one first with 'weaver mesh role NODE admin'"
  )
}
