// One simulated connection: two ends, two wires, streams multiplexed over them.
//
// Invariants
//   N1. Bytes of one stream arrive in order, each once, or the stream fails. TCP and Noise promise that, so
//       loss, reordering and duplication show as delay, and a flipped bit as a cut.
//   N2. An end whose machine lost power says nothing: the other one learns of it by its own sending, and
//       only when the machine is back to answer.
//   N3. Nothing that a kernel does after the end of its life has an effect.

import { WeaverError } from '../../../core/index.ts'
import type { NodeId } from '../../../core/index.ts'
import type { ByteStream, Connection, ConnectionAcceptor, Direction } from '../../../mesh/ports.ts'
import type { Wire } from './link.ts'
import type { Life } from './life.ts'
import { closedConnection, closedStream, SimStream } from './sim-stream.ts'

const HEADER_BYTES = 12 + 20 + 40 // yamux frame, Noise tag and length, TCP and IP headers.

/** What a connection asks of the network around it. */
export interface Fabric {
  handles(id: NodeId, protocol: string): boolean
  /** Called for every segment that arrives. */
  delivered(from: NodeId, to: NodeId, what: string): void
  /** Calls `act` as soon as the machine's system can answer, now if it can. */
  onceUp(id: NodeId, act: () => void): void
  /** The same bytes, sometimes in two parts. */
  split(bytes: Uint8Array): readonly Uint8Array[]
}

interface EndDeps {
  readonly fabric: Fabric
  readonly acceptor: ConnectionAcceptor
  readonly life: Life
  readonly out: Wire
}

interface EndOptions {
  readonly self: NodeId
  readonly peer: NodeId
  readonly direction: Direction
  readonly remoteAddress: string
  readonly serial: string
}

/** One side of a connection. */
export class ConnectionEnd implements Connection {
  readonly self: NodeId
  readonly peer: NodeId
  readonly direction: Direction
  readonly remoteAddress: string
  readonly closed: Promise<void>
  /** The same for the simulator's own book-keeping: it resolves after a crash too. */
  readonly gone: Promise<void>
  readonly #deps: EndDeps
  readonly #serial: string
  readonly #settleGone: () => void
  readonly #streams = new Map<number, SimStream>()
  #listener: ((protocol: string, stream: ByteStream) => void) | null = null
  #other: ConnectionEnd | null = null
  #phase: 'open' | 'gone' | 'closed' = 'open'
  #nextStream: number

  constructor(deps: EndDeps, options: EndOptions) {
    this.#deps = deps
    this.self = options.self
    this.peer = options.peer
    this.direction = options.direction
    this.remoteAddress = options.remoteAddress
    this.#serial = options.serial
    this.#nextStream = options.direction === 'outbound' ? 1 : 2
    const { promise, resolve } = Promise.withResolvers<void>()
    this.gone = promise
    this.closed = deps.life.guard(promise)
    this.#settleGone = resolve
    deps.life.onEnd((ending) => {
      if (this.#phase !== 'open') return
      // The system closes what a dead process had open; a machine without power says nothing (N2).
      if (ending !== 'power-lost')
        this.#transmit('reset', 0, (other) => other.fail('the peer died'))
      this.#phase = 'gone'
      this.#settleGone()
    })
  }

  /** The path between the machines fails in a way that both sides notice at once. */
  cutByNetwork(): void {
    this.#other?.fail('the connection was reset')
    this.fail('the connection was reset')
  }

  pair(other: ConnectionEnd): void {
    this.#other = other
  }

  get isOpen(): boolean {
    return this.#phase === 'open' && !this.#deps.life.isOver
  }

  onStream(listener: (protocol: string, stream: ByteStream) => void): void {
    this.#listener = listener
  }

  async openStream(protocol: string, signal: AbortSignal): Promise<ByteStream> {
    if (this.#deps.life.isOver) return Promise.withResolvers<ByteStream>().promise // N3
    signal.throwIfAborted()
    if (!this.isOpen) throw closedConnection('it is closed')
    const id = this.#nextStream
    this.#nextStream += 2
    const stream = this.#addStream(id)
    const { promise, resolve, reject } = Promise.withResolvers<ByteStream>()
    stream.onOpened = (error) => {
      if (error === null) resolve(stream)
      else reject(error)
    }
    const onAbort = (): void => {
      stream.abort(closedStream('the opening was given up'))
      reject(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    this.#transmit(`open ${id} ${protocol}`, protocol.length, (other) =>
      other.#accept(id, protocol)
    )
    try {
      return await this.#deps.life.guard(promise)
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  async close(): Promise<void> {
    if (!this.isOpen) return
    this.#transmit('close', 0, (other) => other.fail('the peer closed the connection', true))
    this.fail('the connection was closed here', true)
  }

  abort(reason: WeaverError): void {
    if (!this.isOpen) return
    this.#transmit('reset', 0, (other) => other.fail('the peer reset the connection'))
    this.fail(reason.message)
  }

  /** Ends this side. In good order, what a peer wrote and ended may still be read. */
  fail(why: string, isOrderly = false): void {
    if (this.#phase !== 'open') return
    this.#phase = 'closed'
    for (const stream of this.#streams.values()) stream.cut(why, isOrderly)
    this.#streams.clear()
    this.#settleGone()
  }

  /** Delivers `act` to the other side, in order; `what` goes into the trace. */
  #transmit(what: string, size: number, act: (other: ConnectionEnd) => void): void {
    if (!this.isOpen && what !== 'reset') return
    this.#deps.out.send(size + HEADER_BYTES, () => {
      const other = this.#other
      if (other === null) return
      this.#deps.fabric.delivered(this.self, this.peer, `${this.#serial} ${what}`)
      if (other.#phase === 'open' && !other.#deps.life.isOver) act(other)
      else if (other.#phase === 'gone') other.#answerForTheDead()
    })
  }

  /** A segment for a connection that nobody here knows any more: the system answers with a reset. */
  #answerForTheDead(): void {
    this.#deps.fabric.onceUp(this.self, () => {
      this.#deps.out.send(HEADER_BYTES, () => {
        this.#deps.fabric.delivered(this.self, this.peer, `${this.#serial} unknown`)
        this.#other?.fail('the peer has restarted')
      })
    })
    this.#phase = 'closed'
  }

  #accept(id: number, protocol: string): void {
    const stream = this.#addStream(id)
    const { acceptor, fabric } = this.#deps
    const isAdmitted =
      fabric.handles(this.self, protocol) && acceptor.admitsStream(this.peer, protocol)
    if (!isAdmitted || this.#listener === null) {
      this.#streams.delete(id)
      this.#transmit(`refuse ${id}`, 0, (other) => other.#streams.get(id)?.fail(refused(protocol)))
      return
    }
    this.#transmit(`opened ${id}`, protocol.length, (other) => other.#streams.get(id)?.opened())
    this.#listener(protocol, stream)
  }

  creditStream(id: number, size: number): void {
    this.#streams.get(id)?.credited(size)
  }

  #addStream(id: number): SimStream {
    const stream = new SimStream({
      life: this.#deps.life,
      split: (bytes) => this.#deps.fabric.split(bytes),
      transmit: (what, bytes, act) => {
        this.#transmit(`${what} ${id}`, bytes.length, (other) => {
          const twin = other.#streams.get(id)
          if (twin !== undefined) act(twin)
        })
      },
      // Window updates cost a hop in truth; here the sender's window opens at once.
      credit: (size) => this.#other?.creditStream(id, size),
      forget: () => this.#streams.delete(id)
    })
    this.#streams.set(id, stream)
    return stream
  }
}

function refused(protocol: string): WeaverError {
  const message = `Cannot open '${protocol}': the peer does not answer it`
  return new WeaverError('MESH_STREAM_REFUSED', message)
}
