import { FrameQueue, WeaverError } from '../../../core/index.ts'
import type { ByteStream } from '../../../mesh/ports.ts'
import type { Life } from './life.ts'

const WINDOW_BYTES = 256 * 1024 // yamux's window for one stream.

/** What a stream needs of the connection that carries it. */
interface StreamDeps {
  readonly life: Life
  split(bytes: Uint8Array): readonly Uint8Array[]
  transmit(what: string, bytes: Uint8Array, act: (twin: SimStream) => void): void
  credit(size: number): void
  forget(): void
}

const NOTHING = new Uint8Array(0)

/** One side of a stream: bytes in order, each once, or a failure. */
export class SimStream implements ByteStream {
  onOpened: ((error: WeaverError | null) => void) | null = null
  readonly chunks: AsyncIterable<Uint8Array>
  readonly #deps: StreamDeps
  readonly #incoming = new FrameQueue(WINDOW_BYTES)
  #inFlightBytes = 0
  #failure: WeaverError | null = null
  #hasEnded = false
  #hasPeerEnded = false
  #room: PromiseWithResolvers<void> | null = null

  constructor(deps: StreamDeps) {
    this.#deps = deps
    this.chunks = this.#read()
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#deps.life.isOver) return Promise.withResolvers<void>().promise // N3
    if (this.#failure !== null) throw this.#failure
    if (this.#hasEnded) throw closedStream('this side of it has ended')
    this.#inFlightBytes += bytes.length
    // A copy, because the writer may use its buffer again; cut anywhere, because TCP does.
    for (const part of this.#deps.split(bytes.slice())) {
      this.#deps.transmit('bytes', part, (twin) => twin.#receive(part))
    }
    if (this.#inFlightBytes < WINDOW_BYTES) return
    this.#room ??= Promise.withResolvers<void>()
    await this.#room.promise
  }

  async end(): Promise<void> {
    if (this.#hasEnded || this.#failure !== null || this.#deps.life.isOver) return
    this.#hasEnded = true
    this.#deps.transmit('end', NOTHING, (twin) => {
      twin.#hasPeerEnded = true
      twin.#incoming.finish()
      twin.#forgetIfDone()
    })
    this.#forgetIfDone()
  }

  abort(reason: WeaverError): void {
    if (this.#failure !== null || this.#deps.life.isOver) return
    this.#deps.transmit('abort', NOTHING, (twin) => twin.fail(closedStream('the peer aborted it')))
    this.fail(closedStream(`it was aborted (${reason.code})`))
  }

  opened(): void {
    this.onOpened?.(null)
    this.onOpened = null
  }

  credited(size: number): void {
    this.#inFlightBytes -= size
    if (this.#inFlightBytes >= WINDOW_BYTES) return
    this.#room?.resolve()
    this.#room = null
  }

  fail(error: WeaverError): void {
    if (this.#failure !== null) return
    this.#failure = error
    this.#incoming.fail(error)
    this.#room?.reject(error)
    this.#room = null
    this.onOpened?.(error)
    this.onOpened = null
    this.#deps.forget()
  }

  /** The connection is gone. */
  cut(why: string, isOrderly: boolean): void {
    if (isOrderly && this.#hasPeerEnded && this.onOpened === null) this.#closeWrites(why)
    else this.fail(this.onOpened === null ? closedStream(why) : closedConnection(why))
  }

  #closeWrites(why: string): void {
    this.#failure ??= closedStream(why)
    this.#room?.reject(this.#failure)
    this.#deps.forget()
  }

  #receive(bytes: Uint8Array): void {
    this.#incoming.push(bytes).then(
      () => this.#deps.credit(bytes.length),
      () => this.abort(closedStream('its reader has gone'))
    )
  }

  async *#read(): AsyncGenerator<Uint8Array, void, void> {
    for await (const chunk of this.#incoming) {
      if (this.#deps.life.isOver) await Promise.withResolvers<void>().promise // N3
      yield chunk
    }
  }

  #forgetIfDone(): void {
    if (this.#hasEnded && this.#hasPeerEnded) this.#deps.forget()
  }
}

export function closedStream(why: string): WeaverError {
  return new WeaverError('MESH_STREAM_CLOSED', `Cannot use the stream: ${why}`, { retry: 'later' })
}

export function closedConnection(why: string): WeaverError {
  const message = `Cannot use the connection: ${why}`
  return new WeaverError('MESH_CONNECTION_CLOSED', message, { retry: 'later' })
}
