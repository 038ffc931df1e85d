// Walking the records of one lane file, in bounded memory, also past damage.
//
// Invariants
//   S1. A record right behind a sound record is taken by its frame alone; whoever reads checks the rest.
//   S2. After damage, a frame counts only with a header signed by the lane's key and a greater height
//       than before. Payloads may contain anything, also the bytes of a frame; no payload can contain
//       a block of its own lane that was signed after it.

import type { NodeId } from '../core/index.ts'
import { signedHeader } from './check.ts'
import { RECORD_BYTES_MAX, SCAN_CHUNK_BYTES } from './limits.ts'
import type { LaneFile } from './ports.ts'
import { FRAME_HEAD_BYTES, FRAME_MAGIC, parseFrameHead } from './record.ts'
import type { FrameHead } from './record.ts'

export type ScanItem =
  | {
      readonly kind: 'record'
      readonly offset: number
      readonly head: FrameHead
      readonly bytes: Uint8Array
    }
  | { readonly kind: 'damage'; readonly offset: number; readonly length: number }

export interface ScanRange {
  readonly lane: NodeId
  /** Where a record starts, and the end of what may be read. */
  readonly from: number
  readonly to: number
  /** The height before the first record, if known: see S2. */
  readonly afterHeight: number
  /** Read at once; SCAN_CHUNK_BYTES when absent. */
  readonly chunkBytes?: number
}

/** Yields every record in the range and, between them, the stretches that hold none. */
export async function* scanFile(file: LaneFile, range: ScanRange): AsyncGenerator<ScanItem> {
  const window = new ByteWindow(file, range)
  let offset = range.from
  let height = range.afterHeight
  while (offset < range.to) {
    const found =
      (await recordAt(window, offset)) ??
      (await nextRecord(window, { ...range, from: offset, afterHeight: height }))
    const end = found?.offset ?? range.to
    if (end > offset) yield { kind: 'damage', offset, length: end - offset }
    if (found === null) return
    yield found
    height = Math.max(height, found.head.height)
    offset = found.offset + found.head.recordBytes
  }
}

type FoundRecord = ScanItem & { readonly kind: 'record' }

/** The record whose frame starts at `offset`, or null when no whole one does. */
async function recordAt(window: ByteWindow, offset: number): Promise<FoundRecord | null> {
  const start = window.peek(offset, FRAME_HEAD_BYTES) ?? (await window.at(offset, FRAME_HEAD_BYTES))
  const head = parseFrameHead(start)
  if (head === null) return null
  const size = head.recordBytes
  const bytes = window.peek(offset, size) ?? (await window.at(offset, size))
  return bytes.length === size ? { kind: 'record', offset, head, bytes } : null
}

/** The first record behind `range.from` that is certainly one of this lane (S2). */
async function nextRecord(window: ByteWindow, range: ScanRange): Promise<FoundRecord | null> {
  let offset = range.from + 1
  while (offset < range.to) {
    const bytes = await window.at(offset, SCAN_CHUNK_BYTES)
    const index = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(FRAME_MAGIC)
    if (index === -1) {
      if (bytes.length < SCAN_CHUNK_BYTES) return null
      offset += bytes.length - (FRAME_MAGIC.length - 1) // A magic may lie across two chunks.
      continue
    }
    offset += index
    const found = await recordAt(window, offset)
    if (found !== null && found.head.height > range.afterHeight) {
      if (signedHeader(range.lane, found.bytes, found.head) !== null) return found
    }
    offset += 1
  }
  return null
}

/** A stretch of a file in memory. What it hands out stays valid: it never writes into a buffer again. */
class ByteWindow {
  readonly #file: LaneFile
  readonly #end: number
  readonly #chunkBytes: number
  #bytes: Uint8Array = new Uint8Array(0)
  #start = 0

  constructor(file: LaneFile, { to, chunkBytes }: ScanRange) {
    this.#file = file
    this.#end = to
    this.#chunkBytes = chunkBytes ?? SCAN_CHUNK_BYTES
  }

  /** The bytes if they are here already: no turn of the event loop for most records. */
  peek(offset: number, length: number): Uint8Array | null {
    const from = offset - this.#start
    if (from < 0 || from + length > this.#bytes.length) return null
    return this.#bytes.subarray(from, from + length)
  }

  /** The bytes, fewer only at the end of the range. */
  async at(offset: number, length: number): Promise<Uint8Array> {
    const size = Math.min(length, this.#end - offset, RECORD_BYTES_MAX)
    const known = this.peek(offset, size)
    if (known !== null) return known
    const wanted = Math.min(Math.max(size, this.#chunkBytes), this.#end - offset)
    this.#bytes = await this.#file.read(offset, wanted)
    this.#start = offset
    return this.#bytes.subarray(0, size)
  }
}
