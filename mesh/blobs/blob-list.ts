// What a blob is: the list of its chunks' hashes, whose own hash is the blob's id.
// docs/formats/blobs.md specifies the bytes.
//
// Invariants
//   L1. A list that was parsed is the one list of its id: one encoding, one id.

import { blobIdOf, concatBytes, equalBytes, HASH_BYTES, shake256 } from '../../core/index.ts'
import type { BlobId } from '../../core/index.ts'
import { blobTooLarge } from './errors.ts'
import { BLOB_BYTES_MAX, BLOB_CHUNK_BYTES } from './limits.ts'

const VERSION = 1
const HEAD_BYTES = 9
const LIST_DOMAIN = 'weft/blob/1'
const CHUNK_DOMAIN = 'weft/blob-chunk/1'

export class BlobList {
  readonly id: BlobId
  /** As stored and sent. */
  readonly bytes: Uint8Array
  /** Of the blob. */
  readonly size: number
  /** Chunks. */
  readonly count: number

  private constructor(bytes: Uint8Array, size: number) {
    this.id = blobIdOf(shake256(LIST_DOMAIN, bytes))
    this.bytes = bytes
    this.size = size
    this.count = chunkCount(size)
  }

  /** @throws WeaverError `MESH_BLOB_TOO_LARGE` */
  static of(size: number, hashes: readonly Uint8Array[]): BlobList {
    if (size > BLOB_BYTES_MAX) throw blobTooLarge(BLOB_BYTES_MAX)
    const head = new Uint8Array(HEAD_BYTES)
    head[0] = VERSION
    new DataView(head.buffer).setBigUint64(1, BigInt(size))
    return new BlobList(concatBytes(head, ...hashes), size)
  }

  /** Null unless these bytes are the list of `id` (L1). */
  static parse(id: BlobId, bytes: Uint8Array): BlobList | null {
    const size = sizeIn(bytes)
    if (size === null || bytes.length !== listBytes(size)) return null
    const list = new BlobList(bytes, size)
    return list.id === id ? list : null
  }

  chunkSize(index: number): number {
    return Math.min(BLOB_CHUNK_BYTES, this.size - index * BLOB_CHUNK_BYTES)
  }

  /** Whether `bytes` are the chunk at `index`. */
  holds(index: number, bytes: Uint8Array): boolean {
    if (index >= this.count || bytes.length !== this.chunkSize(index)) return false
    const at = HEAD_BYTES + index * HASH_BYTES
    return equalBytes(this.bytes.subarray(at, at + HASH_BYTES), chunkHash(bytes))
  }
}

export function chunkHash(bytes: Uint8Array): Uint8Array {
  return shake256(CHUNK_DOMAIN, bytes)
}

function chunkCount(size: number): number {
  return Math.ceil(size / BLOB_CHUNK_BYTES)
}

function listBytes(size: number): number {
  return HEAD_BYTES + chunkCount(size) * HASH_BYTES
}

function sizeIn(bytes: Uint8Array): number | null {
  if (bytes.length < HEAD_BYTES || bytes[0] !== VERSION) return null
  const size = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(1)
  return size <= BigInt(BLOB_BYTES_MAX) ? Number(size) : null
}
