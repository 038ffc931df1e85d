// One output stream of a child, read chunk by chunk, only when the last chunk has been taken.

import { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { OUTPUT_CHUNK_BYTES, OUTPUT_COPY_BYTES_MAX } from './limits.ts'

export interface Output {
  /**
   * What the child writes, to be iterated once. Each chunk has one byte of room in front, for the type of a
   * frame, and belongs to whoever takes it. Ends when the stream does, or is destroyed.
   */
  readonly chunks: AsyncIterable<Uint8Array>
  destroy(): void
}

/**
 * Reads a pipe straight into the frames that will be sent: with a plain stream each chunk is copied once
 * more, and twice the garbage waits to be collected.
 */
export function pipeOutput(fd: number): Output {
  let buffer = new Uint8Array(1 + OUTPUT_CHUNK_BYTES)
  let chunk: Uint8Array | null = null
  let hasEnded = false
  let changed = Promise.withResolvers<void>()

  const onData = (size: number): boolean => {
    const filled = buffer.subarray(0, 1 + size)
    // A few bytes must not hold a whole buffer for as long as they wait.
    if (size <= OUTPUT_COPY_BYTES_MAX) chunk = filled.slice()
    else {
      chunk = filled
      buffer = new Uint8Array(1 + OUTPUT_CHUNK_BYTES)
    }
    changed.resolve()
    return false // Pauses, until this chunk has been taken.
  }
  const onEnd = (): void => {
    hasEnded = true
    changed.resolve()
  }
  const options = {
    fd,
    writable: false,
    onread: { buffer: () => buffer.subarray(1), callback: onData }
  }
  const socket = new Socket(options)
  socket.on('error', () => {}) // `close` follows.
  socket.once('end', onEnd)
  socket.once('close', onEnd)

  async function* read(): AsyncGenerator<Uint8Array, void, void> {
    for (;;) {
      const taken = chunk
      if (taken !== null) {
        chunk = null
        yield taken
        socket.resume()
      } else if (hasEnded) {
        return
      } else {
        changed = Promise.withResolvers<void>()
        await changed.promise
      }
    }
  }
  return { chunks: read(), destroy: () => void socket.destroy() }
}

/** The same over a stream of Node's own making. */
export function streamOutput(stream: Readable): Output {
  async function* read(): AsyncGenerator<Uint8Array, void, void> {
    for await (const bytes of stream) {
      const whole: Uint8Array = bytes
      for (let from = 0; from < whole.length; from += OUTPUT_CHUNK_BYTES) {
        const piece = whole.subarray(from, from + OUTPUT_CHUNK_BYTES)
        const chunk = new Uint8Array(1 + piece.length)
        chunk.set(piece, 1)
        yield chunk
      }
    }
  }
  return { chunks: read(), destroy: () => void stream.destroy() }
}
