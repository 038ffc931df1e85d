// The bytes of a spool file: eight bytes that name the format, then records. A record is one byte for the
// stream, the offset of its first byte (64 bits), its size (32 bits), all big-endian, and the output itself.

import { SPOOL_RECORD_BYTES_MAX } from './limits.ts'

export type OutputStream = 'stdout' | 'stderr'

export interface SpoolChunk {
  readonly offset: number
  readonly stream: OutputStream
  readonly bytes: Uint8Array
}

export const SEGMENT_MAGIC: Uint8Array = new TextEncoder().encode('weftspl1')
export const RECORD_HEAD_BYTES = 13
/** Read at once: always room for a whole record. */
export const READ_BYTES: number = 4 * SPOOL_RECORD_BYTES_MAX

const STDOUT = 1
const STDERR = 2

export function encodeRecordHead(record: {
  readonly offset: number
  readonly stream: OutputStream
  readonly size: number
}): Uint8Array {
  const head = new DataView(new ArrayBuffer(RECORD_HEAD_BYTES))
  head.setUint8(0, record.stream === 'stdout' ? STDOUT : STDERR)
  head.setBigUint64(1, BigInt(record.offset))
  head.setUint32(9, record.size)
  return new Uint8Array(head.buffer)
}

/**
 * The whole records that `block` begins with, and the bytes that they take. A damaged head ends them: it is
 * as good as the end of the file.
 */
export function parseRecords(block: Uint8Array): {
  readonly chunks: readonly SpoolChunk[]
  readonly consumed: number
} {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength)
  const chunks: SpoolChunk[] = []
  let consumed = 0
  while (consumed + RECORD_HEAD_BYTES <= block.length) {
    const type = view.getUint8(consumed)
    const offset = Number(view.getBigUint64(consumed + 1))
    const size = view.getUint32(consumed + 9)
    const isSound = (type === STDOUT || type === STDERR) && Number.isSafeInteger(offset)
    const from = consumed + RECORD_HEAD_BYTES
    if (!isSound || size > SPOOL_RECORD_BYTES_MAX || from + size > block.length) break
    const stream = type === STDOUT ? 'stdout' : 'stderr'
    chunks.push({ offset, stream, bytes: block.subarray(from, from + size) })
    consumed = from + size
  }
  return { chunks, consumed }
}
