// The head file of a lane: the last block known to be durable, synced apart from the lane itself, so
// that a lane that has lost its tail is told from one that never had it.
//
// Invariants
//   H1. It never names a block that was not durable in the lane before.
//   H2. Two slots are written in turn. A write torn by a crash costs one; the other still stands.

import { equalBytes, HASH_BYTES, shake256 } from '../core/index.ts'
import { INTEGER_MAX } from './limits.ts'
import type { LaneDisk, LaneFile } from './ports.ts'

/** A block that was durable. */
export interface KnownHead {
  readonly height: number
  readonly hash: Uint8Array
}

interface Slot extends KnownHead {
  readonly sequence: number
}

const SLOT_SPACING_BYTES = 4096 // One page and one physical sector each: no write touches both.
const CHECKED_BYTES = 24 + HASH_BYTES
const SLOT_BYTES = CHECKED_BYTES + HASH_BYTES
const MAGIC = 0x57465448 // `WFTH`
const VERSION = 1

export class HeadFile {
  readonly #file: LaneFile
  #sequence: number
  #known: KnownHead | null

  private constructor(file: LaneFile, newest: Slot | null) {
    this.#file = file
    this.#sequence = newest?.sequence ?? 0
    this.#known = newest
  }

  static async open(disk: LaneDisk, name: string): Promise<HeadFile> {
    const file = await disk.create(name)
    const slots: Slot[] = []
    for (const index of [0, 1]) {
      const slot = decodeSlot(await file.read(index * SLOT_SPACING_BYTES, SLOT_BYTES))
      if (slot !== null) slots.push(slot)
    }
    slots.sort((a, b) => b.sequence - a.sequence)
    return new HeadFile(file, slots[0] ?? null)
  }

  /** The newest head that was written, or null when none ever was, or none can be read. */
  get known(): KnownHead | null {
    return this.#known
  }

  /** Durable once resolved. Calls must not overlap. After a rejection the other slot still stands (H2). */
  async write(head: KnownHead): Promise<void> {
    const sequence = this.#sequence + 1
    const offset = (sequence % 2) * SLOT_SPACING_BYTES
    await this.#file.write(offset, encodeSlot({ ...head, sequence }))
    await this.#file.sync()
    this.#sequence = sequence
    this.#known = head
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}

function encodeSlot(slot: Slot): Uint8Array {
  const bytes = new Uint8Array(SLOT_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, MAGIC)
  view.setUint32(4, VERSION)
  view.setBigUint64(8, BigInt(slot.sequence))
  view.setBigUint64(16, BigInt(slot.height))
  bytes.set(slot.hash, 24)
  bytes.set(shake256('weft/head/1', bytes.subarray(0, CHECKED_BYTES)), CHECKED_BYTES)
  return bytes
}

function decodeSlot(bytes: Uint8Array): Slot | null {
  if (bytes.length !== SLOT_BYTES) return null
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const checksum = shake256('weft/head/1', bytes.subarray(0, CHECKED_BYTES))
  if (!equalBytes(checksum, bytes.subarray(CHECKED_BYTES))) return null
  if (view.getUint32(0) !== MAGIC || view.getUint32(4) !== VERSION) return null
  const sequence = Number(view.getBigUint64(8))
  const height = Number(view.getBigUint64(16))
  if (sequence > INTEGER_MAX || height > INTEGER_MAX) return null
  return { sequence, height, hash: bytes.slice(24, CHECKED_BYTES) }
}
