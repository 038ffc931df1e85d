// The joiner's side of a join. It believes an inviter that proves to know the invite's secret, and of
// its answer only what the signatures in it say.

import type { Clock, Entropy, NodeId } from '../../core/index.ts'
import { isJoinRefusalCode, joinRefusal, MeshError } from '../errors.ts'
import { Exchange, fieldsOf } from '../exchange.ts'
import {
  ADDRESS_LENGTH_MAX,
  ADDRESSES_PER_PEER_MAX,
  JOIN_ANSWER_BYTES_MAX,
  JOIN_DIAL_TIMEOUT_MS,
  JOIN_REQUEST_BYTES_MAX,
  JOIN_TIMEOUT_MS,
  MEMBERS_MAX
} from '../limits.ts'
import type { Connection, Network } from '../ports.ts'
import { withDeadline } from '../tasks.ts'
import { foldMembership } from './fold.ts'
import type { InviteLine } from './invite-line.ts'
import {
  isNonce,
  isSameProof,
  JOIN_NONCE_BYTES,
  joinProof,
  JOIN_PROTOCOL
} from './join-messages.ts'
import type { JoinSession } from './join-messages.ts'
import { parseStatements } from './roster.ts'
import type { Statement } from './statement.ts'

export interface JoinerDeps {
  readonly network: Network
  readonly clock: Clock
  readonly entropy: Entropy
}

export interface Admission {
  readonly statements: readonly Statement[]
  /** Where the members may be found, as the inviter remembers it. */
  readonly addresses: ReadonlyMap<string, readonly string[]>
}

/**
 * Asks the inviter for admission. Changes nothing here.
 * @throws MeshError `MESH_INVITE_EXPIRED`, `MESH_INVITER_UNREACHABLE`, `MESH_INVITE_USED`, and what else
 *   the inviter may refuse with (errors.ts)
 */
export async function requestAdmission(
  deps: JoinerDeps,
  invite: InviteLine,
  name: string,
  signal: AbortSignal
): Promise<Admission> {
  try {
    return await admission(deps, invite, name, signal)
  } catch (error) {
    // The inviter judges, by its own clock. Where it says nothing, ours may know why.
    const isSilent = error instanceof MeshError && SILENCES.has(error.code)
    if (!isSilent || deps.clock.wall() < invite.expiresAt) throw error
    throw joinRefusal('MESH_INVITE_EXPIRED', name, error)
  }
}

/** What a door that is shut looks like from outside. */
const SILENCES = new Set(['MESH_INVITER_UNREACHABLE', 'MESH_INVITE_USED'])

async function admission(
  deps: JoinerDeps,
  invite: InviteLine,
  name: string,
  signal: AbortSignal
): Promise<Admission> {
  const connection = await reach(deps, invite, signal)
  try {
    return await withDeadline(
      deps.clock,
      {
        timeoutMs: JOIN_TIMEOUT_MS,
        signal,
        onTimeout: () => unreachable(invite, 'no answer came')
      },
      (inner) => converse({ ...deps, connection }, invite, name, inner)
    )
  } finally {
    await connection.close()
  }
}

async function reach(
  deps: JoinerDeps,
  invite: InviteLine,
  signal: AbortSignal
): Promise<Connection> {
  const timeout = (): MeshError => unreachable(invite, 'no address answered in time')
  try {
    return await withDeadline(
      deps.clock,
      { timeoutMs: JOIN_DIAL_TIMEOUT_MS, signal, onTimeout: timeout },
      (inner) => deps.network.dial({ nodeId: invite.inviter, addresses: invite.addresses }, inner)
    )
  } catch (error) {
    if (signal.aborted || error instanceof MeshError) throw error
    throw unreachable(invite, 'no address answered, or the invite is used up', error)
  }
}

async function converse(
  deps: JoinerDeps & { readonly connection: Connection },
  invite: InviteLine,
  name: string,
  signal: AbortSignal
): Promise<Admission> {
  const { connection, entropy, network } = deps
  let answer: unknown
  const request = {
    mesh: invite.meshId,
    invite: invite.inviteId,
    name,
    nonce: entropy.bytes(JOIN_NONCE_BYTES)
  }
  let session: JoinSession
  try {
    const exchange = new Exchange(await connection.openStream(JOIN_PROTOCOL, signal))
    await exchange.send({ v: 1, ...request })
    const { nonce } = fieldsOf(await exchange.receive(JOIN_REQUEST_BYTES_MAX))
    const inviterNonce = isNonce(nonce) ? nonce : new Uint8Array()
    session = { request, joiner: network.self, inviter: invite.inviter, inviterNonce }
    await exchange.send({ proof: joinProof(invite.secret, 'joiner', session) })
    answer = await exchange.receive(JOIN_ANSWER_BYTES_MAX)
    await exchange.end()
  } catch (error) {
    if (signal.aborted) throw error
    // It listens, and has proven its id, but cut us off: no invite of its is open any more.
    throw new MeshError(
      'MESH_INVITE_USED',
      'Cannot join: the inviter takes no joins now, so this invite was used or has run out; ' +
        "ask for a new one with 'weaver mesh invite'",
      { cause: error }
    )
  }
  return readAnswer(session, invite, answer)
}

function readAnswer(session: JoinSession, invite: InviteLine, answer: unknown): Admission {
  const { error, proof, statements, addresses } = fieldsOf(answer)
  if (typeof error === 'string' && isJoinRefusalCode(error)) {
    throw joinRefusal(error, session.request.name)
  }
  if (!isSameProof(joinProof(invite.secret, 'inviter', session), proof)) {
    throw joinRefusal('MESH_INVITE_INVALID', session.request.name)
  }
  const parsed = parseStatements(invite.meshId, statements)
  if (foldMembership(invite.meshId, parsed)?.members.has(session.joiner) !== true) {
    throw new MeshError('MESH_ANSWER_INVALID', 'Cannot join: the answer does not admit this node')
  }
  return { statements: parsed, addresses: readAddresses(addresses) }
}

/** Lists of plausible addresses by node id; whatever else is in there is left out. */
function readAddresses(value: unknown): ReadonlyMap<string, readonly string[]> {
  const entries = Object.entries(fieldsOf(value)).slice(0, MEMBERS_MAX)
  return new Map(entries.map(([id, list]) => [id, readAddressList(list)]))
}

export function readAddressList(value: unknown): readonly string[] {
  if (!Array.isArray(value)) return []
  return value
    .slice(0, ADDRESSES_PER_PEER_MAX)
    .filter((each): each is string => typeof each === 'string' && each.length <= ADDRESS_LENGTH_MAX)
}

function unreachable(invite: InviteLine, why: string, cause?: unknown): MeshError {
  const where = invite.addresses.join(', ')
  return new MeshError(
    'MESH_INVITER_UNREACHABLE',
    `Cannot join: ${shortId(invite.inviter)} at ${where}: ${why}; ` +
      "see that its kernel runs ('weaver kernel status' there) and that this machine can reach it",
    { retry: 'later', cause }
  )
}

function shortId(id: NodeId): string {
  return id.slice(0, 16)
}
