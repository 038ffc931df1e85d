// The inviter's side of a join: the only code that a stranger's bytes ever reach.
//
// Invariants
//   D1. The door is open only while an invite is: unexpired, with uses left, of an admin.
//   D2. An admission is in the ledger, then on disk together with the counted use, and only then answered
//       and acted upon. A crash between two of these leaves a joiner that may simply ask again (I1).
//   D3. One stranger costs at most JOIN_TIMEOUT_MS, one stream and JOIN_REQUEST_BYTES_MAX.

import { millis, nodeId, toHex, unixMillis } from '../../core/index.ts'
import type {
  Cbor,
  Clock,
  Entropy,
  KeyValueStore,
  Logger,
  Millis,
  NodeId,
  Signer
} from '../../core/index.ts'
import { MeshError } from '../errors.ts'
import type { JoinRefusalCode } from '../errors.ts'
import { Exchange, fieldsOf } from '../exchange.ts'
import {
  INVITE_TTL_MAX_MS,
  INVITE_USES_MAX,
  INVITES_MAX,
  JOIN_REQUEST_BYTES_MAX,
  JOIN_TIMEOUT_MS,
  JOINS_AT_ONCE_MAX,
  MEMBERS_MAX
} from '../limits.ts'
import type { ByteStream, MeshLedger } from '../ports.ts'
import { Serial, withDeadline } from '../tasks.ts'
import { admissionProblem } from './fold.ts'
import type { Membership } from './fold.ts'
import { INVITE_ID_BYTES, SECRET_BYTES } from './invite-line.ts'
import {
  decodeInvite,
  encodeInvite,
  forgettableInvites,
  isInviteOpen,
  judgeInvite
} from './invites.ts'
import type { Invite } from './invites.ts'
import { isSameProof, JOIN_NONCE_BYTES, joinProof, parseJoinRequest } from './join-messages.ts'
import type { JoinRequest, JoinSession } from './join-messages.ts'
import type { Roster } from './roster.ts'
import { signStatement, statementSummary } from './statement.ts'
import type { Role } from './statement.ts'

export interface DoorDeps {
  readonly roster: Roster
  readonly store: KeyValueStore
  readonly signer: Signer
  readonly clock: Clock
  readonly entropy: Entropy
  readonly ledger: MeshLedger
  readonly log: Logger
  /** What a new member should know to find the others: node id -> addresses. */
  readonly addresses: () => Cbor
  /** An invite has been used up. */
  readonly onShut: (invite: Invite) => void
}

export interface InviteTerms {
  readonly ttlMs: Millis
  readonly uses: number
  readonly role: Role
}

interface JoinStream {
  readonly exchange: Exchange
  readonly signal: AbortSignal
  /** Whose connection it is on. */
  readonly from: NodeId
  /** Whether that is the joiner's, which may go on there as a member. */
  readonly greets: boolean
}

const INVITE_PREFIX = 'mesh/invite/'

export class Door {
  readonly #deps: DoorDeps
  readonly #turn = new Serial()
  readonly #invites = new Map<string, Invite>()
  #joins = 0

  constructor(deps: DoorDeps) {
    this.#deps = deps
  }

  async load(): Promise<void> {
    this.#invites.clear()
    for (const [, bytes] of await this.#deps.store.list(INVITE_PREFIX)) {
      const invite = decodeInvite(bytes)
      this.#invites.set(invite.inviteId, invite)
    }
  }

  /** Whether a stranger may speak the join protocol now (D1). */
  isOpen(): boolean {
    const { roster, signer, clock } = this.#deps
    if (this.#invites.size === 0 || roster.member(signer.nodeId)?.role !== 'admin') return false
    const wall = clock.wall()
    return [...this.#invites.values()].some((invite) => isInviteOpen(invite, wall))
  }

  openInvites(): readonly Invite[] {
    const wall = this.#deps.clock.wall()
    return [...this.#invites.values()].filter((invite) => isInviteOpen(invite, wall))
  }

  /** Invites of a mesh that we left open nothing; the roster has removed them from disk. */
  forgetAll(): void {
    this.#invites.clear()
  }

  /**
   * `relays` are members that will be asked to let its joiners through.
   * @throws MeshError `MESH_NO_MESH`, `MESH_NOT_ADMIN`, `MESH_LIMIT_REACHED`
   */
  async makeInvite(terms: InviteTerms, relays: readonly NodeId[]): Promise<Invite> {
    const { roster, signer, clock, entropy, store } = this.#deps
    if (roster.membership === null)
      throw new MeshError('MESH_NO_MESH', 'Cannot invite: no mesh yet')
    if (roster.member(signer.nodeId)?.role !== 'admin') {
      throw new MeshError(
        'MESH_NOT_ADMIN',
        "Cannot invite: this node is a member, not an admin; run 'weaver mesh invite' on an admin"
      )
    }
    checkTerms(terms)
    const wall = clock.wall()
    const all = [...this.#invites.values()]
    const forgettable = forgettableInvites(all, wall, INVITES_MAX)
    if (all.filter((each) => isInviteOpen(each, wall)).length >= INVITES_MAX) {
      throw new MeshError(
        'MESH_LIMIT_REACHED',
        `Cannot invite: ${INVITES_MAX} invites are open; wait for one to expire`,
        { retry: 'later' }
      )
    }
    const invite: Invite = {
      inviteId: toHex(entropy.bytes(INVITE_ID_BYTES)),
      secret: entropy.bytes(SECRET_BYTES),
      expiresAt: unixMillis(wall + Math.ceil(terms.ttlMs)),
      role: terms.role,
      uses: terms.uses,
      usedBy: [],
      relays
    }
    await store.write([
      ...forgettable.map((each) => ({ key: INVITE_PREFIX + each.inviteId, value: null })),
      { key: INVITE_PREFIX + invite.inviteId, value: encodeInvite(invite) }
    ])
    for (const each of forgettable) this.#invites.delete(each.inviteId)
    this.#invites.set(invite.inviteId, invite)
    return invite
  }

  /** Speaks the join protocol with `peer`, who may be anybody. Never throws. */
  answer(peer: NodeId, stream: ByteStream, signal: AbortSignal): Promise<void> {
    const exchange = new Exchange(stream)
    return this.#answer({ exchange, signal, from: peer, greets: true }, async () => peer)
  }

  /**
   * The same with a joiner that `through`, a member, brings on this stream. Who the joiner is, is the
   * member's word; its proof of the secret binds it (see join-messages.ts). Never throws.
   */
  answerGuest(through: NodeId, stream: ByteStream, signal: AbortSignal): Promise<void> {
    const exchange = new Exchange(stream)
    return this.#answer({ exchange, signal, from: through, greets: false }, async () => {
      const { joiner } = fieldsOf(await exchange.receive(JOIN_REQUEST_BYTES_MAX))
      if (!this.isOpen() || typeof joiner !== 'string') throw tookTooLong()
      return nodeId(joiner)
    })
  }

  async #answer(
    { exchange, signal, from, greets }: JoinStream,
    joiner: () => Promise<NodeId>
  ): Promise<void> {
    const isBusy = this.#joins >= JOINS_AT_ONCE_MAX // Judged at the door: those inside go on.
    this.#joins += 1
    try {
      await withDeadline(
        this.#deps.clock,
        { timeoutMs: JOIN_TIMEOUT_MS, signal, onTimeout: tookTooLong },
        async () => this.#converse(await joiner(), exchange, { isBusy, greets })
      )
    } catch (error) {
      this.#deps.log.info('a join failed', { from, error: String(error) })
      const reason = new MeshError('MESH_MESSAGE_INVALID', 'Cannot go on with this join')
      exchange.abort(error instanceof MeshError ? error : reason)
    } finally {
      this.#joins -= 1
    }
  }

  async #converse(
    peer: NodeId,
    exchange: Exchange,
    { isBusy, greets }: { readonly isBusy: boolean; readonly greets: boolean }
  ): Promise<void> {
    const { entropy, signer, log } = this.#deps
    const request = await readRequest(exchange)
    const inviterNonce = entropy.bytes(JOIN_NONCE_BYTES)
    const session = { request, joiner: peer, inviter: signer.nodeId, inviterNonce }
    await exchange.send({ nonce: inviterNonce })
    const { proof } = fieldsOf(await exchange.receive(JOIN_REQUEST_BYTES_MAX))
    const refusal = isBusy
      ? 'MESH_JOIN_BUSY'
      : await this.#turn.run(() => this.#admit(session, proof))
    if (refusal !== null) {
      log.info('refused a join', { peer, name: request.name, code: refusal })
      await exchange.send({ error: refusal })
    } else {
      await exchange.send({ ...this.#welcome(session), greets })
    }
    await exchange.end()
  }

  #welcome(session: JoinSession): Record<string, Cbor> {
    const { roster, addresses } = this.#deps
    const secret = this.#invites.get(session.request.invite)?.secret ?? new Uint8Array()
    return {
      proof: joinProof(secret, 'inviter', session),
      statements: roster.statements(),
      addresses: addresses()
    }
  }

  /** Admits the joiner, or says why not. One at a time (`#turn`), so that uses are counted truly. */
  async #admit(session: JoinSession, proof: unknown): Promise<JoinRefusalCode | null> {
    const { roster, signer, clock, ledger, log } = this.#deps
    const { request, joiner: node } = session
    const membership = roster.membership
    if (membership === null || membership.meshId !== request.mesh) return 'MESH_WRONG_MESH'
    const invite = this.#invites.get(request.invite) ?? null
    const isProven =
      invite !== null && isSameProof(joinProof(invite.secret, 'joiner', session), proof)
    const verdict = judgeInvite(invite, { node, isProven }, clock.wall())
    if (verdict.kind === 'refuse') return verdict.code
    if (verdict.kind === 'repeat' && membership.members.has(node)) return null
    const isWaiting = membership.pending.some(
      ({ statement: { body } }) => body.kind === 'admit' && body.node === node
    )
    if (verdict.kind === 'repeat' && isWaiting) return 'MESH_APPROVAL_PENDING'
    const next = verdict.kind === 'admit' ? verdict.next : invite
    const problem = refusalOf(membership, signer.nodeId, { node, name: request.name })
    if (problem !== null || next === null) return problem ?? 'MESH_INVITE_UNKNOWN'
    const statement = signStatement(signer, {
      kind: 'admit',
      mesh: membership.meshId,
      node,
      name: request.name,
      role: next.role,
      invite: next.inviteId,
      at: clock.wall()
    })
    const key = INVITE_PREFIX + next.inviteId
    try {
      const payload = { ...statementSummary(statement), invite: next.inviteId }
      await ledger.record('mesh.admitted', `node:${node}`, payload)
      await roster.add(statement, [{ key, value: encodeInvite(next) }])
    } catch (error) {
      log.error('could not record an admission', { node, error: String(error) })
      await this.#reread(next.inviteId)
      return 'MESH_ADMISSION_FAILED'
    }
    // From here the node is a member, whatever becomes of the answer.
    this.#invites.set(next.inviteId, next)
    if (!isInviteOpen(next, clock.wall())) this.#deps.onShut(next)
    log.info('admitted a member', { node, name: request.name, role: next.role })
    return roster.isMember(node) ? null : 'MESH_APPROVAL_PENDING'
  }

  /** After a failed write the use may be counted on disk or not: believe the disk, or shut the invite. */
  async #reread(inviteId: string): Promise<void> {
    this.#invites.delete(inviteId)
    const bytes = await this.#deps.store.get(INVITE_PREFIX + inviteId).catch(() => null)
    if (bytes !== null) this.#invites.set(inviteId, decodeInvite(bytes))
  }
}

/** What cannot be read is answered so: else the joiner would take it for an invite that is used up. */
async function readRequest(exchange: Exchange): Promise<JoinRequest> {
  const received = await exchange.receive(JOIN_REQUEST_BYTES_MAX)
  try {
    return parseJoinRequest(received)
  } catch (error) {
    await exchange.send({ error: 'MESH_MESSAGE_INVALID' })
    await exchange.end()
    throw error
  }
}

function refusalOf(
  membership: Membership,
  admin: NodeId,
  request: { readonly node: NodeId; readonly name: string }
): JoinRefusalCode | null {
  const problem = admissionProblem(membership, admin, request)
  if (problem === 'not-admin') return 'MESH_NOT_ADMIN'
  if (problem === 'name-taken') return 'MESH_NAME_TAKEN'
  if (problem === 'evicted') return 'MESH_EVICTED'
  const isFull = membership.members.size >= MEMBERS_MAX && !membership.members.has(request.node)
  return isFull ? 'MESH_LIMIT_REACHED' : null
}

function checkTerms(terms: InviteTerms): void {
  if (terms.ttlMs < 1 || terms.ttlMs > INVITE_TTL_MAX_MS) {
    throw new MeshError(
      'MESH_LIMIT_REACHED',
      `Cannot invite for ${millis(terms.ttlMs)} ms: must be between 1 ms and 30 days`
    )
  }
  if (!Number.isSafeInteger(terms.uses) || terms.uses < 1 || terms.uses > INVITE_USES_MAX) {
    throw new MeshError(
      'MESH_LIMIT_REACHED',
      `Cannot invite with ${terms.uses} uses: must be between 1 and ${INVITE_USES_MAX}`
    )
  }
}

function tookTooLong(): MeshError {
  return new MeshError('MESH_MESSAGE_INVALID', 'Cannot admit: the join took too long')
}
