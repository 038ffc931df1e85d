// One libp2p host as we want it: our transports, our gater, and of libp2p's services the three that
// members of other makes may use (identify, ping, relay), each behind the gater's question (H2).

import { yamux } from '@chainsafe/libp2p-yamux'
import { circuitRelayServer } from '@libp2p/circuit-relay-v2'
import type { CircuitRelayServerComponents } from '@libp2p/circuit-relay-v2'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type {
  Connection as Libp2pConnection,
  Libp2p,
  Logger as Libp2pLogger,
  MultiaddrConnection,
  PeerId,
  StreamHandler,
  Upgrader
} from '@libp2p/interface'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { webSockets } from '@libp2p/websockets'
import type { Multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import type { ServiceFactoryMap } from 'libp2p'
import type { Clock } from '../core/index.ts'
import { Handshakes } from './handshakes.ts'
import { streamRefused } from './host-errors.ts'
import {
  CIRCUIT_TIMEOUT_MS,
  CIRCUITS_PER_CONNECTION_MAX,
  CLOSE_TIMEOUT_MS,
  CONNECTIONS_MAX,
  HANDSHAKES_PER_ADDRESS_MAX,
  IDENTIFY_STREAMS_MAX,
  INBOUND_PER_SECOND_MAX,
  KEEP_ALIVE_MS,
  NEGOTIATION_TIMEOUT_MS,
  PENDING_INBOUND_MAX,
  PING_STREAM_MS,
  PING_STREAMS_MAX,
  SOCKET_IDLE_MAX_MS,
  STREAM_READ_BUFFER_BYTES_MAX,
  STREAM_WINDOW_BYTES_MAX,
  STREAMS_PER_CONNECTION_MAX,
  UPGRADE_TIMEOUT_MS
} from './host-limits.ts'
import { withCarefulSend } from './libp2p-muxer.ts'
import { mayUse, nodeIdOrNull } from './libp2p-ids.ts'
import { quickNoise } from './libp2p-noise.ts'
import { HOP_PROTOCOL } from './libp2p-relay.ts'
import { Reservations } from './libp2p-reservations.ts'
import type { TableParts } from './libp2p-kad.ts'
import type { ConnectionAcceptor, Direction } from './ports.ts'

/** libp2p's own parts, without its dial queue, which has no room for our dialler's policy. */
export interface Internals extends TableParts {
  readonly transportManager: {
    dial(address: Multiaddr, options: { readonly signal: AbortSignal }): Promise<Libp2pConnection>
    getAddrs(): Multiaddr[]
    listen(addresses: Multiaddr[]): Promise<void>
  }
  readonly upgrader: Upgrader
}

interface Services extends Record<string, unknown> {
  readonly internals: Internals
}

export type Host = Libp2p<Services>

const MEMBERS_ONLY = ['/ipfs/id/1.0.0', '/ipfs/ping/1.0.0', HOP_PROTOCOL]

const MANAGER = {
  maxConnections: CONNECTIONS_MAX,
  maxIncomingPendingConnections: PENDING_INBOUND_MAX,
  inboundConnectionThreshold: INBOUND_PER_SECOND_MAX,
  inboundUpgradeTimeout: UPGRADE_TIMEOUT_MS,
  inboundStreamProtocolNegotiationTimeout: NEGOTIATION_TIMEOUT_MS,
  outboundStreamProtocolNegotiationTimeout: NEGOTIATION_TIMEOUT_MS,
  connectionCloseTimeout: CLOSE_TIMEOUT_MS
}

/** A host that has not started. */
export async function createHost(
  { seed, clock }: { readonly seed: Uint8Array; readonly clock: Clock },
  acceptor: ConnectionAcceptor
): Promise<Host> {
  const denies = (remote: PeerId, direction: Direction): boolean => {
    const peer = nodeIdOrNull(remote)
    return peer === null || !acceptor.admits(peer, direction) // H1
  }
  const handshakes = new Handshakes({ perAddressMax: HANDSHAKES_PER_ADDRESS_MAX })
  const slots = new WeakMap<MultiaddrConnection, () => void>()
  const isOutsider = (remote: PeerId): boolean => !mayUse(acceptor, remote, HOP_PROTOCOL)
  return createLibp2p<Services>({
    start: false,
    privateKey: await generateKeyPairFromSeed('Ed25519', seed),
    logger: { forComponent: () => silence },
    transports: [
      tcp({
        inboundSocketInactivityTimeout: SOCKET_IDLE_MAX_MS,
        outboundSocketInactivityTimeout: SOCKET_IDLE_MAX_MS
      }),
      // A browser always says which page asks; no node does. No web page speaks to a node through it.
      webSockets({
        http: { shouldUpgradeCallback: (request) => request.headers.origin === undefined }
      })
    ],
    connectionEncrypters: [quickNoise()],
    streamMuxers: [
      withCarefulSend(
        yamux({
          enableKeepAlive: true,
          keepAliveInterval: KEEP_ALIVE_MS,
          maxInboundStreams: STREAMS_PER_CONNECTION_MAX,
          maxOutboundStreams: STREAMS_PER_CONNECTION_MAX,
          streamOptions: {
            maxStreamWindowSize: STREAM_WINDOW_BYTES_MAX,
            maxReadBufferLength: STREAM_READ_BUFFER_BYTES_MAX
          }
        })
      )
    ],
    connectionGater: {
      denyInboundConnection: (connection) => {
        const from = connection.remoteAddr.toString()
        if (from.includes('/p2p-circuit')) return false // A member has let it through.
        const finish = handshakes.begin(from)
        if (finish === null) return true
        slots.set(connection, finish)
        connection.addEventListener('close', finish, { once: true })
        return false
      },
      denyInboundUpgradedConnection: (_, connection) => {
        slots.get(connection)?.()
        return false
      },
      denyInboundEncryptedConnection: (peer) => denies(peer, 'inbound'),
      denyOutboundEncryptedConnection: (peer) => denies(peer, 'outbound'),
      denyInboundRelayReservation: (peer) => isOutsider(peer),
      denyOutboundRelayedConnection: (from, to) => isOutsider(from) || isOutsider(to)
    },
    connectionManager: MANAGER,
    connectionMonitor: { enabled: false }, // The pulse does its work.
    services: services(clock)
  })
}

/** libp2p's services and, under the name of one, its parts. */
function services(clock: Clock): ServiceFactoryMap<Services> {
  const relay = circuitRelayServer({
    hopTimeout: CIRCUIT_TIMEOUT_MS,
    maxInboundHopStreams: CIRCUITS_PER_CONNECTION_MAX,
    maxOutboundStopStreams: CIRCUITS_PER_CONNECTION_MAX
  })
  return {
    // Each by name: the components themselves answer to any name, or throw.
    internals: ({
      transportManager,
      connectionManager,
      upgrader,
      registrar,
      addressManager,
      peerStore,
      peerId,
      privateKey,
      events,
      logger
    }: Internals): Internals => ({
      transportManager,
      connectionManager,
      upgrader,
      registrar,
      addressManager,
      peerStore,
      peerId,
      privateKey,
      events,
      logger
    }),
    identify: identify({
      maxInboundStreams: IDENTIFY_STREAMS_MAX,
      runOnConnectionOpen: false
    }),
    ping: ping({ maxInboundStreams: PING_STREAMS_MAX, timeout: PING_STREAM_MS }),
    // Places without the limits of libp2p's own: 128 KiB and two minutes, which no task fits into.
    relay: (components: CircuitRelayServerComponents) =>
      Object.assign(relay(components), { reservationStore: new Reservations({ clock }) })
  }
}

/**
 * Puts the gater's question before libp2p's own services (H2). Not by its `use()`: the handler is then
 * added to that list again with every stream, and called as often.
 */
export async function guardServices(host: Host, acceptor: ConnectionAcceptor): Promise<void> {
  const { registrar } = host.services.internals
  for (const protocol of MEMBERS_ONLY) {
    const { handler, options } = registrar.getHandler(protocol)
    const guarded: StreamHandler = async (stream, connection) => {
      if (!mayUse(acceptor, connection.remotePeer, protocol)) stream.abort(streamRefused(protocol))
      else await handler(stream, connection)
    }
    await registrar.handle(protocol, guarded, { ...options, force: true })
  }
}

/** libp2p's own log costs on every frame, and speaks of nothing that an operator can act on. */
const silence: Libp2pLogger = Object.assign(() => undefined, {
  error: () => undefined,
  trace: () => undefined,
  enabled: false,
  newScope: () => silence
})
