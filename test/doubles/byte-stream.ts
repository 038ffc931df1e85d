import { FrameQueue, WeaverError } from '../../core/index.ts'
import type { ByteStream } from '../../mesh/ports.ts'

/** Two ends of one ByteStream in memory, each holding up to `bufferedBytesMax` unread bytes. */
export function byteStreamPair(
  bufferedBytesMax: number = 64 * 1024
): readonly [MemoryByteStream, MemoryByteStream] {
  const there = new FrameQueue(bufferedBytesMax)
  const back = new FrameQueue(bufferedBytesMax)
  return [new MemoryByteStream(there, back), new MemoryByteStream(back, there)]
}

export class MemoryByteStream implements ByteStream {
  readonly chunks: AsyncIterable<Uint8Array>
  /** What this end was cut for, by its own side. */
  abortedFor: WeaverError | null = null
  readonly #out: FrameQueue
  readonly #in: FrameQueue

  constructor(out: FrameQueue, into: FrameQueue) {
    this.#out = out
    this.#in = into
    this.chunks = { [Symbol.asyncIterator]: () => this.#iterate() }
  }

  /** Bytes that this side has written and the other has not read. */
  get unreadBytes(): number {
    return this.#out.bufferedBytes
  }

  async write(bytes: Uint8Array): Promise<void> {
    try {
      await this.#out.push(bytes)
    } catch (error) {
      throw closed(error)
    }
  }

  async end(): Promise<void> {
    this.#out.finish()
  }

  abort(reason: WeaverError): void {
    this.abortedFor ??= reason
    this.#out.fail(closed(reason))
    this.#in.fail(closed(reason))
  }

  async *#iterate(): AsyncGenerator<Uint8Array, void, void> {
    let isWhole = false
    try {
      yield* this.#in
      isWhole = true
    } catch (error) {
      throw closed(error)
    } finally {
      if (!isWhole) this.abort(closed(new Error('the reader has gone')))
    }
  }
}

function closed(cause: unknown): WeaverError {
  const isClosed = cause instanceof WeaverError && cause.code === 'MESH_STREAM_CLOSED'
  if (isClosed) return cause
  return new WeaverError('MESH_STREAM_CLOSED', 'Cannot use the stream: it was cut', { cause })
}
