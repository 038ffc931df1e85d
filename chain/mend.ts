// Writing one file of a lane anew: with some records replaced, those that were missing filled in, and
// whatever belongs to no block left out. Old file and new are both whole; a rename puts one for the other.
//
// Invariants
//   M1. Until the rename nothing of the old file is touched: a crash leaves the lane as it was.
//   M2. What is not replaced is copied as it is, damage within records included: only a sound record of
//       the same height may take its place, and the caller has checked that.

import type { NodeId } from '../core/index.ts'
import { MEND_WRITE_BYTES } from './limits.ts'
import type { LaneDisk, LaneFile } from './ports.ts'
import { scanFile } from './scan.ts'
import { mendName, Segment } from './segment.ts'

export interface MendInput {
  readonly lane: NodeId
  readonly segment: Segment
  /** The last height that belongs into this file. */
  readonly lastHeight: number
  readonly records: ReadonlyMap<number, Uint8Array>
  /** What is written in the place of each other record; the record itself where this is absent. */
  readonly change?: (record: Uint8Array) => Uint8Array
}

/** The segment that now stands in the place of the old one. Durable once resolved. */
export async function mendSegment(disk: LaneDisk, input: MendInput): Promise<Segment> {
  const { lane, segment } = input
  const name = mendName(lane)
  await disk.remove(name) // Left by a crash.
  const file = await disk.create(name)
  const fresh = new Segment(segment.name, segment.firstHeight, 0)
  try {
    const writer = new RecordWriter(file, fresh)
    const old = await disk.open(segment.name)
    try {
      await copy(input, old, writer)
    } finally {
      await old?.close()
    }
    await writer.finish()
    await file.sync()
  } finally {
    await file.close()
  }
  await disk.rename(name, segment.name)
  // From here the lane is the mended one.
  return fresh
}

async function copy(input: MendInput, old: LaneFile | null, writer: RecordWriter): Promise<void> {
  const { lane, segment, lastHeight, records, change } = input
  const waiting = [...records.keys()]
    .filter((height) => height >= segment.firstHeight && height <= lastHeight)
    .toSorted((a, b) => a - b)
  const fill = async (below: number): Promise<void> => {
    while ((waiting[0] ?? below) < below) {
      const height = waiting.shift()
      const record = height === undefined ? undefined : records.get(height)
      if (height !== undefined && record !== undefined) await writer.add(height, record)
    }
  }
  if (old !== null) {
    const range = { lane, from: 0, to: segment.size, afterHeight: segment.firstHeight - 1 }
    for await (const item of scanFile(old, range)) {
      if (item.kind === 'damage' || item.head.height > lastHeight) continue
      await fill(item.head.height)
      if (waiting[0] === item.head.height) await fill(item.head.height + 1)
      else if (item.head.height > writer.height) {
        await writer.add(item.head.height, change?.(item.bytes) ?? item.bytes)
      }
    }
  }
  await fill(lastHeight + 1)
}

class RecordWriter {
  height = 0
  readonly #file: LaneFile
  readonly #segment: Segment
  #parts: Uint8Array[] = []
  #bytes = 0

  constructor(file: LaneFile, segment: Segment) {
    this.#file = file
    this.#segment = segment
  }

  async add(height: number, record: Uint8Array): Promise<void> {
    this.#segment.note(height, this.#segment.size + this.#bytes)
    this.height = height
    this.#parts.push(record)
    this.#bytes += record.length
    if (this.#bytes >= MEND_WRITE_BYTES) await this.finish()
  }

  async finish(): Promise<void> {
    await this.#file.write(this.#segment.size, Buffer.concat(this.#parts))
    this.#segment.size += this.#bytes
    this.#parts = []
    this.#bytes = 0
  }
}
