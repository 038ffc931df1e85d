// Frames on the wire, version 1. All integers are big-endian.
//
//   u32 size of the rest (5 + payload)   u8 type   u32 call   payload
//
// A request or result above CHUNK_BYTES_MAX, and a channel's frame above it, go as several frames of
// one type and call; all but the last carry the bit MORE.

import { protocolViolated } from './errors.ts'
import { CHUNK_BYTES_MAX, PIECE_BYTES_MIN } from './limits.ts'

/** Frame types. Those up to CANCEL go from caller to server alone, RESULT and ERROR the other way. */
export const OPEN = 1 // u32 timeout in ms or 0, u8 length of method, method, CBOR body
export const NOTIFY = 2 // as OPEN; call is 0, and no answer comes
export const CANCEL = 3 // error
export const RESULT = 4 // CBOR
export const ERROR = 5 // error
export const DATA = 6 // a chunk of one frame of the call's channel
export const END = 7 // the sender sends no more DATA for this call
export const CREDIT = 8 // u32: window given back
export const RESET = 9 // u8 directions, error

/** RESET: the sender sends no more. */
export const RESET_SENDING = 1
/** RESET: the sender reads no more. */
export const RESET_READING = 2

export const MORE = 0x80
export const FRAME_HEADER_BYTES = 9
const SIZE_BYTES = 4
const HEADER_AFTER_SIZE_BYTES = FRAME_HEADER_BYTES - SIZE_BYTES
const TYPE_MAX = RESET

export interface Frame {
  /** Without MORE. */
  readonly type: number
  readonly call: number
  readonly hasMore: boolean
  readonly payload: Uint8Array
  /** Of DATA as it was read: how the payload goes on, where it arrived in several pieces. */
  readonly pieces?: readonly Uint8Array[]
}

/** Several frames as the bytes of one write. */
export function encodeFrames(frames: readonly Frame[]): Uint8Array {
  let size = 0
  for (const frame of frames) size += FRAME_HEADER_BYTES + frame.payload.length
  // Unpooled and unzeroed: every byte is written below, and the stream owns the memory afterwards.
  const buffer = Buffer.allocUnsafeSlow(size)
  let offset = 0
  for (const { type, call, hasMore, payload } of frames) {
    buffer.writeUInt32BE(HEADER_AFTER_SIZE_BYTES + payload.length, offset)
    buffer[offset + SIZE_BYTES] = hasMore ? type | MORE : type
    buffer.writeUInt32BE(call, offset + SIZE_BYTES + 1)
    buffer.set(payload, offset + FRAME_HEADER_BYTES)
    offset += FRAME_HEADER_BYTES + payload.length
  }
  return new Uint8Array(buffer.buffer, buffer.byteOffset, size)
}

/**
 * Cuts frames out of chunks of bytes. Holds at most one incomplete frame.
 * A payload may be a view of a chunk: whoever keeps it keeps the chunk.
 */
export class FrameReader {
  #rest: Uint8Array[] = []
  #restBytes = 0
  /** Bytes that must be there before the next step can be taken. */
  #needed = FRAME_HEADER_BYTES

  /**
   * Stops after `framesMax` frames, at least one.
   * @returns how many bytes of the chunk were taken: the rest is to be given again
   * @throws WeaverError `MESH_PROTOCOL_VIOLATED`; the reader is of no use afterwards
   */
  read(chunk: Uint8Array, onFrame: (frame: Frame) => void, framesMax: number = Infinity): number {
    if (this.#restBytes + chunk.length < this.#needed) {
      this.#keep(chunk)
      return chunk.length
    }
    if (this.#restBytes === 0) return this.#readWhole(chunk, onFrame, framesMax)
    // Takes no more of the chunk than the frame that began before it, so a large chunk is not copied.
    const missing = this.#needed - this.#restBytes
    const parts = [...this.#rest, chunk.subarray(0, missing)]
    const partsBytes = this.#needed
    const rest = chunk.subarray(missing)
    this.#rest = []
    this.#restBytes = 0
    this.#needed = FRAME_HEADER_BYTES
    const pieced = piecedFrame(parts, partsBytes)
    if (pieced !== null) {
      onFrame(pieced)
      return missing + (framesMax > 1 ? this.#readWhole(rest, onFrame, framesMax - 1) : 0)
    }
    const joined = joinParts(parts, partsBytes)
    const size = frameSize(joined, 0)
    if (size > joined.length) {
      this.#keep(joined)
      this.#needed = size
      return missing + this.read(rest, onFrame, framesMax)
    }
    onFrame(frameAt(joined, 0, size))
    return missing + (framesMax > 1 ? this.#readWhole(rest, onFrame, framesMax - 1) : 0)
  }

  #readWhole(bytes: Uint8Array, onFrame: (frame: Frame) => void, framesMax: number): number {
    let offset = 0
    for (let count = 0; bytes.length - offset >= FRAME_HEADER_BYTES; count += 1) {
      if (count >= framesMax) return offset
      const size = frameSize(bytes, offset)
      if (bytes.length - offset < size) {
        this.#needed = size
        break
      }
      onFrame(frameAt(bytes, offset, size))
      offset += size
    }
    if (offset < bytes.length) this.#keep(bytes.subarray(offset))
    return bytes.length
  }

  #keep(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#rest.push(bytes)
    this.#restBytes += bytes.length
  }
}

/**
 * A whole frame of DATA as it lies in few large pieces: its reader joins them, with those of other frames.
 * Many small ones are joined here, for each costs more than its bytes.
 */
function piecedFrame(parts: readonly Uint8Array[], size: number): Frame | null {
  const [first, ...others] = parts
  if (first === undefined || first.length < FRAME_HEADER_BYTES) return null
  if (((first[SIZE_BYTES] ?? 0) & ~MORE) !== DATA) return null
  if (frameSize(first, 0) !== size || parts.length * PIECE_BYTES_MIN > size) return null
  return { ...frameAt(first, 0, first.length), pieces: others }
}

/** `size` is the sum of theirs. */
export function joinParts(parts: readonly Uint8Array[], size: number): Uint8Array {
  const buffer = Buffer.allocUnsafeSlow(size) // As above: every byte is written.
  const joined = new Uint8Array(buffer.buffer, buffer.byteOffset, size)
  let offset = 0
  for (const part of parts) {
    joined.set(part, offset)
    offset += part.length
  }
  return joined
}

function frameSize(bytes: Uint8Array, offset: number): number {
  const rest = readUint32(bytes, offset)
  if (rest < HEADER_AFTER_SIZE_BYTES || rest > HEADER_AFTER_SIZE_BYTES + CHUNK_BYTES_MAX) {
    throw protocolViolated(`a frame of ${rest} bytes`)
  }
  return SIZE_BYTES + rest
}

function frameAt(bytes: Uint8Array, offset: number, size: number): Frame {
  const typeByte = bytes[offset + SIZE_BYTES] ?? 0
  const type = typeByte & ~MORE
  if (type === 0 || type > TYPE_MAX) throw protocolViolated(`a frame of type ${typeByte}`)
  return {
    type,
    call: readUint32(bytes, offset + SIZE_BYTES + 1),
    hasMore: typeByte >= MORE,
    payload: bytes.subarray(offset + FRAME_HEADER_BYTES, offset + size)
  }
}

/** The caller has made sure that four bytes are there. */
export function readUint32(bytes: Uint8Array, offset: number): number {
  return (
    (bytes[offset] ?? 0) * 0x1000000 +
    (((bytes[offset + 1] ?? 0) << 16) | ((bytes[offset + 2] ?? 0) << 8) | (bytes[offset + 3] ?? 0))
  )
}

export function uint32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)
}
