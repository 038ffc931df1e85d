// One libp2p stream as a ByteStream.
//
// Invariants
//   B1. What waits unread here is at most READ_BUFFER_PAUSE_BYTES and one yamux window; another window
//       may wait in libp2p. Then the peer's writer waits.
//   B2. A stream ends well only if the peer has said so (FIN, also when it closes the connection in good
//       order). A connection that goes away without is a failure here, though libp2p reports a plain
//       close: data cut short must not look whole.

import type { Stream } from '@libp2p/interface'
import type { WeaverError } from '../core/index.ts'
import { streamClosed } from './host-errors.ts'
import {
  READ_BUFFER_PAUSE_BYTES,
  READ_BUFFER_RESUME_BYTES,
  WRITE_BUFFER_BYTES_MAX
} from './host-limits.ts'
import type { ByteStream } from './ports.ts'

export class Libp2pByteStream implements ByteStream {
  readonly chunks: AsyncIterable<Uint8Array>
  readonly #stream: Stream
  #unread: Uint8Array[] = []
  #unreadBytes = 0
  #isPaused = false
  #isResuming = false
  #isIterated = false
  #hasPeerEnded: boolean
  #outcome: { readonly error: WeaverError | null } | null = null
  #readable: PromiseWithResolvers<void> | null = null
  #writable: PromiseWithResolvers<void> | null = null

  constructor(stream: Stream) {
    this.#stream = stream
    this.chunks = { [Symbol.asyncIterator]: () => this.#iterate() }
    // The peer may have ended, or cut, the stream before anybody here listened.
    this.#hasPeerEnded = stream.status === 'open' && stream.remoteWriteStatus === 'closed'
    stream.addEventListener('remoteCloseWrite', () => {
      this.#hasPeerEnded = true
    })
    stream.addEventListener('end', () => this.#onEnd())
    stream.addEventListener('close', (event) => this.#onClose(event.error))
    stream.addEventListener('idle', () => this.#makeRoom())
    // libp2p goes on sending in a microtask of its own that was queued before this one.
    stream.addEventListener('drain', () => queueMicrotask(() => this.#makeRoom()))
    stream.addEventListener('message', (event) => this.#onMessage(event.data))
    if (stream.readableEnded) this.#onEnd()
    else if (stream.status !== 'open') this.#onClose(undefined)
  }

  write(bytes: Uint8Array): Promise<void> {
    const failure = this.#outcome?.error
    if (failure != null) return Promise.reject(failure)
    try {
      if (bytes.length > 0) this.#stream.send(bytes)
    } catch (error) {
      return Promise.reject(streamClosed('it has ended', error))
    }
    if (this.#stream.writeBufferLength < WRITE_BUFFER_BYTES_MAX) return Promise.resolve()
    this.#writable ??= Promise.withResolvers()
    return this.#writable.promise
  }

  async end(): Promise<void> {
    try {
      await this.#stream.close()
    } catch {
      // It broke before all was sent: whoever reads or writes learns of it.
    }
  }

  abort(reason: WeaverError): void {
    this.#fail(streamClosed(reason.message, reason))
    this.#stream.abort(reason)
  }

  #onMessage(data: Uint8Array | Iterable<Uint8Array>): void {
    for (const part of data instanceof Uint8Array ? [data] : data) {
      this.#unread.push(new Uint8Array(part.buffer, part.byteOffset, part.byteLength))
      this.#unreadBytes += part.byteLength
    }
    this.#pauseIfFull()
    this.#wakeReader()
  }

  #onEnd(): void {
    if (this.#hasPeerEnded) this.#outcome ??= { error: null }
    else this.#fail(streamClosed('it was cut'))
    this.#wakeReader()
  }

  #onClose(error: Error | undefined): void {
    // With B2: after the peer's end, all that is left is to read what has arrived.
    if (error !== undefined || !this.#hasPeerEnded) this.#fail(streamClosed('it was cut', error))
    this.#rejectWriters(streamClosed('it has ended'))
  }

  #fail(error: WeaverError): void {
    if (this.#outcome?.error != null) return
    this.#outcome = { error }
    this.#unread = []
    this.#unreadBytes = 0
    this.#rejectWriters(error)
    this.#wakeReader()
  }

  #rejectWriters(error: WeaverError): void {
    this.#writable?.reject(error)
    this.#writable = null
  }

  #makeRoom(): void {
    if (this.#stream.writeBufferLength >= WRITE_BUFFER_BYTES_MAX) return
    this.#writable?.resolve()
    this.#writable = null
  }

  #wakeReader(): void {
    this.#readable?.resolve()
    this.#readable = null
  }

  #pauseIfFull(): void {
    if (this.#isPaused || this.#isResuming || this.#unreadBytes < READ_BUFFER_PAUSE_BYTES) return
    if (this.#stream.readStatus !== 'readable') return
    this.#isPaused = true
    this.#stream.pause()
  }

  #resumeIfEmptied(): void {
    if (!this.#isPaused || this.#unreadBytes >= READ_BUFFER_RESUME_BYTES) return
    this.#isPaused = false
    if (this.#stream.readStatus !== 'paused') return
    // resume() delivers what libp2p holds, and only then opens the window again: a pause in between
    // would be forgotten by yamux, and the stream reset for overflow.
    this.#isResuming = true
    try {
      this.#stream.resume()
    } catch {
      // The window update found no connection any more: 'close' says so.
    }
    this.#isResuming = false
    this.#pauseIfFull()
  }

  async *#iterate(): AsyncGenerator<Uint8Array, void, void> {
    if (this.#isIterated) throw streamClosed('it has a reader')
    this.#isIterated = true
    try {
      for (;;) {
        const chunk = this.#unread.shift()
        if (chunk !== undefined) {
          this.#unreadBytes -= chunk.length
          this.#resumeIfEmptied()
          yield chunk
        } else if (this.#outcome !== null) {
          if (this.#outcome.error !== null) throw this.#outcome.error
          return
        } else {
          this.#readable = Promise.withResolvers()
          await this.#readable.promise
        }
      }
    } finally {
      if (this.#outcome === null || this.#unread.length > 0) {
        this.abort(streamClosed('its reader has gone'))
      }
    }
  }
}
