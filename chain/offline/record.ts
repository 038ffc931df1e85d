// Checking one record by itself: docs/chain-format.md, "Records" and "Verifying". Pure.

import { isSame } from './bytes.ts'
import {
  BLOCK_SIGNATURE_DOMAIN,
  blockHash,
  ENTRIES_MAX,
  ENTRY_BYTES_MAX,
  entryLeaves,
  entryRoot,
  HEADER_BYTES_MAX,
  INTEGER_MAX,
  isLater,
  PAYLOAD_BYTES_MAX,
  payloadHashes,
  payloadOf,
  readEntry,
  readHeader
} from './block.ts'
import type { Entry, Header, Time } from './block.ts'
import { crc32 } from './crc32.ts'
import { Malformed } from './errors.ts'
import { isSignedIn } from './keys.ts'
import type { Primitives } from './primitives.ts'

const FRAME_HEAD_BYTES = 36
const SIGNATURE_BYTES = 64
const ROW_BYTES = 14
const LEAF_PREFIX_BYTES = 8
/** Equal to no hash. */
const NO_HASH = new Uint8Array(0)
export const RECORD_BYTES_MAX = 1_048_576

interface Frame {
  readonly height: number
  readonly headerBytes: number
  readonly count: number
  readonly tableChecksum: number
}

/** An entry as it stands in a record; `payload` is null where it is absent. */
export interface Row {
  readonly bytes: Uint8Array
  readonly leaf: Uint8Array
  readonly entry: Entry | null
  readonly payload: Uint8Array | null
}

export interface CheckedRecord {
  /** Null where the header is not one that the lane's key signed. */
  readonly header: Header | null
  readonly hash: Uint8Array
  readonly rows: readonly Row[]
}

/** Takes what is wrong with the record at hand: the entry, or null for the block. */
export type Complain = (entry: number | null, code: string, what: string) => void

export interface RecordOf {
  readonly lane: string
  readonly key: Uint8Array
  readonly height: number
}

export function checkRecord(
  primitives: Primitives,
  bytes: Uint8Array,
  { lane, key, height }: RecordOf,
  complain: Complain
): CheckedRecord {
  const frame = readFrame(bytes)
  if (frame === null || frame.height !== height) {
    complain(null, 'CHAIN_FRAME_DAMAGED', 'has a frame that was changed')
    return { header: null, hash: new Uint8Array(0), rows: [] }
  }
  const end = FRAME_HEAD_BYTES + frame.headerBytes
  const headerBytes = bytes.subarray(FRAME_HEAD_BYTES, end)
  const signature = bytes.subarray(end, end + SIGNATURE_BYTES)
  let header: Header | null = null
  try {
    const read = readHeader(headerBytes)
    const isMeant = read.lane === lane && read.height === height && read.count === frame.count
    const signed: [Uint8Array, Uint8Array] = [headerBytes, signature]
    if (isMeant && isSignedIn(primitives, key, BLOCK_SIGNATURE_DOMAIN, signed)) header = read
  } catch (error) {
    if (!(error instanceof Malformed)) throw error
  }
  if (header === null) {
    complain(null, 'CHAIN_HEADER_DAMAGED', 'has a header or signature that was changed')
  }
  const rows = checkRows(primitives, bytes, frame, complain)
  if (header !== null && rows !== null) checkSums(primitives, { header, rows }, complain)
  return { header, hash: blockHash(primitives, headerBytes), rows: rows ?? [] }
}

function readFrame(bytes: Uint8Array): Frame | null {
  if (bytes.length < FRAME_HEAD_BYTES || bytes.length > RECORD_BYTES_MAX) return null
  const view = new DataView(bytes.buffer, bytes.byteOffset, FRAME_HEAD_BYTES)
  const isFrame = view.getUint32(0) === 0x57465442 && view.getUint32(4) === 0x01000000
  if (!isFrame || view.getUint32(32) !== crc32(bytes.subarray(0, 32))) return null
  const frame: Frame = {
    height: Number(view.getBigUint64(8)),
    headerBytes: view.getUint32(20),
    count: view.getUint32(24),
    tableChecksum: view.getUint32(28)
  }
  const isInBounds =
    view.getUint32(16) === bytes.length &&
    frame.height >= 1 &&
    frame.height <= INTEGER_MAX &&
    frame.count >= 1 &&
    frame.count <= ENTRIES_MAX &&
    frame.headerBytes <= HEADER_BYTES_MAX &&
    tableEnd(frame) <= bytes.length
  return isInBounds ? frame : null
}

function tableEnd({ headerBytes, count }: Frame): number {
  return FRAME_HEAD_BYTES + headerBytes + SIGNATURE_BYTES + count * ROW_BYTES
}

/** Null where the table has changed: nothing behind it can then be told apart. */
function checkRows(
  primitives: Primitives,
  bytes: Uint8Array,
  frame: Frame,
  complain: Complain
): readonly Row[] | null {
  const places = readTable(bytes, frame)
  if (places === null) {
    complain(null, 'CHAIN_TABLE_DAMAGED', 'has a table of entries that was changed')
    return null
  }
  const leaves = entryLeaves(
    primitives,
    places.map(({ entry }) => entry)
  )
  const slots = places.map(({ slot }) => slot).filter(({ length }) => length > 0)
  const hashes = payloadHashes(primitives, slots).values()
  return places.map(({ entry: entryBytes, slot, prefix }, index) => {
    const leaf = leaves[index] ?? NO_HASH
    const isNamed = isSame(leaf.subarray(0, LEAF_PREFIX_BYTES), prefix)
    const entry = isNamed ? entryOrNull(entryBytes) : null
    if (entry === null) complain(index, 'CHAIN_ENTRY_DAMAGED', 'was changed')
    const payload = slot.length === 0 ? null : slot
    const hash = payload === null ? NO_HASH : (hashes.next().value ?? NO_HASH)
    if (entry !== null && payload !== null && !isPayload(payload, hash, entry)) {
      complain(index, 'CHAIN_PAYLOAD_DAMAGED', 'has a payload that was changed')
    }
    return { bytes: entryBytes, leaf, entry, payload }
  })
}

interface Place {
  readonly entry: Uint8Array
  readonly slot: Uint8Array
  readonly prefix: Uint8Array
}

function readTable(bytes: Uint8Array, frame: Frame): readonly Place[] | null {
  const end = tableEnd(frame)
  const start = end - frame.count * ROW_BYTES
  const table = bytes.subarray(start, end)
  if (crc32(table) !== frame.tableChecksum) return null
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength)
  let entryAt = end
  let slotAt = end
  for (let row = 0; row < table.length; row += ROW_BYTES) slotAt += view.getUint16(row)
  const places: Place[] = []
  for (let row = 0; row < table.length; row += ROW_BYTES) {
    const entryEnd = entryAt + view.getUint16(row)
    const slotEnd = slotAt + view.getUint32(row + 2)
    if (entryEnd - entryAt > ENTRY_BYTES_MAX || slotEnd - slotAt > PAYLOAD_BYTES_MAX) return null
    places.push({
      entry: bytes.subarray(entryAt, entryEnd),
      slot: bytes.subarray(slotAt, slotEnd),
      prefix: table.subarray(row + 6, row + ROW_BYTES)
    })
    entryAt = entryEnd
    slotAt = slotEnd
  }
  return slotAt === bytes.length ? places : null
}

function entryOrNull(bytes: Uint8Array): Entry | null {
  try {
    return readEntry(bytes)
  } catch (error) {
    if (error instanceof Malformed) return null
    throw error
  }
}

function isPayload(slot: Uint8Array, hash: Uint8Array, entry: Entry): boolean {
  if (!isSame(hash, entry.payloadHash)) return false
  try {
    payloadOf(slot)
    return true
  } catch (error) {
    if (error instanceof Malformed) return false
    throw error
  }
}

/** The Merkle root, and the times: what only all entries together show. */
function checkSums(
  primitives: Primitives,
  { header, rows }: { readonly header: Header; readonly rows: readonly Row[] },
  complain: Complain
): void {
  const areNamed = rows.every(({ entry }) => entry !== null)
  const root = entryRoot(
    primitives,
    rows.map(({ leaf }) => leaf)
  )
  if (areNamed && (root === null || !isSame(root, header.root))) {
    complain(null, 'CHAIN_ROOT_WRONG', 'does not add up to the Merkle root that was signed')
  }
  let before: Time | null = null
  for (const [index, { entry }] of rows.entries()) {
    if (entry === null) continue
    if (before !== null && !isLater(entry.time, before)) {
      complain(index, 'CHAIN_TIME_BACKWARDS', 'is not later than the entry before it')
    }
    before = entry.time
  }
  const last = rows.at(-1)?.entry?.time
  if (last !== undefined && (last[0] !== header.time[0] || last[1] !== header.time[1])) {
    complain(null, 'CHAIN_TIME_WRONG', 'does not carry the time of its last entry')
  }
}
