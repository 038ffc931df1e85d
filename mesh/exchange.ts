// A few whole CBOR messages over one stream, for the two conversations that come before RPC: hello and
// join. Each message is four bytes of length, big-endian, and that many bytes of canonical CBOR.

import { concatBytes, decodeCbor, encodeCbor } from '../core/index.ts'
import type { Cbor } from '../core/index.ts'
import { MeshError } from './errors.ts'
import type { ByteStream } from './ports.ts'

const LENGTH_BYTES = 4

export class Exchange {
  readonly #stream: ByteStream
  #chunks: AsyncIterator<Uint8Array> | null = null
  #buffered: Uint8Array = new Uint8Array()

  constructor(stream: ByteStream) {
    this.#stream = stream
  }

  send(message: Cbor): Promise<void> {
    return this.#sendBytes(encodeCbor(message))
  }

  /** Passes the next message on to `to`, whatever it says. @throws MeshError `MESH_MESSAGE_INVALID` */
  async forward(to: Exchange, bytesMax: number): Promise<void> {
    await to.#sendBytes(await this.#receiveBytes(bytesMax))
  }

  async #sendBytes(bytes: Uint8Array): Promise<void> {
    const length = new Uint8Array(LENGTH_BYTES)
    new DataView(length.buffer).setUint32(0, bytes.length)
    await this.#stream.write(concatBytes(length, bytes))
  }

  /**
   * The next message. Never holds more than `bytesMax` and one chunk.
   * @throws MeshError `MESH_MESSAGE_INVALID`: too long, cut short, or not canonical CBOR
   */
  async receive(bytesMax: number): Promise<unknown> {
    const bytes = await this.#receiveBytes(bytesMax)
    try {
      return decodeCbor(bytes)
    } catch (error) {
      throw invalid('that cannot be decoded', error)
    }
  }

  async #receiveBytes(bytesMax: number): Promise<Uint8Array> {
    await this.#fill(LENGTH_BYTES)
    const { buffer, byteOffset } = this.#buffered
    const length = new DataView(buffer, byteOffset).getUint32(0)
    if (length > bytesMax) throw invalid(`of ${length} bytes: at most ${bytesMax} are read here`)
    await this.#fill(LENGTH_BYTES + length)
    const bytes = this.#buffered.slice(LENGTH_BYTES, LENGTH_BYTES + length)
    this.#buffered = this.#buffered.slice(LENGTH_BYTES + length)
    return bytes
  }

  end(): Promise<void> {
    return this.#stream.end()
  }

  abort(reason: MeshError): void {
    this.#stream.abort(reason)
  }

  async #fill(size: number): Promise<void> {
    if (this.#buffered.length >= size) return
    const parts = [this.#buffered]
    let total = this.#buffered.length
    this.#chunks ??= this.#stream.chunks[Symbol.asyncIterator]()
    while (total < size) {
      const next = await this.#chunks.next()
      if (next.done === true) throw invalid('that ends early')
      parts.push(next.value)
      total += next.value.length
    }
    this.#buffered = concatBytes(...parts)
  }
}

function invalid(what: string, cause?: unknown): MeshError {
  return new MeshError('MESH_MESSAGE_INVALID', `Cannot read a message ${what}`, { cause })
}

/** The fields of a decoded map; no fields where it is something else. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  const isMap =
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array)
  return isMap ? Object.assign(Object.create(null), value) : {}
}
