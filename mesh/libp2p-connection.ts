// One libp2p connection as a Connection.

import type { Connection as Libp2pConnection, Stream } from '@libp2p/interface'
import { WeaverError } from '../core/index.ts'
import type { NodeId } from '../core/index.ts'
import { connectionClosed, streamClosed, streamRefused } from './host-errors.ts'
import { EARLY_STREAMS_MAX, STREAMS_PER_PROTOCOL_MAX } from './host-limits.ts'
import { Libp2pByteStream } from './libp2p-stream.ts'
import type { ByteStream, Connection, Direction } from './ports.ts'

type StreamListener = (protocol: string, stream: ByteStream) => void

export class HostConnection implements Connection {
  readonly peer: NodeId
  readonly direction: Direction
  readonly remoteAddress: string
  readonly closed: Promise<void>
  readonly #connection: Libp2pConnection
  #listener: StreamListener | null = null
  /** Streams that arrive before the connection was announced; null from then on. */
  #early: Stream[] | null = []

  constructor(deps: { readonly connection: Libp2pConnection }, options: { readonly peer: NodeId }) {
    const { connection } = deps
    const { promise, resolve } = Promise.withResolvers<void>()
    this.peer = options.peer
    this.direction = connection.direction
    this.remoteAddress = connection.remoteAddr.toString()
    this.closed = promise
    this.#connection = connection
    connection.addEventListener('close', () => resolve(), { once: true })
    if (connection.status !== 'open') resolve()
  }

  get isOpen(): boolean {
    return this.#connection.status === 'open'
  }

  async openStream(protocol: string, signal: AbortSignal): Promise<ByteStream> {
    try {
      const stream = await this.#connection.newStream(protocol, {
        signal,
        maxOutboundStreams: STREAMS_PER_PROTOCOL_MAX
      })
      return new Libp2pByteStream(stream)
    } catch (error) {
      if (signal.aborted) throw reasonOf(signal)
      // On a living connection, a reset during the negotiation is the peer's refusal too.
      if (this.isOpen) throw streamRefused(protocol, error)
      throw connectionClosed(error)
    }
  }

  onStream(listener: StreamListener): void {
    this.#listener = listener
  }

  /** A stream that the peer opened and the acceptor admitted. */
  deliver(stream: Stream): void {
    if (this.#early === null) {
      this.#hand(stream)
    } else if (this.#early.length < EARLY_STREAMS_MAX) {
      this.#early.push(stream)
    } else {
      stream.abort(streamRefused(stream.protocol))
    }
  }

  /** The acceptor knows of the connection. */
  announced(): void {
    const early = this.#early ?? []
    this.#early = null
    for (const stream of early) this.#hand(stream)
  }

  async close(): Promise<void> {
    try {
      await this.#connection.close() // Bounded by CLOSE_TIMEOUT_MS, see the host.
    } catch (error) {
      this.#connection.abort(connectionClosed(error))
    }
    await this.closed
  }

  abort(reason: WeaverError): void {
    this.#connection.abort(reason)
  }

  #hand(stream: Stream): void {
    if (this.#listener === null) stream.abort(streamClosed('nobody listens'))
    else this.#listener(stream.protocol, new Libp2pByteStream(stream))
  }
}

function reasonOf(signal: AbortSignal): WeaverError {
  return signal.reason instanceof WeaverError ? signal.reason : connectionClosed(signal.reason)
}
