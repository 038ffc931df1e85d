// Messages over a pipe: a length of four bytes, big-endian, then that many bytes of JSON. The workers
// load this file too, so it imports nothing of the project.

// Not the global one, which a worker gives up.
import { Buffer } from 'node:buffer'

const HEADER_BYTES = 4

export function encodeFrame(message: unknown): Uint8Array {
  const body = Buffer.from(JSON.stringify(message))
  const frame = Buffer.alloc(HEADER_BYTES + body.length)
  frame.writeUInt32BE(body.length)
  body.copy(frame, HEADER_BYTES)
  return frame
}

/** Takes bytes as they come, and gives messages. Throws on one that is too long or is no JSON. */
export class FrameReader {
  readonly #frameBytesMax: number
  #chunks: Uint8Array[] = []
  #bytes = 0

  constructor(frameBytesMax: number) {
    this.#frameBytesMax = frameBytesMax
  }

  push(chunk: Uint8Array): unknown[] {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    const messages: unknown[] = []
    while (this.#bytes >= HEADER_BYTES) {
      const length = this.#header()
      if (length > this.#frameBytesMax) {
        throw new RangeError(`A message of ${length} bytes exceeds ${this.#frameBytesMax}`)
      }
      if (this.#bytes < HEADER_BYTES + length) break
      messages.push(JSON.parse(this.#take(length).toString('utf8')))
    }
    return messages
  }

  #header(): number {
    // Joined only while the header is torn: a long body is not copied again for each of its chunks.
    if ((this.#chunks[0]?.length ?? 0) < HEADER_BYTES) this.#chunks = [Buffer.concat(this.#chunks)]
    const first = this.#chunks[0] ?? new Uint8Array()
    return Buffer.from(first.buffer, first.byteOffset, first.length).readUInt32BE()
  }

  #take(length: number): Buffer {
    const joined = Buffer.concat(this.#chunks)
    const end = HEADER_BYTES + length
    this.#chunks = joined.length > end ? [joined.subarray(end)] : []
    this.#bytes = joined.length - end
    return joined.subarray(HEADER_BYTES, end)
  }
}
