// Runs: records of one lane as they travel and lie on disk, one behind another, in one piece of memory. What
// comes from a peer is cut into runs once, and from there on checked, written and counted as a whole.
//
// Invariants
//   U1. A run holds whole records only, each with a frame that says its height and its size.
//   U2. What waits here is at most one run and one record.
//   U3. The memory of a run is written over only when whoever has it says that nobody looks at it any more.

import { FormatError } from './errors.ts'
import { CHECK_BATCH_BYTES, RECORD_BYTES_MAX } from './limits.ts'
import type { RecordRun } from './ports.ts'
import { FRAME_HEAD_BYTES, parseFrameHead } from './record.ts'
import type { ScanItem } from './scan.ts'

/** A run, the start of the record behind it, and the piece of a stream that makes it full, in most cases. */
const CAPACITY = 2 * CHECK_BATCH_BYTES

/** A run in memory that is used again. */
export interface LentRun extends RecordRun {
  /** Nobody looks at its bytes any more (U3). Idempotent. */
  giveBack(): void
}

/**
 * Puts runs together from the pieces of a stream, wherever it was cut. Their memory is shared between threads,
 * so that they are checked where they lie: what is handed to another thread and back is garbage on both.
 */
export class RunCutter {
  /** Memory that has been given back, as much as was in use at one time. */
  readonly #free: Uint8Array[] = []
  #buffer: Uint8Array = new Uint8Array(0)
  #filled = 0
  /** Where the last whole record ends. */
  #cut = 0
  #records: { readonly height: number; readonly size: number }[] = []

  /**
   * Null until there is enough for a run.
   * @throws FormatError where a record should start and none does; nothing behind that can be cut
   */
  push(piece: Uint8Array): LentRun | null {
    this.#reserve(this.#filled + piece.length)
    this.#buffer.set(piece, this.#filled)
    this.#filled += piece.length
    this.#look()
    return this.#cut < CHECK_BATCH_BYTES ? null : this.take()
  }

  /** The whole records that wait, or null. */
  take(): LentRun | null {
    if (this.#cut === 0) return null
    const buffer = this.#buffer
    const bytes = buffer.subarray(0, this.#cut)
    const records = this.#records
    const rest = buffer.subarray(this.#cut, this.#filled)
    this.#buffer = new Uint8Array(0)
    this.#filled = 0
    this.#cut = 0
    this.#records = []
    this.#reserve(rest.length)
    this.#buffer.set(rest)
    this.#filled = rest.length
    let isLent = true
    const giveBack = (): void => {
      if (isLent && buffer.length === CAPACITY) this.#free.push(buffer)
      isLent = false
    }
    return { bytes, records, giveBack }
  }

  #look(): void {
    while (this.#filled - this.#cut >= FRAME_HEAD_BYTES) {
      const head = parseFrameHead(this.#buffer.subarray(this.#cut, this.#cut + FRAME_HEAD_BYTES))
      if (head === null) throw new FormatError('a record has no valid frame')
      if (this.#filled - this.#cut < head.recordBytes) return
      this.#records.push({ height: head.height, size: head.recordBytes })
      this.#cut += head.recordBytes
    }
  }

  /** Grows in steps, so that a large record is not copied for each piece of it. */
  #reserve(size: number): void {
    if (size <= this.#buffer.length) return
    const isUsual = size <= CAPACITY
    const step = isUsual ? CAPACITY : CHECK_BATCH_BYTES + RECORD_BYTES_MAX
    const grown = (isUsual ? this.#free.pop() : null) ?? sharedBytes(Math.max(size, step))
    grown.set(this.#buffer.subarray(0, this.#filled))
    if (this.#buffer.length === CAPACITY) this.#free.push(this.#buffer)
    this.#buffer = grown
  }
}

function sharedBytes(length: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(length))
}

/** The records of a run, each by itself. */
export function recordsIn({ bytes, records }: RecordRun): readonly Uint8Array[] {
  let offset = 0
  return records.map(({ size }) => {
    const record = bytes.subarray(offset, offset + size)
    offset += size
    return record
  })
}

/** The same records as a run, or null where one of them is not even framed. */
export function runOf(records: readonly Uint8Array[]): RecordRun | null {
  const sizes: { readonly height: number; readonly size: number }[] = []
  let size = 0
  for (const record of records) {
    const head = parseFrameHead(record)
    if (head === null || head.recordBytes !== record.length) return null
    sizes.push({ height: head.height, size: record.length })
    size += record.length
  }
  const bytes = new Uint8Array(size)
  let offset = 0
  for (const record of records) {
    bytes.set(record, offset)
    offset += record.length
  }
  return { bytes, records: sizes }
}

/** Found records with heights that follow one another, joined where they lie side by side in memory. */
export async function* joinedPieces(
  items: AsyncIterable<ScanItem>,
  fromHeight: number,
  toHeight: number
): AsyncGenerator<{ readonly bytes: Uint8Array; readonly next: number }> {
  let piece: Uint8Array | null = null
  let next = fromHeight
  for await (const item of items) {
    if (item.kind === 'damage') continue // What follows it is not the next height, and ends this.
    if (item.head.height !== next || next > toHeight) break
    const { buffer, byteOffset, length } = item.bytes
    const isBehind: boolean =
      piece?.buffer === buffer && piece.byteOffset + piece.length === byteOffset
    if (piece !== null && isBehind) {
      piece = new Uint8Array(buffer, piece.byteOffset, piece.length + length)
    } else {
      if (piece !== null) yield { bytes: piece, next }
      piece = item.bytes
    }
    next += 1
  }
  if (piece !== null) yield { bytes: piece, next }
}
