// What the two sides of a transfer say to each other, version 1: docs/formats/blobs.md.

import { blobId } from '../../core/index.ts'
import type { BlobId, Cbor } from '../../core/index.ts'
import { fieldsOf } from '../exchange.ts'
import { blobRequestInvalid } from './errors.ts'
import { BLOB_CHUNKS_ASKED_MAX } from './limits.ts'

export const BLOB_SERVICE = 'blobs'
const VERSION = 1
/** In place of a chunk's index: the list. No blob has so many chunks. */
export const LIST_INDEX = 0xffff_ffff

export function requestBody(id: BlobId): Cbor {
  return { v: VERSION, id }
}

/** @throws WeaverError `MESH_BLOB_REQUEST_INVALID` */
export function requestedId(body: unknown): BlobId {
  const { v, id } = fieldsOf(body)
  if (v !== VERSION || typeof id !== 'string') throw blobRequestInvalid('it is of no known version')
  try {
    return blobId(id)
  } catch {
    throw blobRequestInvalid('it names no blob')
  }
}

export function hasAnswer(isHeld: boolean): Cbor {
  return { v: VERSION, has: isHeld }
}

export function saysHas(answer: unknown): boolean {
  return fieldsOf(answer)['has'] === true
}

/** Wishes in one frame: each a chunk by its index, or the list. */
export function encodeWishes(indexes: readonly number[]): Uint8Array {
  const frame = new Uint8Array(4 * indexes.length)
  const view = new DataView(frame.buffer)
  for (const [at, index] of indexes.entries()) view.setUint32(4 * at, index)
  return frame
}

/** @throws WeaverError `MESH_BLOB_REQUEST_INVALID` */
export function decodeWishes(frame: Uint8Array): readonly number[] {
  const count = frame.length / 4
  if (!Number.isInteger(count) || count < 1 || count > BLOB_CHUNKS_ASKED_MAX) {
    throw blobRequestInvalid(`wishes are 4 bytes each, and at most ${BLOB_CHUNKS_ASKED_MAX}`)
  }
  const view = new DataView(frame.buffer, frame.byteOffset)
  return Array.from({ length: count }, (_, at) => view.getUint32(4 * at))
}
