// RPC between this node and all connected members.
//
// Invariants
//   R1. One connection carries at most one calling and one serving session per service, each on its
//       own stream, opened by the first call and living as long as the connection.
//   R2. A session stays on its connection; a new one uses the connection attached last.
//   R3. A retired connection carries the calls that are under way on it to their end, and no new ones
//       from here.
//   R4. What a peer may have waiting here is counted per peer, over all its connections, also one after another.

import { WeaverError } from '../../core/index.ts'
import type { Cbor, Clock, Logger, Millis, NodeId } from '../../core/index.ts'
import type { ByteStream, Connection } from '../ports.ts'
import { Caller, failedCall } from './caller.ts'
import { Deadlines } from './deadlines.ts'
import { Intake } from './intake.ts'
import type { Pace } from './intake.ts'
import { PeerBudget, SharedBytes } from './peer-budget.ts'
import { peerUnreachable } from './errors.ts'
import { CALL_TIMEOUT_MS, STREAM_OPEN_TIMEOUT_MS } from './limits.ts'
import { Server } from './server.ts'
import type { Hearing, RpcCall, RpcClient, RpcService } from './types.ts'

export interface RpcNodeDeps {
  readonly clock: Clock
  readonly log: Logger
  /** The protocol name of a service; null as long as this node is in no mesh. */
  readonly protocolOf: (service: string) => string | null
  /** The service that goes before all others of a peer, if any. */
  readonly controlService?: string
  /** Told of what is taken in of peers that send more than their share. */
  readonly pressed?: ((bytes: number) => void) | undefined
}

/** What one peer may have of this node. */
interface Share {
  readonly pace: Pace
  readonly budget: PeerBudget
}

interface Link {
  readonly connection: Connection
  isRetired: boolean
  readonly callers: Map<string, Caller>
  readonly servers: Map<string, Server>
  readonly share: Share
  /** When bytes of the peer came over it last. */
  heardAt: Millis
}

/**
 * Told of connections and of incoming streams by its owner, who has decided by then that the peer is a
 * member. Needs no start; `stop` ends everything, and leaves connections to their owner.
 */
export class RpcNode implements RpcClient, Hearing {
  readonly #clock: Clock
  readonly #log: Logger
  readonly #protocolOf: (service: string) => string | null
  readonly #controlService: string | null
  readonly #deadlines: Deadlines
  readonly #services = new Map<string, RpcService>()
  readonly #links = new Map<NodeId, Link[]>()
  readonly #intake: Intake
  readonly #shares = new Map<NodeId, Share>()
  readonly #sharedBytes = new SharedBytes()
  #isStopped = false

  constructor(deps: RpcNodeDeps) {
    this.#clock = deps.clock
    this.#log = deps.log
    this.#protocolOf = deps.protocolOf
    this.#controlService = deps.controlService ?? null
    this.#deadlines = new Deadlines(deps.clock)
    this.#intake = new Intake({ clock: deps.clock, pressed: deps.pressed })
  }

  /** The services offered here, for whoever tells the network which protocols to answer. */
  get services(): readonly string[] {
    return [...this.#services.keys()]
  }

  /** @throws WeaverError `MESH_SERVICE_TAKEN` */
  serve(service: RpcService): void {
    if (this.#services.has(service.name)) {
      throw new WeaverError(
        'MESH_SERVICE_TAKEN',
        `Cannot serve '${service.name}': it is served already`
      )
    }
    this.#services.set(service.name, service)
  }

  /** From now on calls to its peer may use `connection`. */
  attach(connection: Connection): void {
    if (this.#isStopped || this.#linkOf(connection) !== undefined) return
    const links = this.#links.get(connection.peer) ?? []
    const share = this.#shareOf(connection.peer)
    const sessions = { callers: new Map(), servers: new Map() }
    const heardAt = this.#clock.now()
    links.push({ connection, isRetired: false, ...sessions, share, heardAt })
    this.#links.set(connection.peer, links)
    void connection.closed.then(() => this.detach(connection))
  }

  /** What runs over `connection` fails with `MESH_PEER_UNREACHABLE`. Idempotent. */
  detach(connection: Connection): void {
    const link = this.#linkOf(connection)
    if (link === undefined) return
    const others = (this.#links.get(connection.peer) ?? []).filter((other) => other !== link)
    if (others.length === 0) this.#links.delete(connection.peer)
    else this.#links.set(connection.peer, others)
    const reason = peerUnreachable(connection.peer)
    for (const session of [...link.callers.values(), ...link.servers.values()]) {
      session.close(reason)
    }
  }

  /** A better connection serves for its peer: new calls take that one (R3). */
  retire(connection: Connection): void {
    const link = this.#linkOf(connection)
    if (link !== undefined) link.isRetired = true
  }

  /** Whether no call, of either side, is under way on `connection`. */
  isIdle(connection: Connection): boolean {
    const link = this.#linkOf(connection)
    if (link === undefined) return true
    return [...link.callers.values(), ...link.servers.values()].every(({ isIdle }) => isIdle)
  }

  /** Serves `stream`, if `protocol` is one of ours and the connection is attached. */
  accept(connection: Connection, protocol: string, stream: ByteStream): boolean {
    const link = this.#linkOf(connection)
    const service = [...this.#services.values()].find(
      ({ name }) => this.#protocolOf(name) === protocol
    )
    if (link === undefined || service === undefined) return false
    // The peer has given up its older session, or it would not open another (R1).
    link.servers.get(service.name)?.close(peerUnreachable(connection.peer))
    const server: Server = new Server(
      {
        service,
        deadlines: this.#deadlines,
        log: this.#log,
        ...link.share,
        onHeard: () => this.#heard(link),
        onClosed: () => {
          if (link.servers.get(service.name) === server) link.servers.delete(service.name)
        }
      },
      { peer: connection.peer, isControl: service.name === this.#controlService }
    )
    link.servers.set(service.name, server)
    void server.run(stream) // Never rejects.
    return true
  }

  /** Over the connection that serves. */
  heardAt(peer: NodeId): Millis | null {
    return this.#links.get(peer)?.findLast(({ isRetired }) => !isRetired)?.heardAt ?? null
  }

  call(...args: Parameters<RpcClient['call']>): Promise<unknown> {
    const [peer, service, method, body, options] = args
    const caller = this.#callerOf(peer, service)
    if (caller === null) return Promise.reject(peerUnreachable(peer))
    const signal = options?.signal ?? null
    const timeoutMs = options?.timeoutMs ?? CALL_TIMEOUT_MS
    return caller.open({ method, body, signal, timeoutMs, isStreaming: false }).result
  }

  open(...args: Parameters<RpcClient['open']>): RpcCall {
    const [peer, service, method, body, options] = args
    const caller = this.#callerOf(peer, service)
    if (caller === null) return failedCall(peerUnreachable(peer))
    const signal = options?.signal ?? null
    const timeoutMs = options?.timeoutMs ?? null
    return caller.open({ method, body, signal, timeoutMs, isStreaming: true })
  }

  notify(peer: NodeId, service: string, method: string, body: Cbor): void {
    try {
      this.#callerOf(peer, service)?.notify(method, body)
    } catch (error) {
      this.#log.warn('notification not sent', { service, method, error: String(error) })
    }
  }

  /** Ends all sessions and refuses what comes later. Idempotent. */
  stop(): void {
    this.#isStopped = true
    for (const link of [...this.#links.values()].flat()) this.detach(link.connection)
    this.#deadlines.clear()
  }

  /** Calls of a connection that is gone may still be served here, and count (R4). */
  #shareOf(peer: NodeId): Share {
    const known = this.#shares.get(peer)
    if (known !== undefined) return known
    for (const [other, { budget }] of this.#shares) {
      if (!this.#links.has(other) && budget.isEmpty) this.#shares.delete(other)
    }
    const share = { pace: this.#intake.pace(), budget: new PeerBudget(this.#sharedBytes) }
    this.#shares.set(peer, share)
    return share
  }

  #heard(link: Link): void {
    link.heardAt = this.#clock.now()
  }

  #linkOf(connection: Connection): Link | undefined {
    return this.#links.get(connection.peer)?.find((link) => link.connection === connection)
  }

  #callerOf(peer: NodeId, service: string): Caller | null {
    const links = this.#links.get(peer)?.filter(({ isRetired }) => !isRetired)
    if (links === undefined) return null
    for (const { callers } of links) {
      const caller = callers.get(service)
      if (caller !== undefined) return caller
    }
    const link = links.at(-1)
    const protocol = this.#protocolOf(service)
    return link === undefined || protocol === null ? null : this.#connect(link, service, protocol)
  }

  /** The session is there at once, and takes calls while its stream is being opened. */
  #connect(link: Link, service: string, protocol: string): Caller {
    const { connection, callers } = link
    const opening = new AbortController()
    const giveUp = (): void => opening.abort(peerUnreachable(connection.peer))
    const deadline = this.#deadlines.add(STREAM_OPEN_TIMEOUT_MS, giveUp)
    const caller: Caller = new Caller(
      {
        deadlines: this.#deadlines,
        ...link.share,
        onHeard: () => this.#heard(link),
        onClosed: () => {
          giveUp()
          if (callers.get(service) === caller) callers.delete(service)
        }
      },
      { peer: connection.peer, isControl: service === this.#controlService }
    )
    callers.set(service, caller)
    const stream = connection
      .openStream(protocol, opening.signal)
      .finally(() => this.#deadlines.remove(deadline))
    void caller.run(stream) // Never rejects.
    return caller
  }
}
