// One member on a real host: a whole mesh over libp2p on loopback, which can be hurt from outside.

import { randomBytes } from 'node:crypto'
import { millis, signerFromSeed, unixMillis, WeaverError } from '../../core/index.ts'
import type { Clock, Entropy, Millis, NodeId } from '../../core/index.ts'
import { systemClock, systemEntropy, systemPrng } from '../../core/system.ts'
import { createMesh, libp2pNetwork } from '../../mesh/index.ts'
import type { Connection, ConnectionAcceptor, DialTarget, Mesh, Network } from '../../mesh/index.ts'
import type { NetworkPaths } from '../../mesh/ports.ts'
import { RESTART_INTERVAL_MS } from '../../mesh/paths/limits.ts'
import { MemoryStore } from '../doubles/memory-store.ts'
import { silentLog } from '../doubles/silent-log.ts'

const WAKE_JUMP_MS = 60_000

/** The system's clock, a little ahead. */
class ShiftedClock implements Clock {
  aheadMs = 0
  wallAheadMs = 0

  now(): Millis {
    return millis(systemClock.now() + this.aheadMs)
  }

  wall(): ReturnType<Clock['wall']> {
    return unixMillis(systemClock.wall() + this.wallAheadMs)
  }

  sleep(delay: Millis, signal?: AbortSignal): Promise<void> {
    return systemClock.sleep(delay, signal)
  }
}

/** A network whose connections and dials can be seen. */
class TappedNetwork implements Network {
  readonly self: NodeId
  readonly paths: NetworkPaths
  readonly open: Set<Connection> = new Set<Connection>()
  readonly #inner: Network
  readonly #refuses: (protocol: string) => boolean
  dialling = 0

  constructor(
    inner: Network,
    refuses: (protocol: string) => boolean,
    onFound: (peer: NodeId, addresses: readonly string[]) => void
  ) {
    if (inner.paths === undefined) throw new Error('not a real network')
    this.self = inner.self
    this.paths = withFind(inner.paths, onFound)
    this.#inner = inner
    this.#refuses = refuses
  }

  start(acceptor: ConnectionAcceptor): Promise<void> {
    return this.#inner.start({
      admits: (...asked) => acceptor.admits(...asked),
      admitsStream: (peer, protocol) =>
        !this.#refuses(protocol) && acceptor.admitsStream(peer, protocol),
      connected: (connection) => {
        this.open.add(connection)
        void connection.closed.then(() => this.open.delete(connection))
        acceptor.connected(connection)
      }
    })
  }

  addresses(): readonly string[] {
    return this.#inner.addresses()
  }

  handle(protocols: readonly string[]): void {
    this.#inner.handle(protocols)
  }

  unhandle(protocols: readonly string[]): void {
    this.#inner.unhandle(protocols)
  }

  async dial(target: DialTarget, signal: AbortSignal): Promise<Connection> {
    this.dialling += 1
    try {
      return await this.#inner.dial(target, signal)
    } finally {
      this.dialling -= 1
    }
  }

  stop(): Promise<void> {
    return this.#inner.stop()
  }
}

function withFind(
  paths: NetworkPaths,
  onFound: (peer: NodeId, addresses: readonly string[]) => void
): NetworkPaths {
  return {
    refresh: () => paths.refresh(),
    announce: (tag) => paths.announce(tag),
    seek: () => paths.seek(),
    settle: () => paths.settle(),
    reserve: (...asked) => paths.reserve(...asked),
    joinTable: (protocol) => paths.joinTable(protocol),
    met: (...asked) => paths.met(...asked),
    find: async (peer, signal) => {
      const found = await paths.find(peer, signal).catch((): readonly string[] => [])
      onFound(peer, found)
      return found
    },
    routing: paths.routing,
    survey: (signal) => paths.survey(signal)
  }
}

interface Run {
  readonly mesh: Mesh
  readonly network: TappedNetwork
}

export class RealNode {
  readonly #name: string
  readonly #seed = new Uint8Array(randomBytes(32))
  readonly #store = new MemoryStore()
  readonly #clock = new ShiftedClock()
  /** Protocols that it does not answer. */
  refuses: (protocol: string) => boolean = () => false
  /** Told of what the hash table says of members. */
  onFound: (peer: NodeId, addresses: readonly string[]) => void = () => undefined
  /** That of the host alone: it restarts no more often than it may. */
  readonly #hostClock = new ShiftedClock()
  #address: string
  #machine: string
  #generation = 0
  #run: Run | null = null

  constructor(name: string, host: string) {
    this.#name = name
    this.#address = host
    this.#machine = `${host}/8`
  }

  get mesh(): Mesh {
    if (this.#run === null) throw new Error(`${this.#name} does not run`)
    return this.#run.mesh
  }

  get connections(): readonly Connection[] {
    return [...(this.#run?.network.open ?? [])]
  }

  /** Dials that have not come to anything yet. */
  get dialling(): number {
    return this.#run?.network.dialling ?? 0
  }

  async start(): Promise<void> {
    this.#generation += 1
    const signer = signerFromSeed(this.#seed)
    const log = silentLog
    const inner = libp2pNetwork(
      { seed: this.#seed, clock: this.#hostClock, log, machineAddresses: () => this.#machine },
      { listen: [`/ip4/${this.#address}/tcp/0`] }
    )
    const network = new TappedNetwork(
      inner,
      (protocol) => this.refuses(protocol),
      (peer, addresses) => this.onFound(peer, addresses)
    )
    const entropy: Entropy = systemEntropy
    const mesh = createMesh(
      {
        network,
        clock: this.#clock,
        prng: systemPrng,
        entropy,
        signer,
        store: this.#store,
        log,
        ledger: { record: async () => undefined },
        pulse: { collect: () => null, receive: () => undefined }
      },
      {
        name: this.#name,
        incarnation: { generation: this.#generation, bootId: `boot-${this.#generation}` }
      }
    )
    await mesh.start()
    this.#run = { mesh, network }
  }

  async stop(): Promise<void> {
    await this.#run?.mesh.stop()
    this.#run = null
  }

  /** Its kernel ends and starts again, elsewhere. */
  async move(host: string): Promise<void> {
    await this.stop()
    this.#address = host
    this.#machine = `${host}/8`
    await this.start()
  }

  /** All its connections break at once. */
  cut(): void {
    const reason = new WeaverError('MESH_CONNECTION_CLOSED', 'Cut by the test')
    for (const connection of this.connections) connection.abort(reason)
  }

  /** It has slept: its wall clock has gone on, and its connections are gone. */
  sleepAndWake(): void {
    this.#clock.wallAheadMs += WAKE_JUMP_MS
    this.cut()
  }

  /** The address it listens on goes away and comes back: the host is made anew. */
  restartHost(): void {
    this.#hostClock.aheadMs += RESTART_INTERVAL_MS
    const machine = this.#machine
    this.#machine = ''
    this.#run?.network.paths.refresh()
    this.#machine = machine
    this.#run?.network.paths.refresh()
  }
}
