// Machines in one process, connected by nothing but promises. No delay, no loss: what is sent has
// arrived once the microtasks have run. The simulator's network adds time and faults.

import { FrameQueue, WeaverError } from '../../core/index.ts'
import type { NodeId } from '../../core/index.ts'
import type {
  ByteStream,
  Connection,
  ConnectionAcceptor,
  DialTarget,
  Direction,
  Network
} from '../../mesh/index.ts'

const BUFFERED_BYTES_MAX = 256 * 1024

export class MemoryHub {
  readonly #machines = new Map<string, MemoryNetwork>()
  readonly #cuts = new Set<string>()
  readonly #connections = new Set<MemoryConnection>()
  /** Dials that were tried, as `from>to`, for tests that count them. */
  readonly dials: string[] = []

  /** The network of `self` at `address`; a second one there takes the place of the first. */
  network(self: NodeId, address: string): MemoryNetwork {
    const network = new MemoryNetwork(this, self, address)
    this.#machines.set(address, network)
    return network
  }

  moved(network: MemoryNetwork, from: string): void {
    if (this.#machines.get(from) === network) this.#machines.delete(from)
    this.#machines.set(network.address, network)
  }

  at(address: string): MemoryNetwork | null {
    return this.#machines.get(address.replace(/\/p2p\/.*/, '')) ?? null
  }

  /** From now on neither reaches the other, and what is open between them breaks. */
  cut(a: NodeId, b: NodeId): void {
    this.#cuts.add(pairOf(a, b))
    for (const connection of this.#connections) {
      if (connection.isBetween(a, b)) connection.break()
    }
  }

  heal(a: NodeId, b: NodeId): void {
    this.#cuts.delete(pairOf(a, b))
  }

  /** What is open between them swallows everything from now on; new connections work. */
  silence(a: NodeId, b: NodeId): void {
    for (const connection of this.#connections) {
      if (connection.isBetween(a, b)) connection.isSilent = true
    }
  }

  connections(): number {
    return this.#connections.size / 2
  }

  isCut(a: NodeId, b: NodeId): boolean {
    return this.#cuts.has(pairOf(a, b))
  }

  added(connection: MemoryConnection): void {
    this.#connections.add(connection)
    void connection.closed.then(() => this.#connections.delete(connection))
  }
}

export class MemoryNetwork implements Network {
  readonly self: NodeId
  #address: string
  readonly #hub: MemoryHub
  readonly #protocols = new Set<string>()
  readonly #open = new Set<MemoryConnection>()
  acceptor: ConnectionAcceptor | null = null
  /** Turns that each dial takes longer than it must. */
  slowness = 0
  /** Cannot dial anybody: the others have to. */
  isMute = false

  constructor(hub: MemoryHub, self: NodeId, address: string) {
    this.#hub = hub
    this.self = self
    this.#address = address
  }

  get address(): string {
    return this.#address
  }

  /** The machine is somewhere else now. What is open stays, until it is cut. */
  move(address: string): void {
    const from = this.#address
    this.#address = address
    this.#hub.moved(this, from)
  }

  async start(acceptor: ConnectionAcceptor): Promise<void> {
    this.acceptor = acceptor
  }

  addresses(): readonly string[] {
    return this.acceptor === null ? [] : [`${this.address}/p2p/${this.self}`]
  }

  handle(protocols: readonly string[]): void {
    for (const protocol of protocols) this.#protocols.add(protocol)
  }

  unhandle(protocols: readonly string[]): void {
    for (const protocol of protocols) this.#protocols.delete(protocol)
  }

  answers(protocol: string): boolean {
    return this.#protocols.has(protocol)
  }

  async dial(target: DialTarget, signal: AbortSignal): Promise<Connection> {
    this.#hub.dials.push(`${this.self}>${target.nodeId}`)
    for (let turn = 0; turn <= this.slowness; turn++) await Promise.resolve()
    signal.throwIfAborted()
    const found = target.addresses.map((address) => this.#hub.at(address))
    const isThere = (machine: MemoryNetwork | null): boolean =>
      machine?.self === target.nodeId && machine.acceptor !== null
    const there = found.find(isThere)
    const refused = new WeaverError('MESH_DIAL_FAILED', 'Cannot dial', { retry: 'later' })
    if (there?.acceptor == null || this.acceptor === null || this.isMute) throw refused
    if (this.#hub.isCut(this.self, there.self)) throw refused
    if (!this.acceptor.admits(there.self, 'outbound')) throw refused
    const here = new MemoryConnection(this, there, 'outbound')
    const other = new MemoryConnection(there, this, 'inbound')
    here.join(other)
    if (!there.acceptor.admits(this.self, 'inbound')) {
      // As with Noise: the dialler's handshake is done before the other side refuses.
      this.#adopt(here)
      here.break()
      return here
    }
    there.#adopt(other)
    this.#adopt(here)
    return here
  }

  #adopt(connection: MemoryConnection): void {
    this.#open.add(connection)
    this.#hub.added(connection)
    void connection.closed.then(() => this.#open.delete(connection))
    this.acceptor?.connected(connection)
  }

  async stop(): Promise<void> {
    this.acceptor = null
    for (const connection of this.#open) connection.break()
  }

  /** Ends like a killed process: nothing more is said, and every connection breaks. */
  kill(): void {
    this.acceptor = null
    for (const connection of this.#open) connection.break()
  }
}

export class MemoryConnection implements Connection {
  readonly peer: NodeId
  readonly direction: Direction
  readonly remoteAddress: string
  readonly closed: Promise<void>
  readonly #self: MemoryNetwork
  readonly #isClosed = Promise.withResolvers<void>()
  readonly #queues = new Set<FrameQueue>()
  #other: MemoryConnection | null = null
  #listener: ((protocol: string, stream: ByteStream) => void) | null = null
  #hasEnded = false
  isSilent = false

  constructor(self: MemoryNetwork, peer: MemoryNetwork, direction: Direction) {
    this.#self = self
    this.peer = peer.self
    this.direction = direction
    this.remoteAddress = `${peer.address}/p2p/${peer.self}`
    this.closed = this.#isClosed.promise
  }

  join(other: MemoryConnection): void {
    this.#other = other
    other.#other = this
  }

  isBetween(a: NodeId, b: NodeId): boolean {
    return pairOf(this.#self.self, this.peer) === pairOf(a, b)
  }

  async openStream(protocol: string, signal: AbortSignal): Promise<ByteStream> {
    await Promise.resolve()
    signal.throwIfAborted()
    const other = this.#other
    if (this.#hasEnded || other === null) {
      throw new WeaverError('MESH_CONNECTION_CLOSED', 'Closed', { retry: 'later' })
    }
    if (this.isSilent) {
      const { promise, reject } = Promise.withResolvers<never>()
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      return promise
    }
    const isAdmitted = other.#self.acceptor?.admitsStream(this.#self.self, protocol) === true
    if (!isAdmitted || !other.#self.answers(protocol) || other.#listener === null) {
      throw new WeaverError('MESH_STREAM_REFUSED', `Refused ${protocol}`)
    }
    const there = new FrameQueue(BUFFERED_BYTES_MAX)
    const back = new FrameQueue(BUFFERED_BYTES_MAX)
    for (const queue of [there, back]) {
      this.#queues.add(queue)
      void queue.done.then(() => this.#queues.delete(queue))
    }
    other.#listener(protocol, other.#stream(back, there))
    return this.#stream(there, back)
  }

  onStream(listener: (protocol: string, stream: ByteStream) => void): void {
    this.#listener = listener
  }

  async close(): Promise<void> {
    this.break()
  }

  abort(): void {
    this.break()
  }

  break(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    const reason = new WeaverError('MESH_STREAM_CLOSED', 'The connection broke', { retry: 'later' })
    for (const queue of this.#queues) queue.fail(reason)
    this.#isClosed.resolve()
    this.#other?.break()
  }

  #stream(out: FrameQueue, into: FrameQueue): ByteStream {
    return {
      write: async (bytes) => {
        if (!this.isSilent) await out.push(bytes)
      },
      chunks: into,
      end: async () => out.finish(),
      abort: (reason) => {
        out.fail(reason)
        into.fail(reason)
      }
    }
  }
}

function pairOf(a: string, b: string): string {
  return [a, b].toSorted().join('|')
}
