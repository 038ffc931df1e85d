// The real network: libp2p over TCP, WebSockets and circuits, Noise and yamux; of its services identify,
// ping and relay, for members. No discovery by itself, no dial queue, nothing kept on disk: a stranger can
// shake hands and is cut off then.
//
// Invariants
//   H1. `admits` is asked with the proven peer id before anything is multiplexed, both ways.
//   H2. `admitsStream` is asked before a stream's first byte is delivered, to us or to libp2p's services.
//   H3. The acceptor hears of a connection once, and of an outbound one only if its dial is won.
//   H4. A restart of the host is to the rest of the kernel a loss of all connections: the acceptor, the
//       protocols and the ports stay.

import type { Connection as Libp2pConnection, PeerId, Stream } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { signerFromSeed } from '../core/index.ts'
import type { Clock, Logger, NodeId } from '../core/index.ts'
import {
  dialAborted,
  dialFailed,
  relayFailed,
  routingUnavailable,
  streamRefused
} from './host-errors.ts'
import { CIRCUIT_TIMEOUT_MS, STREAMS_PER_PROTOCOL_MAX } from './host-limits.ts'
import { HostConnection } from './libp2p-connection.ts'
import { createHost, guardServices } from './libp2p-create.ts'
import type { Host } from './libp2p-create.ts'
import { race, relayIn, usableAddresses } from './libp2p-dial.ts'
import { mayUse, nodeIdOrNull } from './libp2p-ids.ts'
import { NOT_MAPPED, PortMapper } from './port-mapper.ts'
import { HashTable } from './libp2p-kad.ts'
import { Lan } from './libp2p-lan.ts'
import type { LanDeps } from './libp2p-lan.ts'
import { listenOnAll, openPorts, withPorts } from './libp2p-listen.ts'
import { isCircuit, RelayClient } from './libp2p-relay.ts'
import { globalIp6, hearsMulticast, hearsUpnp, machineAddresses } from './libp2p-survey.ts'
import { dialEnded, HEALTHY_HOST, restarted, restartReason } from './paths/host-health.ts'
import { NETCHECK_TIMEOUT_MS } from './paths/limits.ts'
import { isLoopback, pathKind } from './paths/path.ts'
import type {
  Connection,
  ConnectionAcceptor,
  ContentRouting,
  DialTarget,
  Network,
  NetworkPaths,
  NetworkSurvey
} from './ports.ts'
import { Serial } from './tasks.ts'

export interface Libp2pNetworkDeps {
  /** The 32 bytes of this node's Ed25519 key. */
  readonly seed: Uint8Array
  readonly clock: Clock
  readonly log: Logger
  /** The addresses of this machine, as one text. Left out: as the system says. */
  readonly machineAddresses?: () => string
}

export interface Libp2pNetworkOptions {
  /** Multiaddrs such as `/ip4/0.0.0.0/tcp/4801` or `.../tcp/4802/ws`; port 0 takes a free one. Empty: dials only. */
  readonly listen: readonly string[]
  /** Whether it may be announced on the LAN. */
  readonly mdns?: boolean
  /** Whether the router may be asked to open ports. */
  readonly upnp?: boolean
}

/** @throws WeaverError `CORE_INVALID_SEED` */
export function libp2pNetwork(deps: Libp2pNetworkDeps, options: Libp2pNetworkOptions): Network {
  return new Libp2pNetwork(deps, options)
}

interface Running {
  readonly host: Host
  readonly acceptor: ConnectionAcceptor
  readonly relays: RelayClient
  readonly stopping: AbortController
  /** The members' hash table here, from the first member on. */
  table: Promise<HashTable> | null
}

class Libp2pNetwork implements Network, NetworkPaths {
  readonly self: NodeId
  readonly paths: NetworkPaths = this
  readonly #deps: Libp2pNetworkDeps
  readonly #mayAnnounce: boolean
  readonly #mayMap: boolean
  readonly #machineAddresses: () => string
  readonly #protocols = new Set<string>()
  readonly #connections = new WeakMap<Libp2pConnection, HostConnection>()
  readonly #raw = new WeakMap<Connection, Libp2pConnection>()
  /** One change of the host, or of the announcement, at a time. */
  readonly #changes = new Serial()
  readonly #lan: Lan
  /** Where to listen; with the ports that were free once it has listened. */
  #listen: readonly string[]
  #running: Running | null = null
  #acceptor: ConnectionAcceptor | null = null
  #health = HEALTHY_HOST
  #machine = ''
  #missing: readonly string[] = []
  #tableProtocol: string | null = null
  #mapper: PortMapper | null = null
  #lanRefusals = 0

  constructor(deps: Libp2pNetworkDeps, options: Libp2pNetworkOptions) {
    this.self = signerFromSeed(deps.seed).nodeId
    this.#deps = deps
    this.#listen = options.listen
    this.#mayAnnounce = options.mdns ?? false
    this.#mayMap = options.upnp ?? false
    this.#machineAddresses = deps.machineAddresses ?? machineAddresses
    const { clock, log } = deps
    this.#lan = new Lan({ clock, log, changes: this.#changes, parts: () => this.#multicastParts() })
  }

  async start(acceptor: ConnectionAcceptor): Promise<void> {
    this.#acceptor = acceptor
    this.#machine = this.#machineAddresses()
    await this.#changes.run(() => this.#open(acceptor))
    if (!this.#mayMap) return
    const { clock, log } = this.#deps
    const description = `weaver ${this.self.slice(-8)}`
    this.#mapper = new PortMapper(
      { clock, log, ports: () => openPorts(this.#listen) },
      { description }
    )
    this.#mapper.start()
  }

  addresses(): readonly string[] {
    const texts = this.#listening().map((address) => `${address}/p2p/${this.self}`)
    // What others can use first; loopback helps a second kernel on the same machine.
    const mapped = this.#mapper?.report.addresses ?? []
    return [
      ...mapped.map((text) => `${text}/p2p/${this.self}`),
      ...texts.filter((text) => !isLoopback(text)),
      ...texts.filter(isLoopback)
    ]
  }

  handle(protocols: readonly string[]): void {
    for (const protocol of protocols) {
      if (this.#protocols.has(protocol)) continue
      this.#protocols.add(protocol)
      if (this.#running !== null) this.#register(this.#running, protocol)
    }
  }

  unhandle(protocols: readonly string[]): void {
    for (const protocol of protocols) this.#protocols.delete(protocol)
    this.#running?.host.unhandle([...protocols]).catch((error: unknown) => {
      this.#deps.log.warn('protocol not withdrawn', { error: String(error) })
    })
  }

  async dial(target: DialTarget, signal: AbortSignal): Promise<Connection> {
    const { nodeId: peer } = target
    const running = this.#running
    if (running === null) throw dialFailed(peer, 'the network is not started')
    if (signal.aborted) throw dialAborted(peer, signal.reason)
    const addresses = usableAddresses(target)
    if (addresses.length === 0) throw dialFailed(peer, 'no address that TCP can use')
    const { clock } = this.#deps
    let won: Libp2pConnection
    try {
      won = await race<Libp2pConnection>(
        {
          clock,
          attempt: (address, given) => this.#attempt(running, { peer, address }, given),
          drop: (connection) => connection.abort(dialAborted(peer, 'another address was faster'))
        },
        { peer, addresses, signal }
      )
    } catch (error) {
      this.#health = dialEnded(this.#health, false, clock.now())
      throw error
    }
    this.#health = dialEnded(this.#health, true, clock.now())
    const connection = this.#connections.get(won)
    if (connection?.isOpen !== true) throw dialFailed(peer, 'the peer closed the connection')
    announce(connection, running.acceptor) // H3
    return connection
  }

  async stop(): Promise<void> {
    this.#acceptor = null
    this.#lan.stop()
    const mapper = this.#mapper
    this.#mapper = null
    await mapper?.stop()
    await this.#changes.run(() => this.#close())
  }

  // Paths

  refresh(): boolean {
    const machine = this.#machineAddresses()
    const hasChanged = machine !== this.#machine
    if (hasChanged) {
      this.#deps.log.info('the addresses of this machine have changed', { now: machine })
      this.#machine = machine
      this.#mapper?.changed()
      this.#lan.anew() // It may have another interface to join the group on.
    } else {
      this.#lan.tick()
    }
    const why = restartReason(this.#health, this.#signs(hasChanged), this.#deps.clock.now())
    if (why !== null) this.#restart(why)
    return hasChanged
  }

  announce(tag: string | null): void {
    if (this.#mayAnnounce) this.#lan.announce(tag)
  }

  seek(): void {
    this.#lan.seek()
  }

  settle(): void {
    this.#lan.settle()
  }

  async reserve(connection: Connection, signal: AbortSignal): Promise<void> {
    const relay = this.#raw.get(connection)
    const relays = this.#running?.relays
    if (relay === undefined || relays === undefined) {
      throw relayFailed(connection.peer, 'the connection is closed')
    }
    try {
      await relays.reserve(relay, signal)
    } catch (error) {
      throw relayFailed(connection.peer, error instanceof Error ? error.message : '?', error)
    }
  }

  joinTable(protocol: string | null): void {
    if (protocol === this.#tableProtocol) return
    this.#tableProtocol = protocol
    void this.#changes.run(() => this.#endTable(this.#running))
  }

  met(peer: NodeId, addresses: readonly string[]): void {
    const running = this.#running
    const protocol = this.#tableProtocol
    if (running === null || protocol === null) return
    running.table ??= this.#startTable(running, protocol)
    running.table
      .then((table) => table.met(peer, addresses))
      .catch((error: unknown) => {
        this.#deps.log.warn('a member is not in the table', { peer, error: String(error) })
      })
  }

  async find(peer: NodeId, signal: AbortSignal): Promise<readonly string[]> {
    return (await this.#table()).find(peer, signal)
  }

  get routing(): ContentRouting {
    const table = (): Promise<HashTable> => this.#table()
    return {
      provide: async (key, signal) => (await table()).provide(key, signal),
      withdraw: async (key) => (await table()).withdraw(key),
      async *providers(key, signal) {
        yield* (await table()).providers(key, signal)
      }
    }
  }

  async survey(signal: AbortSignal): Promise<NetworkSurvey> {
    const done = new AbortController()
    const either = AbortSignal.any([signal, done.signal])
    const timer = this.#deps.clock.sleep(NETCHECK_TIMEOUT_MS, either).catch(() => undefined)
    void timer.then(() => done.abort())
    const [multicast, upnp] = await Promise.all([hearsMulticast(either), hearsUpnp(either)])
    done.abort()
    const lanRefusals = this.#lanRefusals
    const { addresses: mapped, problem: mappingProblem } = this.#mapper?.report ?? NOT_MAPPED
    const { platform } = process
    return { ipv6: globalIp6(), multicast, upnp, mapped, mappingProblem, lanRefusals, platform }
  }

  // The host

  async #open(acceptor: ConnectionAcceptor): Promise<void> {
    const host = await createHost(this.#deps, acceptor)
    const stopping = new AbortController()
    const { internals } = host.services
    const relays = new RelayClient({
      ...internals,
      trusts: ({ remotePeer }) => {
        const relay = nodeIdOrNull(remotePeer)
        return relay !== null && acceptor.admits(relay, 'outbound')
      },
      deadline: () => this.#deadline(stopping.signal)
    })
    const running: Running = { host, acceptor, relays, stopping, table: null }
    host.addEventListener('connection:open', ({ detail }) => this.#opened(detail, acceptor))
    await host.start()
    this.#running = running
    try {
      await guardServices(host, acceptor) // Before anybody can reach it.
      await relays.start()
      for (const protocol of this.#protocols) this.#register(running, protocol)
      await listenOnAll(this.#listen, internals.transportManager, this.#deps.log)
    } catch (error) {
      await this.#close()
      throw error
    }
    this.#listen = withPorts(this.#listen, internals.transportManager.getAddrs())
  }

  async #close(): Promise<void> {
    const running = this.#running
    this.#running = null
    await this.#lan.close()
    running?.stopping.abort(dialAborted(this.self, 'the network stops'))
    await this.#endTable(running)
    await running?.host.stop()
  }

  /** Other addresses, or a host that is stuck: a new host with what the old one had (H4). */
  #restart(why: string): void {
    const { log, clock } = this.#deps
    log.warn('restarting the network host', { why })
    this.#health = restarted(clock.now()) // Before the first await: once.
    const again = async (): Promise<void> => {
      const acceptor = this.#acceptor
      if (acceptor === null) return
      await this.#close()
      await this.#open(acceptor)
      this.#lan.resume()
    }
    this.#changes.run(again).catch((error: unknown) => {
      log.error('the network host did not restart', { error: String(error) })
    })
  }

  /** Where the host listens now. */
  #listening(): readonly string[] {
    const addresses = this.#running?.host.services.internals.transportManager.getAddrs() ?? []
    return addresses.map((address) => address.toString())
  }

  #signs(hasChanged: boolean): { readonly connections: number; readonly isDeaf: boolean } {
    const running = this.#running
    const connections = running?.host.getConnections().length ?? 0
    if (this.#acceptor === null) return { connections, isDeaf: false }
    const own = this.#listening().length
    let isDeaf = this.#listen.length > 0 && own === 0
    if (hasChanged) {
      const missing = this.#listen.filter((each) => !this.#isHere(each))
      isDeaf ||= this.#missing.some((each) => !missing.includes(each)) // It was away and is back.
      this.#missing = missing
    }
    return { connections, isDeaf }
  }

  /** Whether this machine has the address to listen on; wildcards and loopback always are. */
  #isHere(listen: string): boolean {
    const host = listen.split('/')[2] ?? ''
    if (/^(0\.0\.0\.0|127\.0\.0\.1|::1?)$/.test(host)) return true
    return this.#machine.split(' ').some((each) => each.split('/')[0] === host)
  }

  #startTable({ host, acceptor }: Running, protocol: string): Promise<HashTable> {
    const parts = host.services.internals
    const mayOpen = (peer: PeerId, name: string): boolean => mayUse(acceptor, peer, name)
    const connections = (peer: PeerId): Libp2pConnection[] => host.getConnections(peer)
    return HashTable.start({ parts, mayUse: mayOpen, connections }, protocol)
  }

  async #table(): Promise<HashTable> {
    const table = await this.#running?.table
    if (table === undefined || table === null)
      throw routingUnavailable('no member has been met yet')
    return table
  }

  async #endTable(running: Running | null): Promise<void> {
    const table = running?.table
    if (running === null || table === undefined || table === null) return
    running.table = null
    await table.then((started) => started.stop()).catch(() => undefined) // It never started.
  }

  #multicastParts(): ReturnType<LanDeps['parts']> {
    const running = this.#running
    if (running === null) return null
    const { addressManager, logger } = running.host.services.internals
    const found = (id: PeerId, addresses: readonly string[]): void => {
      const peer = nodeIdOrNull(id)
      if (peer !== null) running.acceptor.found?.(peer, addresses)
    }
    return { addressManager, logger, found }
  }

  async #attempt(
    running: Running,
    { peer, address }: { readonly peer: NodeId; readonly address: Multiaddr },
    signal: AbortSignal
  ): Promise<Libp2pConnection> {
    const relay = relayIn(address)
    if (relay === null) {
      try {
        return await running.host.services.internals.transportManager.dial(address, { signal })
      } catch (error) {
        const isRefused = /EHOSTUNREACH|EPERM/.test(String(error))
        if (isRefused && pathKind(address.toString()) === 'lan') this.#lanRefusals += 1
        throw error
      }
    }
    const direct = running.host
      .getConnections()
      .find((each) => each.remotePeer.toString() === relay && !isCircuit(each))
    if (direct === undefined) throw relayFailed(relay, 'no direct connection to it')
    return await running.relays.connect(direct, peer, signal)
  }

  /** For what is passed on to us: nobody else waits for it. */
  #deadline(stopping: AbortSignal): AbortSignal {
    const late = new AbortController()
    const timer = this.#deps.clock.sleep(CIRCUIT_TIMEOUT_MS, stopping)
    timer.then(
      () => late.abort(dialAborted(this.self, 'the circuit took too long')),
      () => late.abort(stopping.reason)
    )
    return late.signal
  }

  #opened(connection: Libp2pConnection, acceptor: ConnectionAcceptor): void {
    const peer = nodeIdOrNull(connection.remotePeer)
    if (peer === null) return // The gater has refused it already (H1).
    const ours = new HostConnection({ connection }, { peer })
    this.#connections.set(connection, ours)
    this.#raw.set(ours, connection)
    if (ours.direction === 'inbound') announce(ours, acceptor)
  }

  #register({ host, acceptor }: Running, protocol: string): void {
    const onStream = (stream: Stream, connection: Libp2pConnection): void => {
      const ours = this.#connections.get(connection)
      if (ours === undefined || !acceptor.admitsStream(ours.peer, protocol)) {
        stream.abort(streamRefused(protocol)) // H2
      } else {
        ours.deliver(stream)
      }
    }
    const limits = {
      maxInboundStreams: STREAMS_PER_PROTOCOL_MAX,
      maxOutboundStreams: STREAMS_PER_PROTOCOL_MAX
    }
    host.handle(protocol, onStream, limits).catch((error: unknown) => {
      this.#deps.log.error('protocol not registered', { protocol, error: String(error) })
    })
  }
}

function announce(connection: HostConnection, acceptor: ConnectionAcceptor): void {
  acceptor.connected(connection)
  connection.announced()
}
