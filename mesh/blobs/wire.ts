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

/** Takes also what a member has in part: an empty frame stands for a chunk that it lacks. */
export function fetchBody(id: BlobId): Cbor {
  return { v: VERSION, id, part: true }
}

export function takesParts(body: unknown): boolean {
  return fieldsOf(body)['part'] === true
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

/** How much of a blob a member has. */
export type Held = 'whole' | 'part' | 'none'

export function hasAnswer(held: Held): Cbor {
  return { v: VERSION, has: held === 'whole', part: held === 'part' }
}

export function heldIn(answer: unknown): Held {
  const { has, part } = fieldsOf(answer)
  if (has === true) return 'whole'
  return part === true ? 'part' : 'none'
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
