// Records: a block as it lies in a lane file and travels between nodes.
//
//   frame head (36 bytes) | header | signature (64) | table | entries | payloads
//
// The frame head and the table are no part of what is signed; they say where things are, carry checksums
// of their own, and let a reader name the one entry that has changed and go on behind damage.
// docs/chain-format.md, section "Records", is the specification.

import { crc32 } from 'node:zlib'
import { SIGNATURE_BYTES } from '../core/index.ts'
import { FormatError } from './errors.ts'
import {
  ENTRIES_PER_BLOCK_MAX,
  ENTRY_BYTES_MAX,
  HEADER_BYTES_MAX,
  INTEGER_MAX,
  PAYLOAD_BYTES_MAX,
  RECORD_BYTES_MAX
} from './limits.ts'

export const FRAME_HEAD_BYTES = 36
/** `WFTB` in ASCII: where a reader that has lost its place looks for the next record. */
export const FRAME_MAGIC: Uint8Array = Uint8Array.of(0x57, 0x46, 0x54, 0x42)
const FRAME_VERSION = 1
const CHECKED_BYTES = 32 // The frame head up to its own checksum.
export const TABLE_ROW_BYTES = 14
/** How much of each leaf hash the table repeats, so that a changed entry is named and not only noticed. */
export const LEAF_PREFIX_BYTES = 8

export interface FrameHead {
  readonly height: number
  readonly recordBytes: number
  readonly headerBytes: number
  readonly count: number
  readonly tableChecksum: number
}

export interface RecordParts {
  readonly height: number
  readonly header: Uint8Array
  readonly signature: Uint8Array
  readonly leaves: readonly Uint8Array[]
  readonly entries: readonly Uint8Array[]
  /** Salt and encoding of each payload, in turn; both empty where a payload is not held here. */
  readonly slots: readonly Uint8Array[]
}

export function encodeRecord(parts: RecordParts): Uint8Array {
  const { header, signature, entries, slots } = parts
  const tableStart = FRAME_HEAD_BYTES + header.length + SIGNATURE_BYTES
  const entriesStart = tableStart + entries.length * TABLE_ROW_BYTES
  const size = entriesStart + bytesOf(entries) + bytesOf(slots)
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  bytes.set(header, FRAME_HEAD_BYTES)
  bytes.set(signature, FRAME_HEAD_BYTES + header.length)
  let row = tableStart
  let end = entriesStart
  let index = 0
  for (const entry of entries) {
    view.setUint16(row, entry.length)
    const [salt, payload] = [slots[2 * index], slots[2 * index + 1]]
    view.setUint32(row + 2, (salt?.length ?? 0) + (payload?.length ?? 0))
    bytes.set(parts.leaves[index]?.subarray(0, LEAF_PREFIX_BYTES) ?? [], row + 6)
    row += TABLE_ROW_BYTES
    bytes.set(entry, end)
    end += entry.length
    index += 1
  }
  for (const part of slots) {
    bytes.set(part, end)
    end += part.length
  }
  bytes.set(FRAME_MAGIC)
  view.setUint32(4, FRAME_VERSION * 0x1000000)
  view.setBigUint64(8, BigInt(parts.height))
  view.setUint32(16, size)
  view.setUint32(20, header.length)
  view.setUint32(24, entries.length)
  view.setUint32(28, crc32(bytes.subarray(tableStart, entriesStart)))
  view.setUint32(32, crc32(bytes.subarray(0, CHECKED_BYTES)))
  return bytes
}

/** The frame head at the start of `bytes`, or null where there is none that is whole and in bounds. */
export function parseFrameHead(bytes: Uint8Array): FrameHead | null {
  if (bytes.length < FRAME_HEAD_BYTES) return null
  const view = new DataView(bytes.buffer, bytes.byteOffset, FRAME_HEAD_BYTES)
  if (view.getUint32(0) !== 0x57465442) return null
  if (view.getUint32(32) !== crc32(bytes.subarray(0, CHECKED_BYTES))) return null
  if (view.getUint32(4) !== FRAME_VERSION * 0x1000000) return null
  const head: FrameHead = {
    height: Number(view.getBigUint64(8)),
    recordBytes: view.getUint32(16),
    headerBytes: view.getUint32(20),
    count: view.getUint32(24),
    tableChecksum: view.getUint32(28)
  }
  const isInBounds =
    head.height >= 1 &&
    head.height <= INTEGER_MAX &&
    head.count >= 1 &&
    head.count <= ENTRIES_PER_BLOCK_MAX &&
    head.headerBytes <= HEADER_BYTES_MAX &&
    head.recordBytes <= RECORD_BYTES_MAX &&
    head.recordBytes >= tableEnd(head)
  return isInBounds ? head : null
}

export function headerBytesOf(record: Uint8Array, head: FrameHead): Uint8Array {
  return record.subarray(FRAME_HEAD_BYTES, FRAME_HEAD_BYTES + head.headerBytes)
}

export function signatureOf(record: Uint8Array, head: FrameHead): Uint8Array {
  const start = FRAME_HEAD_BYTES + head.headerBytes
  return record.subarray(start, start + SIGNATURE_BYTES)
}

export interface Row {
  readonly entry: Uint8Array
  readonly payload: Uint8Array
}

/** Where the entries and payloads of a record lie in it: from and to of each, in turn. */
export interface Bounds {
  readonly entries: Uint32Array
  readonly payloads: Uint32Array
  /** Where the table's rows start. */
  readonly tableAt: number
}

/** @throws FormatError when the record's table has changed. */
export function boundsOf(record: Uint8Array, head: FrameHead): Bounds {
  const end = tableEnd(head)
  const tableAt = end - head.count * TABLE_ROW_BYTES
  if (crc32(record.subarray(tableAt, end)) !== head.tableChecksum) {
    throw new FormatError('the table of a record has changed')
  }
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength)
  let payloadAt = end
  for (let row = tableAt; row < end; row += TABLE_ROW_BYTES) payloadAt += view.getUint16(row)
  const entries = new Uint32Array(2 * head.count)
  const payloads = new Uint32Array(2 * head.count)
  let entryAt = end
  let at = 0
  for (let row = tableAt; row < end; row += TABLE_ROW_BYTES) {
    const entryBytes = view.getUint16(row)
    const payloadBytes = view.getUint32(row + 2)
    if (entryBytes > ENTRY_BYTES_MAX || payloadBytes > PAYLOAD_BYTES_MAX) {
      throw new FormatError('the table of a record names an entry or payload that is too large')
    }
    entries[at] = entryAt
    entryAt += entryBytes
    entries[at + 1] = entryAt
    payloads[at] = payloadAt
    payloadAt += payloadBytes
    payloads[at + 1] = payloadAt
    at += 2
  }
  if (payloadAt !== record.length) {
    throw new FormatError('the table of a record does not add up to its length')
  }
  return { entries, payloads, tableAt }
}

/** Where the table repeats the start of the leaf hash of an entry. */
export function leafPrefixAt({ tableAt }: Bounds, index: number): number {
  return tableAt + index * TABLE_ROW_BYTES + 6
}

/** The entries and payloads of a record. @throws FormatError when its table has changed. */
export function rowsOf(record: Uint8Array, head: FrameHead): readonly Row[] {
  const bounds = boundsOf(record, head)
  return Array.from({ length: head.count }, (_, index) => rowAt(record, bounds, index))
}

export function rowAt(record: Uint8Array, { entries, payloads }: Bounds, index: number): Row {
  const at = 2 * index
  return {
    entry: record.subarray(entries[at], entries[at + 1]),
    payload: record.subarray(payloads[at], payloads[at + 1])
  }
}

function tableEnd(head: FrameHead): number {
  return FRAME_HEAD_BYTES + head.headerBytes + SIGNATURE_BYTES + head.count * TABLE_ROW_BYTES
}

function bytesOf(parts: readonly Uint8Array[]): number {
  let size = 0
  for (const part of parts) size += part.length
  return size
}
