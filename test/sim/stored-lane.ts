// Reads lanes from stored bytes, by docs/formats alone: oracles must not trust the reader that they check.

import { crc32 } from 'node:zlib'
import { decodeCbor, isSignedBy, nodeIdOf, shake256, toHex } from '../../core/index.ts'
import type { NodeId } from '../../core/index.ts'
import type { SimDisk } from './world/sim-disk.ts'

const FRAME_HEAD_BYTES = 36
const MAGIC = 0x57465442
const SIGNATURE_BYTES = 64
const ROW_BYTES = 14
const SALT_BYTES = 16

export interface StoredEntry {
  readonly kind: string
  readonly actor: string
  readonly subject: string
  readonly payload: Readonly<Record<string, unknown>>
}

export interface StoredBlock {
  readonly height: number
  /** Hexadecimal, like `previous`. */
  readonly hash: string
  readonly previous: string
  readonly entries: readonly StoredEntry[]
}

interface Place {
  readonly block: StoredBlock | null
  readonly end: number
}

/** Follows one lane on one disk; bytes that it has read before are not read again. */
export class StoredLane {
  readonly #disk: SimDisk
  readonly #lane: NodeId
  #blocks: StoredBlock[] = []
  #file = ''
  #offset = 0

  constructor(disk: SimDisk, lane: NodeId) {
    this.#disk = disk
    this.#lane = lane
  }

  /** Whole, signed blocks from the start, as far as they go: what a crash at this moment would leave. */
  blocks(): readonly StoredBlock[] {
    const files = this.#disk.names
      .filter((name) => name.startsWith(`${this.#lane}.`) && name.endsWith('.lane'))
      .toSorted()
    const [first] = files
    if (first === undefined) return this.#blocks
    if (this.#file === '') this.#file = first
    for (const file of files.slice(files.indexOf(this.#file))) {
      if (file !== this.#file) {
        this.#file = file
        this.#offset = 0
      }
      this.#readFile(this.#disk.durable(file))
    }
    return this.#blocks
  }

  /** Everything once more, from the first byte: has what was read before stayed as it was? */
  reread(): readonly StoredBlock[] {
    return new StoredLane(this.#disk, this.#lane).blocks()
  }

  #readFile(bytes: Uint8Array): void {
    for (;;) {
      const { block, end } = blockAt(bytes, this.#offset, this.#lane)
      if (block === null || block.height !== this.#blocks.length + 1) return
      this.#blocks.push(block)
      this.#offset = end
    }
  }
}

function blockAt(bytes: Uint8Array, start: number, lane: NodeId): Place {
  const none = { block: null, end: start }
  if (bytes.length < start + FRAME_HEAD_BYTES) return none
  const view = new DataView(bytes.buffer, bytes.byteOffset + start)
  const [size, headerBytes, count] = [view.getUint32(16), view.getUint32(20), view.getUint32(24)]
  if (view.getUint32(0) !== MAGIC || bytes.length < start + size) return none
  if (view.getUint32(32) !== crc32(bytes.subarray(start, start + 32))) return none
  const record = bytes.subarray(start, start + size)
  const header = record.subarray(FRAME_HEAD_BYTES, FRAME_HEAD_BYTES + headerBytes)
  const signatureEnd = FRAME_HEAD_BYTES + headerBytes + SIGNATURE_BYTES
  const signature = record.subarray(FRAME_HEAD_BYTES + headerBytes, signatureEnd)
  const hash = toHex(shake256('weft/block/1', header))
  if (!isSigned(lane, hash, header, signature)) return none
  const fields = decodeCbor(header)
  if (!Array.isArray(fields)) return none
  const [, key, height, previous]: readonly unknown[] = fields
  if (!(key instanceof Uint8Array) || nodeIdOf(key) !== lane) return none
  if (typeof height !== 'number' || !(previous instanceof Uint8Array)) return none
  const entries = entriesOf(record, signatureEnd, count)
  if (entries === null) return none
  return { block: { height, hash, previous: toHex(previous), entries }, end: start + size }
}

const signed = new Set<string>()

/** Each signature is checked once: the copies of a block are many, and the check is slow. */
function isSigned(lane: NodeId, hash: string, header: Uint8Array, signature: Uint8Array): boolean {
  const key = `${lane} ${hash} ${toHex(signature)}`
  if (signed.has(key)) return true
  if (!isSignedBy(lane, 'weft/block-signature/1', header, signature)) return false
  signed.add(key)
  return true
}

/** Null where an entry's payload is not the one that the entry names: the record is torn. */
function entriesOf(record: Uint8Array, tableStart: number, count: number): StoredEntry[] | null {
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength)
  const rows = Array.from({ length: count }, (_, index) => tableStart + index * ROW_BYTES)
  let entryAt = tableStart + count * ROW_BYTES
  let payloadAt = rows.reduce((sum, row) => sum + view.getUint16(row), entryAt)
  const entries: StoredEntry[] = []
  for (const row of rows) {
    const entryEnd = entryAt + view.getUint16(row)
    const payloadEnd = payloadAt + view.getUint32(row + 2)
    const entry = entryOf(
      record.subarray(entryAt, entryEnd),
      record.subarray(payloadAt, payloadEnd)
    )
    if (entry === null) return null
    entries.push(entry)
    entryAt = entryEnd
    payloadAt = payloadEnd
  }
  return entries
}

function entryOf(bytes: Uint8Array, slot: Uint8Array): StoredEntry | null {
  try {
    const fields = decodeCbor(bytes)
    if (!Array.isArray(fields)) return null
    const [kind, actor, subject, , , hash]: readonly unknown[] = fields
    if (!(hash instanceof Uint8Array) || toHex(hash) !== toHex(shake256('weft/payload/1', slot))) {
      return null
    }
    const payload = decodeCbor(slot.subarray(SALT_BYTES))
    const isMap = typeof payload === 'object' && payload !== null && !Array.isArray(payload)
    return {
      kind: String(kind),
      actor: String(actor),
      subject: String(subject),
      payload: isMap ? { ...payload } : { value: payload }
    }
  } catch {
    return null // A sector that never reached the disk.
  }
}
