// The first half of a join, the joiner's side: a conversation with the inviter that has answered once, over
// a connection of its own or through a member that carries it.

import type { NodeId } from '../../core/index.ts'
import { isJoinRefusalCode, joinRefusal, MeshError } from '../errors.ts'
import { Exchange, fieldsOf } from '../exchange.ts'
import { JOIN_REQUEST_BYTES_MAX } from '../limits.ts'
import type { Connection, Network } from '../ports.ts'
import type { InviteLine } from './invite-line.ts'
import type { Gateway } from './invite-ways.ts'
import { isNonce, JOIN_PROTOCOL } from './join-messages.ts'
import type { JoinRequest, JoinSession } from './join-messages.ts'
import { KNOCK_PROTOCOL, passOf, signKnock } from './knock.ts'

export interface JoinTalkDeps {
  readonly network: Network
}

/** The inviter has sent its nonce; the proof is next. */
export interface JoinTalk {
  readonly connection: Connection
  readonly exchange: Exchange
  readonly session: JoinSession
}

interface Wish {
  readonly invite: InviteLine
  readonly request: JoinRequest
}

/** @throws MeshError `MESH_INVITER_UNREACHABLE`, `MESH_INVITE_USED` */
export async function talkDirectly(
  deps: JoinTalkDeps,
  { invite, request, direct }: Wish & { readonly direct: readonly string[] },
  signal: AbortSignal
): Promise<JoinTalk> {
  const connection = await dial(deps, invite, { nodeId: invite.inviter, addresses: direct }, signal)
  return await orClose(connection, signal, async () => {
    let exchange: Exchange
    let answer: unknown
    try {
      exchange = new Exchange(await connection.openStream(JOIN_PROTOCOL, signal))
      answer = await ask(request, exchange)
    } catch (error) {
      if (signal.aborted) throw error
      // It listens, and has proven its id, but cut us off: no invite of its is open any more.
      throw cutOff(error)
    }
    return { connection, exchange, session: begin(deps, { invite, request }, answer) }
  })
}

/** @throws MeshError `MESH_INVITER_UNREACHABLE`, and with what the member between refuses */
export async function talkThrough(
  deps: JoinTalkDeps,
  { invite, request, gateway }: Wish & { readonly gateway: Gateway },
  signal: AbortSignal
): Promise<JoinTalk> {
  const { inviter, meshId: mesh } = invite
  const connection = await dial(deps, invite, gateway, signal)
  return await orClose(connection, signal, async () => {
    const exchange = new Exchange(await connection.openStream(KNOCK_PROTOCOL, signal))
    const pass = passOf(invite.secret)
    await exchange.send({ v: 1, inviter, pass: pass.nodeId })
    const { nonce } = fieldsOf(await exchange.receive(JOIN_REQUEST_BYTES_MAX))
    if (!isNonce(nonce)) throw unreachable(invite, 'a member between does not answer as it should')
    const { self } = deps.network
    const knock = { mesh, joiner: self, through: gateway.nodeId, inviter, nonce }
    await exchange.send({ signature: signKnock(pass, knock) })
    const { ok, error } = fieldsOf(await exchange.receive(JOIN_REQUEST_BYTES_MAX))
    if (typeof error === 'string' && isJoinRefusalCode(error)) {
      throw joinRefusal(error, request.name)
    }
    if (ok !== true) throw unreachable(invite, 'a member between does not let us through')
    const session = begin(deps, { invite, request }, await ask(request, exchange))
    return { connection, exchange, session }
  })
}

async function ask(request: JoinRequest, exchange: Exchange): Promise<unknown> {
  await exchange.send({ v: 1, ...request })
  return exchange.receive(JOIN_REQUEST_BYTES_MAX)
}

/** @throws MeshError with what the inviter refuses at once: it cannot read the request */
function begin({ network }: JoinTalkDeps, { invite, request }: Wish, answer: unknown): JoinSession {
  const { nonce, error } = fieldsOf(answer)
  if (typeof error === 'string' && isJoinRefusalCode(error)) throw joinRefusal(error, request.name)
  const inviterNonce = isNonce(nonce) ? nonce : new Uint8Array()
  return { request, joiner: network.self, inviter: invite.inviter, inviterNonce }
}

async function dial(
  { network }: JoinTalkDeps,
  invite: InviteLine,
  target: Gateway,
  signal: AbortSignal
): Promise<Connection> {
  try {
    return await network.dial(target, signal)
  } catch (error) {
    if (signal.aborted || error instanceof MeshError) throw error
    throw unreachable(invite, 'no address answered, or the invite is used up', error)
  }
}

/** A talk that fails, or is given up meanwhile, closes its connection. */
async function orClose(
  connection: Connection,
  signal: AbortSignal,
  talk: () => Promise<JoinTalk>
): Promise<JoinTalk> {
  const close = (): void => void connection.close()
  if (signal.aborted) close()
  signal.addEventListener('abort', close, { once: true })
  try {
    return await talk()
  } catch (error) {
    await connection.close()
    throw error
  } finally {
    signal.removeEventListener('abort', close)
  }
}

export function cutOff(cause: unknown): MeshError {
  return new MeshError(
    'MESH_INVITE_USED',
    'Cannot join: the inviter takes no joins now, so this invite was used or has run out; ' +
      "ask for a new one with 'weaver mesh invite'",
    { cause }
  )
}

export function unreachable(invite: InviteLine, why: string, cause?: unknown): MeshError {
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
