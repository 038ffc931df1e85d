// All connections of this node: which one serves for a peer, and which are refused.
//
// Invariants
//   K1. At most one connection serves for a peer: RPC never has to choose.
//   K2. No connection serves before both sides have accepted the other's hello.
//   K3. A second connection takes over only if the first does not answer, or if it is of the same run of
//       the peer's kernel and over a better path; so two live kernels with one key never swap places, and a
//       half-open connection costs INCUMBENT_PROBE_MS.
//   K4. When two members dial each other at once, the lower node id's connection is the one that stays, on both
//       sides, whichever of the two each of them has accepted first.
//   K5. A connection that a better one replaces stays open until the calls on it have ended.

import { millis, nodeId, underEither } from '../../core/index.ts'
import type { Clock, KeyValueStore, Logger, MeshId, NodeId } from '../../core/index.ts'
import { MeshError } from '../errors.ts'
import { Exchange } from '../exchange.ts'
import { DIAL_TIMEOUT_MS, HELLO_TIMEOUT_MS, JOIN_TIMEOUT_MS, STRANGERS_MAX } from '../limits.ts'
import { answerGreeting, greet, HelloRefusedError, helloProtocol } from '../membership/hello.ts'
import type { Hello, HelloRefusal } from '../membership/hello.ts'
import {
  decodeIncarnation,
  encodeIncarnation,
  judgeIncarnation
} from '../membership/incarnation.ts'
import type { Incarnation, SeenIncarnation } from '../membership/incarnation.ts'
import { JOIN_PROTOCOL } from '../membership/join-messages.ts'
import { KNOCK_PROTOCOL } from '../membership/knock.ts'
import type { ByteStream, Connection, DialTarget, Network } from '../ports.ts'
import { RETIRE_LOOK_MS, RETIRE_MAX_MS } from '../paths/limits.ts'
import { isBetterPath } from '../paths/path.ts'
import { Serial, withDeadline } from '../tasks.ts'
import type { Tasks } from '../tasks.ts'
import { Link } from './link.ts'

const INCARNATION_PREFIX = 'mesh/incarnation/'

/** What links need of RPC. */
interface SessionHost {
  attach(connection: Connection): void
  detach(connection: Connection): void
  /** No new calls on it. */
  retire(connection: Connection): void
  isIdle(connection: Connection): boolean
  /** Takes an incoming stream of an attached connection; false if it is not for RPC. */
  accept(connection: Connection, protocol: string, stream: ByteStream): boolean
}

export interface LinksDeps {
  readonly self: NodeId
  readonly clock: Clock
  readonly store: KeyValueStore
  readonly log: Logger
  readonly tasks: Tasks
  readonly sessions: SessionHost
}

/** What the mesh answers and is told. */
export interface LinksOwner {
  meshId(): MeshId | null
  isMember(peer: NodeId): boolean
  ownHello(mesh: MeshId): Hello
  /** Whether the peer answers over the connection that serves for it, and its signed word for `nonce`. */
  challenge(
    peer: NodeId,
    nonce: Uint8Array
  ): Promise<{ readonly isThere: boolean; readonly claim: Uint8Array | null }>
  answerJoin(peer: NodeId, stream: ByteStream): Promise<void>
  /** Somebody, a stranger or not, wants to be let through to another member. */
  answerKnock(peer: NodeId, stream: ByteStream): Promise<void>
  /** Takes a member's stream that is not for RPC; false if it is not for us either. */
  accept(peer: NodeId, protocol: string, stream: ByteStream): boolean
  onUp(link: Link, hello: Hello): void
  /** `isClosed`: the other side, or the network, has ended it, and not we. */
  onDown(peer: NodeId, isClosed: boolean): void
  /** A second kernel with the key of `peer` was refused here. */
  onDuplicate(peer: NodeId, refused: Incarnation, claim: Uint8Array | null): void
  /** A peer says that this kernel is the second one with its key. */
  onRefused(by: NodeId, error: HelloRefusedError, nonce: Uint8Array): void
}

export class Links {
  readonly #deps: LinksDeps
  readonly #owner: LinksOwner
  readonly #serving = new Map<NodeId, Link>()
  readonly #greeting = new Set<NodeId>()
  readonly #strangers = new Set<Link>()
  readonly #outbound = new Map<Connection, Link>()
  readonly #seen = new Map<NodeId, SeenIncarnation>()
  readonly #judging = new Map<NodeId, Serial>()

  constructor(deps: LinksDeps, owner: LinksOwner) {
    this.#deps = deps
    this.#owner = owner
  }

  async load(): Promise<void> {
    for (const [key, bytes] of await this.#deps.store.list(INCARNATION_PREFIX)) {
      const peer = nodeId(key.slice(INCARNATION_PREFIX.length))
      this.#seen.set(peer, decodeIncarnation(bytes))
    }
  }

  serving(peer: NodeId): Link | null {
    return this.#serving.get(peer) ?? null
  }

  servingPeers(): readonly NodeId[] {
    return [...this.#serving.keys()]
  }

  servingConnections(): readonly Connection[] {
    return [...this.#serving.values()].map(({ connection }) => connection)
  }

  hasRoomForStranger(): boolean {
    return this.#strangers.size < STRANGERS_MAX
  }

  /** Whether `peer` has come in as a stranger and may say hello any moment, on the same connection. */
  isJoining(peer: NodeId): boolean {
    return [...this.#strangers].some((link) => link.peer === peer)
  }

  /** The network made a connection, either way. Called before any of its streams arrives. */
  connected(connection: Connection): void {
    const { peer, direction } = connection
    const mesh = this.#owner.meshId()
    const openings = new Map<string, (stream: ByteStream) => void>()
    const link = new Link(connection, openings)
    const isStranger = !this.#owner.isMember(peer)
    openings.set(JOIN_PROTOCOL, (stream) => {
      this.#deps.tasks.run('join', () => this.#owner.answerJoin(peer, stream))
    })
    openings.set(KNOCK_PROTOCOL, (stream) => {
      this.#deps.tasks.run('knock', () => this.#owner.answerKnock(peer, stream))
    })
    if (direction === 'outbound') {
      this.#outbound.set(connection, link)
    } else {
      if (isStranger) this.#strangers.add(link)
      if (mesh !== null) {
        // A stranger's, too: it says hello here once it is admitted, and not before (X1).
        openings.set(helloProtocol(mesh), (stream) => {
          this.#deps.tasks.run('hello', () => this.#answerHello(link, stream))
        })
      }
      this.#deps.tasks.run('opening', (signal) => this.#expectOpening(link, isStranger, signal))
    }
    this.#deps.tasks.run('connection', async (signal) => {
      await untilClosed(connection, signal)
      this.#forget(link, true)
    })
  }

  /** Dials within DIAL_TIMEOUT_MS. A connection that comes later than that is closed. */
  async dial(network: Network, target: DialTarget, signal: AbortSignal): Promise<Connection> {
    const deadline = { timeoutMs: DIAL_TIMEOUT_MS, signal, onTimeout: noAddressAnswered }
    let isLate = false
    const dialled = async (inner: AbortSignal): Promise<Connection> => {
      const connection = await network.dial(target, inner)
      if (isLate) await connection.close()
      return connection
    }
    try {
      return await withDeadline(this.#deps.clock, deadline, dialled)
    } finally {
      isLate = true
    }
  }

  /** Greets the peer over a connection that we dialled. Resolves when a connection to it serves. */
  async greet(connection: Connection, signal: AbortSignal): Promise<void> {
    const link = this.#outbound.get(connection)
    const mesh = this.#owner.meshId()
    if (link === undefined || mesh === null) return connection.close()
    const { peer } = link
    const incumbent = this.#serving.get(peer)
    if (incumbent !== undefined && !isBetter(link, incumbent)) return connection.close()
    this.#greeting.add(peer)
    const own = this.#owner.ownHello(mesh)
    try {
      const hello = await this.#withHelloDeadline(signal, async (inner) => {
        const stream = await connection.openStream(helloProtocol(mesh), inner)
        return greet(new Exchange(stream), own, (other) => this.#judge(link, other))
      })
      this.#serve(link, hello)
    } catch (error) {
      await this.#refused(link, error, own.nonce)
      if (!this.#serving.has(peer)) throw error
    } finally {
      this.#greeting.delete(peer)
    }
  }

  /** Forgets the runs of nodes that are no members any more, on disk too. */
  async retain(isKept: (peer: NodeId) => boolean): Promise<void> {
    const gone = [...this.#seen.keys()].filter((peer) => !isKept(peer))
    for (const peer of gone) this.#seen.delete(peer)
    if (gone.length === 0) return
    const { store } = this.#deps
    await store.write(gone.map((peer) => ({ key: INCARNATION_PREFIX + peer, value: null })))
  }

  /** Cuts the connection that serves for `peer`, if there is one. */
  drop(peer: NodeId, reason: MeshError): void {
    const link = this.#serving.get(peer)
    if (link === undefined) return
    link.abort(reason)
    this.#forget(link, false) // At once: whoever asks next must not get a dead connection.
  }

  async #answerHello(link: Link, stream: ByteStream): Promise<void> {
    const mesh = this.#owner.meshId()
    if (mesh === null || !this.#owner.isMember(link.peer)) {
      return stream.abort(new MeshError('MESH_NOT_MEMBER', 'Cannot greet: not a member'))
    }
    const own = this.#owner.ownHello(mesh)
    try {
      const hello = await this.#withHelloDeadline(this.#deps.tasks.signal, () => {
        return answerGreeting(new Exchange(stream), own, (other) => this.#judge(link, other))
      })
      this.#serve(link, hello)
    } catch (error) {
      await this.#refused(link, error, own.nonce)
    }
  }

  /** One hello of a peer at a time, so that two cannot both find the place free (K1). */
  #judge(link: Link, hello: Hello): Promise<HelloRefusal | null> {
    const turn = this.#judging.get(link.peer) ?? new Serial()
    this.#judging.set(link.peer, turn)
    return turn.run(() => this.#judgeInTurn(link, hello))
  }

  async #judgeInTurn(link: Link, hello: Hello): Promise<HelloRefusal | null> {
    const { peer, connection } = link
    const { incarnation } = hello
    const crossed = { code: 'MESH_ALREADY_CONNECTED', evidence: null } as const
    const seen = this.#seen.get(peer) ?? null
    if (judgeIncarnation(seen, incarnation) === 'duplicate') {
      return this.#refuseDuplicate(peer, hello, seen?.claim ?? null)
    }
    const isCrossing = connection.direction === 'inbound' && this.#greeting.has(peer)
    if (isCrossing && this.#deps.self < peer) return crossed // K4
    const incumbent = this.#serving.get(peer)
    const isSameRun = incumbent?.incarnation?.bootId === incarnation.bootId
    if (incumbent !== undefined && !(isSameRun && isBetter(link, incumbent))) {
      const { isThere, claim } = await this.#owner.challenge(peer, hello.nonce)
      if (isThere) return isSameRun ? crossed : this.#refuseDuplicate(peer, hello, claim)
      this.drop(peer, new MeshError('MESH_PEER_SILENT', 'Cut: a newer connection took over'))
    }
    if (judgeIncarnation(this.#seen.get(peer) ?? null, incarnation) === 'newer') {
      const value = encodeIncarnation(incarnation, hello.claim)
      await this.#deps.store.write([{ key: INCARNATION_PREFIX + peer, value }])
      this.#seen.set(peer, { ...incarnation, claim: hello.claim })
    }
    return null
  }

  #refuseDuplicate(peer: NodeId, hello: Hello, evidence: Uint8Array | null): HelloRefusal {
    this.#owner.onDuplicate(peer, hello.incarnation, hello.claim)
    return { code: 'MESH_DUPLICATE_IDENTITY', evidence }
  }

  #serve(link: Link, hello: Hello): void {
    const { peer } = link
    const incumbent = this.#serving.get(peer)
    const other = new MeshError('MESH_ALREADY_CONNECTED', 'Cut: another connection serves')
    if (incumbent?.incarnation?.bootId === hello.incarnation.bootId) {
      // Both sides may have said yes to two connections within one round trip, each in another order.
      if (this.#outranks(incumbent, link)) return link.abort(other)
      if (this.#outranks(link, incumbent)) this.#retire(incumbent)
      else this.drop(peer, other)
    } else this.drop(peer, other)
    this.#serving.set(peer, link)
    this.#strangers.delete(link)
    const { sessions } = this.#deps
    sessions.attach(link.connection)
    link.serve(hello, (protocol, stream) => {
      if (sessions.accept(link.connection, protocol, stream)) return true
      return this.#owner.accept(peer, protocol, stream)
    })
    this.#owner.onUp(link, hello)
  }

  /** Whether `link` is the one of two that both sides keep: the better path, else the lower id's dial (K4). */
  #outranks(link: Link, other: Link): boolean {
    if (isBetter(link, other) || isBetter(other, link)) return isBetter(link, other)
    const dialler = ({ connection: { direction, peer } }: Link): NodeId =>
      direction === 'outbound' ? this.#deps.self : peer
    return dialler(link) < dialler(other)
  }

  /** Another connection serves from now on; this one until its calls have ended (K5). */
  #retire(link: Link): void {
    const { sessions, clock, tasks } = this.#deps
    const { connection } = link
    sessions.retire(connection)
    tasks.run('retire', async (signal) => {
      const end = clock.now() + RETIRE_MAX_MS
      do await clock.sleep(RETIRE_LOOK_MS, signal)
      while (!sessions.isIdle(connection) && clock.now() < end)
      await connection.close()
    })
  }

  async #refused(link: Link, error: unknown, nonce: Uint8Array): Promise<void> {
    const isDuplicate =
      error instanceof HelloRefusedError && error.code === 'MESH_DUPLICATE_IDENTITY'
    if (isDuplicate && error.by === 'peer') this.#owner.onRefused(link.peer, error, nonce)
    this.#deps.log.debug('a hello came to nothing', { peer: link.peer, error: String(error) })
    await link.connection.close()
  }

  /** A connection that was dialled to us must say what it wants in time. */
  async #expectOpening(link: Link, isStranger: boolean, signal: AbortSignal): Promise<void> {
    const patience = isStranger ? JOIN_TIMEOUT_MS : millis(2 * HELLO_TIMEOUT_MS)
    const closed = new AbortController()
    const gone = link.connection.closed.then(() => closed.abort())
    try {
      const { clock } = this.#deps
      await underEither(signal, closed, (either) => clock.sleep(patience, either))
    } catch {
      return // It is gone, or we stop.
    }
    if (this.#serving.get(link.peer) === link) return
    link.abort(new MeshError('MESH_HELLO_REFUSED', 'Cut: no hello came in time'))
    await gone
  }

  #forget(link: Link, isClosed: boolean): void {
    this.#strangers.delete(link)
    this.#outbound.delete(link.connection)
    if (this.#serving.get(link.peer) !== link) return
    this.#serving.delete(link.peer)
    this.#deps.sessions.detach(link.connection)
    this.#owner.onDown(link.peer, isClosed)
  }

  #withHelloDeadline<T>(
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<T>
  ): Promise<T> {
    const deadline = { timeoutMs: HELLO_TIMEOUT_MS, signal, onTimeout: noHelloAnswered }
    return withDeadline(this.#deps.clock, deadline, work)
  }
}

function isBetter({ connection }: Link, incumbent: Link): boolean {
  return isBetterPath(connection.remoteAddress, incumbent.connection.remoteAddress)
}

/** Resolves when the connection is gone, or we stop and the network will close it. */
async function untilClosed(connection: Connection, signal: AbortSignal): Promise<void> {
  const stopped = Promise.withResolvers<void>()
  const onAbort = (): void => stopped.resolve()
  signal.addEventListener('abort', onAbort, { once: true })
  await Promise.race([connection.closed, stopped.promise])
  signal.removeEventListener('abort', onAbort)
}

function noAddressAnswered(): MeshError {
  return new MeshError('MESH_PEER_SILENT', 'Cannot dial: no address answered in time')
}

function noHelloAnswered(): MeshError {
  return new MeshError('MESH_PEER_SILENT', 'Cannot greet the peer: no answer in time')
}
