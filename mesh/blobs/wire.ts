// What the two sides of a transfer say to each other, version 1: docs/formats/blobs.md.

import { blobId } from '../../core/index.ts'
import type { BlobId, Cbor } from '../../core/index.ts'
import { fieldsOf } from '../exchange.ts'
import { blobRequestInvalid } from './errors.ts'

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

/** One wish: a chunk by its index, or the list. */
export function encodeWish(index: number): Uint8Array {
  const frame = new Uint8Array(4)
  new DataView(frame.buffer).setUint32(0, index)
  return frame
}

/** @throws WeaverError `MESH_BLOB_REQUEST_INVALID` */
export function decodeWish(frame: Uint8Array): number {
  if (frame.length !== 4) throw blobRequestInvalid('a wish is 4 bytes')
  return new DataView(frame.buffer, frame.byteOffset).getUint32(0)
}
