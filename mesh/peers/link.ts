// One connection, from its first stream to its end. Until the hello is done its other streams wait; what
// a stranger opens besides the join protocol never gets this far (the acceptor refuses it).

import type { NodeId, WeaverError } from '../../core/index.ts'
import { MeshError } from '../errors.ts'
import { EARLY_STREAMS_MAX } from '../limits.ts'
import type { Hello } from '../membership/hello.ts'
import type { Incarnation } from '../membership/incarnation.ts'
import type { ByteStream, Connection } from '../ports.ts'

/** Takes an incoming stream, or returns false if it is not for us. */
export type StreamTaker = (protocol: string, stream: ByteStream) => boolean

type LinkPhase =
  | { readonly kind: 'new'; readonly waiting: [protocol: string, stream: ByteStream][] }
  | { readonly kind: 'serving'; readonly hello: Hello; readonly take: StreamTaker }

export class Link {
  readonly connection: Connection
  readonly peer: NodeId
  readonly #openings: ReadonlyMap<string, (stream: ByteStream) => void>
  readonly #opened = new Set<string>()
  #phase: LinkPhase = { kind: 'new', waiting: [] }

  /** `openings` are the protocols spoken before RPC: each once per connection. */
  constructor(connection: Connection, openings: ReadonlyMap<string, (stream: ByteStream) => void>) {
    this.connection = connection
    this.peer = connection.peer
    this.#openings = openings
    connection.onStream((protocol, stream) => this.#onStream(protocol, stream))
  }

  get incarnation(): Incarnation | null {
    return this.#phase.kind === 'serving' ? this.#phase.hello.incarnation : null
  }

  /** The version of the protocol that both sides speak; null before the hello. */
  get version(): number | null {
    return this.#phase.kind === 'serving' ? this.#phase.hello.version : null
  }

  /** The hello is done. Streams that came early are delivered now. */
  serve(hello: Hello, take: StreamTaker): void {
    if (this.#phase.kind === 'serving') return
    const { waiting } = this.#phase
    this.#phase = { kind: 'serving', hello, take }
    for (const [protocol, stream] of waiting) this.#onStream(protocol, stream)
  }

  abort(reason: WeaverError): void {
    this.connection.abort(reason)
  }

  #onStream(protocol: string, stream: ByteStream): void {
    const opening = this.#openings.get(protocol)
    if (opening !== undefined) {
      if (this.#opened.has(protocol)) return refuse(stream)
      this.#opened.add(protocol)
      opening(stream)
    } else if (this.#phase.kind === 'serving') {
      if (!this.#phase.take(protocol, stream)) refuse(stream)
    } else if (this.#phase.waiting.length < EARLY_STREAMS_MAX) {
      this.#phase.waiting.push([protocol, stream])
    } else refuse(stream)
  }
}

function refuse(stream: ByteStream): void {
  stream.abort(new MeshError('MESH_HELLO_REFUSED', 'Cannot accept this stream on this connection'))
}
