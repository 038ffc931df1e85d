// This node's side of circuit relay v2: it asks members to relay for it, dials through them, and answers
// what they pass on. Of our own making, for libp2p's loses the reservations of a relay that restarts and
// cannot be told when to make them again. The relay itself is libp2p's, for members only (see the host).
//
// Invariants
//   V1. A relay learns nothing but who talks with whom: the relayed bytes are a handshake of its own,
//       with the same gater behind it, and a circuit never runs through a circuit.

import type {
  ComponentLogger,
  Connection,
  MultiaddrConnection,
  Stream,
  StreamHandler,
  StreamHandlerOptions,
  StreamHandlerRecord,
  Upgrader
} from '@libp2p/interface'
import { peerIdFromMultihash, peerIdFromString } from '@libp2p/peer-id'
import { AbstractMultiaddrConnection, lpStream } from '@libp2p/utils'
import type { SendResult } from '@libp2p/utils'
import type { Multiaddr } from '@multiformats/multiaddr'
import * as Digest from 'multiformats/hashes/digest'
import type { NodeId } from '../core/index.ts'
import { relayFailed } from './host-errors.ts'
import { CIRCUITS_PER_CONNECTION_MAX } from './host-limits.ts'
import {
  callerOf,
  CIRCUIT_MESSAGE_BYTES_MAX,
  connectRequest,
  refusalOf,
  RESERVE_REQUEST,
  STOP_ACCEPTED,
  STOP_REFUSED
} from './paths/circuit-messages.ts'

export const HOP_PROTOCOL = '/libp2p/circuit/relay/0.2.0/hop'
const STOP_PROTOCOL = '/libp2p/circuit/relay/0.2.0/stop'

/** What is used of libp2p's registrar. */
export interface Protocols {
  handle(protocol: string, handler: StreamHandler, options: StreamHandlerOptions): Promise<void>
  getHandler(protocol: string): StreamHandlerRecord
}

export interface RelayClientDeps {
  readonly registrar: Protocols
  readonly upgrader: Upgrader
  readonly logger: ComponentLogger
  /** Whether the other end of `connection` may pass connections on to us. */
  readonly trusts: (connection: Connection) => boolean
  /** A signal that aborts when the host stops, or the time for one inbound circuit is up. */
  readonly deadline: () => AbortSignal
}

export class RelayClient {
  readonly #deps: RelayClientDeps

  constructor(deps: RelayClientDeps) {
    this.#deps = deps
  }

  async start(): Promise<void> {
    const onStop = (stream: Stream, connection: Connection): Promise<void> =>
      this.#answer(stream, connection)
    await this.#deps.registrar.handle(STOP_PROTOCOL, onStop, {
      maxInboundStreams: CIRCUITS_PER_CONNECTION_MAX
    })
  }

  /** Asks the relay at the other end to keep a place for us, or to keep it longer. */
  async reserve(relay: Connection, signal: AbortSignal): Promise<void> {
    const stream = await openHop(relay, signal)
    try {
      const messages = lpStream(stream, { maxDataLength: CIRCUIT_MESSAGE_BYTES_MAX })
      await messages.write(RESERVE_REQUEST, { signal })
      const refusal = refusalOf((await messages.read({ signal })).subarray())
      if (refusal !== null) throw relayFailed(relay.remotePeer.toString(), refusal)
      await stream.close({ signal })
    } catch (error) {
      stream.abort(relayFailed(relay.remotePeer.toString(), 'given up'))
      throw error
    }
  }

  /** A connection to `peer` through `relay`; its remote address ends in `/p2p-circuit/p2p/<peer>`. */
  async connect(relay: Connection, peer: NodeId, signal: AbortSignal): Promise<Connection> {
    const stream = await openHop(relay, signal)
    try {
      const messages = lpStream(stream, { maxDataLength: CIRCUIT_MESSAGE_BYTES_MAX })
      const { bytes } = peerIdFromString(peer).toMultihash()
      await messages.write(connectRequest(bytes), { signal })
      const refusal = refusalOf((await messages.read({ signal })).subarray())
      if (refusal !== null) throw relayFailed(relay.remotePeer.toString(), refusal)
      const circuit = this.#circuit(messages.unwrap(), relay, peer)
      return await this.#deps.upgrader.upgradeOutbound(circuit, { signal })
    } catch (error) {
      stream.abort(relayFailed(relay.remotePeer.toString(), 'given up'))
      throw error
    }
  }

  async #answer(stream: Stream, relay: Connection): Promise<void> {
    const signal = this.#deps.deadline()
    const messages = lpStream(stream, { maxDataLength: CIRCUIT_MESSAGE_BYTES_MAX })
    const caller = callerOf((await messages.read({ signal })).subarray())
    if (caller === null || isCircuit(relay) || !this.#deps.trusts(relay)) {
      await messages.write(STOP_REFUSED, { signal })
      return await stream.close({ signal })
    }
    const peer = peerIdFromMultihash(Digest.decode(caller)).toString()
    await messages.write(STOP_ACCEPTED, { signal })
    const circuit = this.#circuit(messages.unwrap(), relay, peer)
    await this.#deps.upgrader.upgradeInbound(circuit, { signal })
  }

  #circuit(stream: Stream, relay: Connection, peer: string): MultiaddrConnection {
    const remoteAddr = relay.remoteAddr.encapsulate(`/p2p-circuit/p2p/${peer}`)
    const log = this.#deps.logger.forComponent('circuit')
    return new Circuit(stream, { remoteAddr, log, direction: stream.direction })
  }
}

export function isCircuit(connection: Connection): boolean {
  return connection.remoteAddr.toString().includes('/p2p-circuit')
}

async function openHop(relay: Connection, signal: AbortSignal): Promise<Stream> {
  if (isCircuit(relay)) throw relayFailed(relay.remotePeer.toString(), 'it is relayed itself') // V1
  return await relay.newStream(HOP_PROTOCOL, {
    signal,
    maxOutboundStreams: CIRCUITS_PER_CONNECTION_MAX
  })
}

interface CircuitInit {
  readonly remoteAddr: Multiaddr
  readonly log: ReturnType<ComponentLogger['forComponent']>
  readonly direction: Stream['direction']
}

/** A stream to a relay as the raw bytes of a connection. */
class Circuit extends AbstractMultiaddrConnection {
  readonly #stream: Stream

  constructor(stream: Stream, init: CircuitInit) {
    super(init)
    this.#stream = stream
    stream.addEventListener('close', ({ error }) => this.onTransportClosed(error))
    stream.addEventListener('message', ({ data }) => this.onData(data))
    stream.addEventListener('drain', () => this.safeDispatchEvent('drain'))
    stream.addEventListener('remoteCloseWrite', () => {
      this.onRemoteCloseWrite()
      this.close().catch((error: unknown) => {
        this.abort(error instanceof Error ? error : new Error(String(error)))
      })
    })
  }

  override sendData(data: Parameters<AbstractMultiaddrConnection['sendData']>[0]): SendResult {
    return { sentBytes: data.byteLength, canSendMore: this.#stream.send(data) }
  }

  override async sendClose(...args: Parameters<Stream['close']>): Promise<void> {
    await this.#stream.close(...args)
  }

  override sendReset(error: Error): void {
    this.#stream.abort(error)
  }

  override sendPause(): void {
    this.#stream.pause()
  }

  override sendResume(): void {
    this.#stream.resume()
  }
}
