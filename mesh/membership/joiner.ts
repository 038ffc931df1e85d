// The joiner's side of a join. It believes an inviter that proves to know the invite's secret, and of
// its answer only what the signatures in it say.

import { checkedName } from '../../core/index.ts'
import type { Clock, Entropy } from '../../core/index.ts'
import { isJoinRefusalCode, joinRefusal, MeshError } from '../errors.ts'
import { fieldsOf } from '../exchange.ts'
import {
  ADDRESS_LENGTH_MAX,
  ADDRESSES_PER_PEER_MAX,
  JOIN_ANSWER_BYTES_MAX,
  JOIN_DIAL_TIMEOUT_MS,
  JOIN_HEAD_START_MS,
  JOIN_TIMEOUT_MS,
  MEMBERS_MAX
} from '../limits.ts'
import type { Connection } from '../ports.ts'
import { firstOf, withDeadline } from '../tasks.ts'
import { foldMembership } from './fold.ts'
import type { InviteLine } from './invite-line.ts'
import { waysIn } from './invite-ways.ts'
import { isSameProof, JOIN_NONCE_BYTES, joinProof } from './join-messages.ts'
import type { JoinRequest, JoinSession } from './join-messages.ts'
import { cutOff, talkDirectly, talkThrough, unreachable } from './join-talk.ts'
import type { JoinTalk, JoinTalkDeps } from './join-talk.ts'
import { parseStatements } from './roster.ts'
import type { Statement } from './statement.ts'

export interface JoinerDeps extends JoinTalkDeps {
  readonly clock: Clock
  readonly entropy: Entropy
}

export interface Admission {
  readonly statements: readonly Statement[]
  /** Where the members may be found, as the inviter remembers it. */
  readonly addresses: ReadonlyMap<string, readonly string[]>
  /** To the inviter, open, where it greets on it what it has just admitted; then the caller owns it. */
  readonly connection: Connection | null
}

/** What the inviter has said. */
interface Answer extends Omit<Admission, 'connection'> {
  readonly greets: boolean
}

/**
 * Asks the inviter for admission. Changes nothing here.
 * @throws WeaverError `CORE_INVALID_NAME`, before anybody is asked; MeshError `MESH_INVITE_EXPIRED`, `MESH_INVITER_UNREACHABLE`, `MESH_INVITE_USED`, and what else
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
  const talk = await open(deps, invite, checkedName(name), signal)
  const { connection, exchange, session } = talk
  let isKept = false
  try {
    const deadline = { timeoutMs: JOIN_TIMEOUT_MS, signal, onTimeout: () => noAnswer(invite) }
    const answer = await withDeadline(deps.clock, deadline, async () => {
      await exchange.send({ proof: joinProof(invite.secret, 'joiner', session) })
      const received = await exchange.receive(JOIN_ANSWER_BYTES_MAX)
      await exchange.end()
      return received
    })
    const { greets, ...admitted } = readAnswer(session, invite, answer)
    isKept = greets && connection.peer === invite.inviter
    return { ...admitted, connection: isKept ? connection : null }
  } catch (error) {
    if (signal.aborted || (error instanceof MeshError && error.code !== 'MESH_MESSAGE_INVALID'))
      throw error
    throw cutOff(error)
  } finally {
    if (!isKept) void connection.close() // Never rejects. What comes next need not wait for it.
  }
}

/** The first way on which the inviter answers. */
async function open(
  deps: JoinerDeps,
  invite: InviteLine,
  name: string,
  signal: AbortSignal
): Promise<JoinTalk> {
  const { direct, gateways } = waysIn(invite.addresses)
  const request = (): JoinRequest => ({
    mesh: invite.meshId,
    invite: invite.inviteId,
    name,
    nonce: deps.entropy.bytes(JOIN_NONCE_BYTES)
  })
  const onTimeout = (): MeshError => unreachable(invite, 'no address answered in time')
  const attempts = [
    (inner: AbortSignal) => talkDirectly(deps, { invite, direct, request: request() }, inner),
    ...gateways.map(
      (gateway) => (inner: AbortSignal) =>
        talkThrough(deps, { invite, gateway, request: request() }, inner)
    )
  ]
  const deadline = { timeoutMs: JOIN_DIAL_TIMEOUT_MS, signal, onTimeout }
  return await withDeadline(deps.clock, deadline, (inner) =>
    firstOf(
      deps.clock,
      { attempts, drop: closeTalk, headStartMs: JOIN_HEAD_START_MS, failure: plainest },
      inner
    )
  )
}

function isRefusal(error: unknown): boolean {
  return error instanceof MeshError && error.code !== 'MESH_INVITER_UNREACHABLE'
}

/** A refusal says more than a way that did not lead anywhere. */
function plainest(failures: readonly unknown[]): unknown {
  return failures.find(isRefusal) ?? failures[0]
}

function closeTalk({ connection }: JoinTalk): void {
  void connection.close()
}

function readAnswer(session: JoinSession, invite: InviteLine, answer: unknown): Answer {
  const { error, proof, statements, addresses, greets } = fieldsOf(answer)
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
  return { statements: parsed, addresses: readAddresses(addresses), greets: greets === true }
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

function noAnswer(invite: InviteLine): MeshError {
  return unreachable(invite, 'no answer came')
}
