// Two-way sequences of frames with backpressure: what an RPC call, a local process and the control
// API's upgraded connections all look like to the code between them.

import { WeaverError } from './errors.ts'

/**
 * One end of a two-way sequence of frames.
 *
 * A frame arrives whole, in order, once. `end()` says that this side sends nothing more; the other
 * side's `frames` then finishes after the last frame. `abort()` drops both directions: the other side's
 * `frames` throws, as does every pending and later `send` on either side. A reader that stops iterating
 * early (break, return, throw) fails that direction: the other side's `send` throws.
 */
export interface FrameChannel {
  /** Resolves when there is room for the next frame. Call it again only after that. */
  send(frame: Uint8Array): Promise<void>
  /** The other side's frames. To be iterated once. */
  readonly frames: AsyncIterable<Uint8Array>
  end(): void
  abort(reason: WeaverError): void
  /** Resolves, never rejects, when both directions have ended or the channel was aborted. */
  readonly closed: Promise<WeaverError | null>
}

/** Bytes that may wait unread on one side of a local channel: a few pipe buffers of 64 KiB. */
const BUFFERED_BYTES_MAX = 256 * 1024

/** Two connected ends in one process. */
export function channelPair(
  bufferedBytesMax: number = BUFFERED_BYTES_MAX
): readonly [FrameChannel, FrameChannel] {
  const there = new FrameQueue(bufferedBytesMax)
  const back = new FrameQueue(bufferedBytesMax)
  const closed = Promise.all([there.done, back.done]).then(([a, b]) => a ?? b)
  const end = (out: FrameQueue, into: FrameQueue): FrameChannel => ({
    send: (frame) => out.push(frame),
    frames: into,
    end: () => out.finish(),
    abort: (reason) => {
      out.fail(reason)
      into.fail(reason)
    },
    closed
  })
  return [end(there, back), end(back, there)]
}

/**
 * A bounded queue of frames from one producer to one consumer. `push` resolves once the bytes that wait
 * are under the bound again, so one frame may exceed it but never a second.
 */
export class FrameQueue implements AsyncIterable<Uint8Array> {
  readonly done: Promise<WeaverError | null>
  readonly #bufferedBytesMax: number
  readonly #settle: (outcome: WeaverError | null) => void
  #frames: Uint8Array[] = []
  #bufferedBytes = 0
  #outcome: { readonly error: WeaverError | null } | null = null
  #isIterated = false
  #readable = Promise.withResolvers<void>()
  #writable: PromiseWithResolvers<void> | null = null

  constructor(bufferedBytesMax: number) {
    const { promise, resolve } = Promise.withResolvers<WeaverError | null>()
    this.done = promise
    this.#settle = resolve
    this.#bufferedBytesMax = bufferedBytesMax
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  async push(frame: Uint8Array): Promise<void> {
    this.#refuseIfClosed()
    this.#frames.push(frame)
    this.#bufferedBytes += frame.length
    this.#readable.resolve()
    if (this.#bufferedBytes < this.#bufferedBytesMax) return
    this.#writable ??= Promise.withResolvers<void>()
    await this.#writable.promise
  }

  /** No more frames will come; those that wait are still delivered. */
  finish(): void {
    this.#close(null)
  }

  /** Drops what waits; the reader and the writer get `error`. */
  fail(error: WeaverError): void {
    if (this.#outcome?.error != null) return
    this.#outcome = null // A failure after the end still cuts short what has not been read.
    this.#frames = []
    this.#bufferedBytes = 0
    this.#close(error)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    if (this.#isIterated) {
      throw new WeaverError('CORE_CHANNEL_BUSY', 'Cannot read frames twice: they have a reader')
    }
    this.#isIterated = true
    try {
      for (;;) {
        const frame = this.#frames.shift()
        if (frame !== undefined) {
          this.#bufferedBytes -= frame.length
          yield frame
          this.#makeRoom()
        } else if (this.#outcome !== null) {
          if (this.#outcome.error !== null) throw this.#outcome.error
          return
        } else {
          this.#readable = Promise.withResolvers<void>()
          await this.#readable.promise
        }
      }
    } finally {
      this.fail(new WeaverError('CORE_CHANNEL_CLOSED', 'Cannot send: the reader has gone'))
    }
  }

  #makeRoom(): void {
    if (this.#bufferedBytes >= this.#bufferedBytesMax) return
    this.#writable?.resolve()
    this.#writable = null
  }

  #refuseIfClosed(): void {
    if (this.#outcome === null) return
    throw (
      this.#outcome.error ??
      new WeaverError('CORE_CHANNEL_CLOSED', 'Cannot send: the channel has ended')
    )
  }

  #close(error: WeaverError | null): void {
    if (this.#outcome !== null) return
    this.#outcome = { error }
    this.#readable.resolve()
    if (error === null) this.#writable?.resolve()
    else this.#writable?.reject(error)
    this.#writable = null
    this.#settle(error)
  }
}
