// A member that lets joiners through to an inviter they cannot dial, and the inviter's side of that.
//
// Invariants
//   G1. A stranger knocks only while an inviter that is connected, and an admin, has a pass open here.
//   G2. Who knows the pass gets four messages carried, each bounded, within JOIN_TIMEOUT_MS; nothing
//       that it sends is read here beyond the knock, and nothing but the join protocol reads it there.
//   G3. Passes live in memory, and no longer than the inviter's connection, which renews them.

import { millis } from '../../core/index.ts'
import type { Clock, Entropy, Logger, MeshId, Millis, NodeId } from '../../core/index.ts'
import { MeshError } from '../errors.ts'
import type { JoinRefusalCode } from '../errors.ts'
import { Exchange, fieldsOf } from '../exchange.ts'
import {
  JOIN_ANSWER_BYTES_MAX,
  JOIN_REQUEST_BYTES_MAX,
  JOIN_TIMEOUT_MS,
  JOINS_AT_ONCE_MAX,
  SPONSOR_TIMEOUT_MS
} from '../limits.ts'
import type { ByteStream, Connection } from '../ports.ts'
import type { RpcClient } from '../rpc/index.ts'
import { withDeadline } from '../tasks.ts'
import type { Tasks } from '../tasks.ts'
import type { IssuedInvite } from '../mesh-types.ts'
import type { Door, InviteTerms } from './door.ts'
import { formatInvite } from './invite-line.ts'
import { gatewaysAmong, inviteAddresses } from './invite-ways.ts'
import { JOIN_NONCE_BYTES } from './join-messages.ts'
import {
  encodePassages,
  guestProtocol,
  isKnockSigned,
  parseKnock,
  passOf,
  readPassages
} from './knock.ts'
import type { Roster } from './roster.ts'

export const SPONSOR_METHOD = 'sponsor'

export interface GatehouseDeps {
  readonly self: NodeId
  readonly clock: Clock
  readonly entropy: Entropy
  readonly log: Logger
  readonly tasks: Tasks
  readonly rpc: RpcClient
  readonly roster: Roster
  readonly door: Door
  readonly meshId: () => MeshId | null
  readonly service: string
  /** The connections that serve now. */
  readonly connections: () => readonly Connection[]
  readonly addressesOf: (peer: NodeId) => readonly string[]
  readonly ownAddresses: () => readonly string[]
}

export class Gatehouse {
  readonly #deps: GatehouseDeps
  /** Inviter -> its passes here -> until when. */
  readonly #passes = new Map<NodeId, ReadonlyMap<NodeId, Millis>>()
  #guests = 0

  constructor(deps: GatehouseDeps) {
    this.#deps = deps
  }

  // The inviter

  /**
   * Makes an invite, and a line that also names members which have agreed to let its joiners through.
   * @throws MeshError `MESH_NO_MESH`, `MESH_NOT_ADMIN`, `MESH_LIMIT_REACHED`
   */
  async invite(terms: InviteTerms): Promise<IssuedInvite> {
    const { self, door, meshId, connections, addressesOf, ownAddresses } = this.#deps
    const gateways = gatewaysAmong(connections(), addressesOf)
    const relays = gateways.map(({ nodeId }) => nodeId)
    const invite = await door.makeInvite(terms, relays)
    const answers = gateways.map(async (each) => ((await this.#ask(each.nodeId)) ? [each] : []))
    const agreed = (await Promise.all(answers)).flat()
    const mesh = meshId()
    if (mesh === null) throw new MeshError('MESH_NO_MESH', 'Cannot invite: no mesh yet')
    const addresses = inviteAddresses(ownAddresses(), agreed)
    const line = formatInvite({ ...invite, meshId: mesh, inviter: self, addresses })
    return { line, expiresAt: invite.expiresAt, uses: invite.uses }
  }

  /** Invites have changed: tells those members that know of them. */
  renew(members: readonly NodeId[]): void {
    for (const peer of members) {
      if (this.#connection(peer) === null) continue
      this.#deps.tasks.run('sponsor', async () => void (await this.#ask(peer)))
    }
  }

  /** A connection to `peer` serves: it may have forgotten what it was asked. */
  connected(peer: NodeId): void {
    if (this.#passages(peer).length > 0) this.renew([peer])
  }

  async #ask(peer: NodeId): Promise<boolean> {
    const { rpc, service, tasks, log } = this.#deps
    const options = { signal: tasks.signal, timeoutMs: SPONSOR_TIMEOUT_MS }
    try {
      const body = encodePassages(this.#passages(peer))
      // A member of an older version answers null.
      return fieldsOf(await rpc.call(peer, service, SPONSOR_METHOD, body, options))['ok'] === true
    } catch (error) {
      log.debug('a member lets no joiners through', { peer, error: String(error) })
      return false
    }
  }

  #connection(peer: NodeId): Connection | null {
    return this.#deps.connections().find((each) => each.peer === peer) ?? null
  }

  #passages(peer: NodeId): readonly { readonly pass: NodeId; readonly ttlMs: Millis }[] {
    const { door, clock } = this.#deps
    return door
      .openInvites()
      .filter(({ relays }) => relays.includes(peer))
      .map(({ secret, expiresAt }) => ({
        pass: passOf(secret).nodeId,
        ttlMs: millis(Math.max(1, expiresAt - clock.wall()))
      }))
  }

  /** A member brings a joiner: its stream carries the join conversation. False if it is another. */
  accept(through: NodeId, protocol: string, stream: ByteStream): boolean {
    const { door, tasks, meshId } = this.#deps
    const mesh = meshId()
    if (mesh === null || protocol !== guestProtocol(mesh)) return false
    tasks.run('guest', (signal) => door.answerGuest(through, stream, signal))
    return true
  }

  // The member between

  /** An admin asks this node to let its joiners through: all its passes, in place of those before. */
  sponsored(inviter: NodeId, body: unknown): { readonly ok: boolean } {
    const { roster, clock } = this.#deps
    if (roster.member(inviter)?.role !== 'admin') return { ok: false }
    const now = clock.now()
    const passes = readPassages(body).map(({ pass, ttlMs }) => [pass, millis(now + ttlMs)] as const)
    if (passes.length === 0) this.#passes.delete(inviter)
    else this.#passes.set(inviter, new Map(passes))
    return { ok: true }
  }

  /** The connection to `peer` is gone (G3). */
  lost(peer: NodeId): void {
    this.#passes.delete(peer)
  }

  /** Whether a stranger may knock now (G1). */
  isOpen(): boolean {
    return [...this.#passes.keys()].some((inviter) => this.#openPasses(inviter).length > 0)
  }

  #openPasses(inviter: NodeId): readonly NodeId[] {
    const { roster, clock } = this.#deps
    if (roster.member(inviter)?.role !== 'admin') return []
    const now = clock.now()
    return [...(this.#passes.get(inviter) ?? [])].flatMap(([pass, end]) =>
      now < end ? [pass] : []
    )
  }

  /** Speaks with `joiner`, who may be anybody. Never throws. */
  async answerKnock(joiner: NodeId, stream: ByteStream): Promise<void> {
    const { clock, log, tasks } = this.#deps
    const knocker = new Exchange(stream)
    const isBusy = this.#guests >= JOINS_AT_ONCE_MAX
    this.#guests += 1
    const deadline = { timeoutMs: JOIN_TIMEOUT_MS, signal: tasks.signal, onTimeout: tookTooLong }
    try {
      await withDeadline(clock, deadline, (signal) =>
        this.#letThrough({ joiner, isBusy }, knocker, signal)
      )
    } catch (error) {
      log.info('a joiner did not get through', { joiner, error: String(error) })
      knocker.abort(error instanceof MeshError ? error : tookTooLong())
    } finally {
      this.#guests -= 1
    }
  }

  async #letThrough(
    { joiner, isBusy }: { readonly joiner: NodeId; readonly isBusy: boolean },
    knocker: Exchange,
    signal: AbortSignal
  ): Promise<void> {
    const { self, entropy, meshId, log } = this.#deps
    const mesh = meshId()
    const { inviter, pass } = parseKnock(await knocker.receive(JOIN_REQUEST_BYTES_MAX))
    const nonce = entropy.bytes(JOIN_NONCE_BYTES)
    await knocker.send({ nonce })
    const { signature } = fieldsOf(await knocker.receive(JOIN_REQUEST_BYTES_MAX))
    const isKnown =
      mesh !== null &&
      this.#openPasses(inviter).includes(pass) &&
      isKnockSigned(pass, { mesh, joiner, through: self, inviter, nonce }, signature)
    const there = this.#connection(inviter)
    if (isBusy || !isKnown || there === null) {
      return await refuse(knocker, isBusy ? 'MESH_JOIN_BUSY' : 'MESH_INVITE_UNKNOWN')
    }
    const host = new Exchange(await there.openStream(guestProtocol(mesh), signal))
    log.info('letting a joiner through', { joiner, inviter })
    try {
      await host.send({ v: 1, joiner })
      await knocker.send({ ok: true })
      await knocker.forward(host, JOIN_REQUEST_BYTES_MAX) // G2: four messages, and their bounds.
      await host.forward(knocker, JOIN_REQUEST_BYTES_MAX)
      await knocker.forward(host, JOIN_REQUEST_BYTES_MAX)
      await host.forward(knocker, JOIN_ANSWER_BYTES_MAX)
      await Promise.all([host.end(), knocker.end()])
    } catch (error) {
      host.abort(tookTooLong())
      throw error
    }
  }
}

async function refuse(knocker: Exchange, error: JoinRefusalCode): Promise<void> {
  await knocker.send({ error })
  await knocker.end()
}

function tookTooLong(): MeshError {
  return new MeshError('MESH_MESSAGE_INVALID', 'Cannot let a joiner through: it did not speak so')
}
