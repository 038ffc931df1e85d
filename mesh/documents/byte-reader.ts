// Reads bytes from the front, and never beyond their end.

import { MeshError } from '../errors.ts'

const CONTINUES = 0x80
const IS_NEGATIVE = 0x40
const BITS = 7
/** Of a number of 64 bits. */
const NUMBER_BYTES_MAX = 10

export class ByteReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  /** The next `size` bytes, not copied. @throws MeshError `MESH_DOCUMENT_INVALID` */
  take(size: number): Uint8Array {
    const start = this.#at
    this.skip(size)
    return this.#bytes.subarray(start, this.#at)
  }

  /** @throws MeshError `MESH_DOCUMENT_INVALID` */
  skip(size: number): void {
    if (this.#at + size > this.#bytes.length) throw chunkInvalid('it ends early')
    this.#at += size
  }

  /** LEB128. @throws MeshError `MESH_DOCUMENT_INVALID` */
  unsigned(): number {
    return this.#leb128().value
  }

  /** Signed LEB128. @throws MeshError `MESH_DOCUMENT_INVALID` */
  signed(): number {
    const { value, last, scale } = this.#leb128()
    return (last & IS_NEGATIVE) === 0 ? value : value - scale
  }

  /** A number of either kind, whatever it is. @throws MeshError `MESH_DOCUMENT_INVALID` */
  skipNumber(): void {
    for (let size = 1; size <= NUMBER_BYTES_MAX; size++) {
      if (this.#byte() < CONTINUES) return
    }
    throw chunkInvalid('a number too large')
  }

  /** By multiplication: beyond 31 bits there are no shifts. */
  #leb128(): { readonly value: number; readonly last: number; readonly scale: number } {
    let value = 0
    let scale = 1
    for (;;) {
      const byte = this.#byte()
      value += (byte & ~CONTINUES) * scale
      scale *= 2 ** BITS
      if (value > Number.MAX_SAFE_INTEGER || scale > 2 ** (BITS * NUMBER_BYTES_MAX)) {
        throw chunkInvalid('a number too large')
      }
      if (byte < CONTINUES) return { value, last: byte, scale }
    }
  }

  #byte(): number {
    const byte = this.#bytes[this.#at]
    if (byte === undefined) throw chunkInvalid('it ends early')
    this.#at += 1
    return byte
  }
}

export function chunkInvalid(why: string, cause?: unknown): MeshError {
  return new MeshError('MESH_DOCUMENT_INVALID', `Cannot take in Automerge's bytes: ${why}`, {
    cause
  })
}
