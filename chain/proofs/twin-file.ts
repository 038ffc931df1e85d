// A small value that is replaced as a whole, in two files that are written in turn.
//
// Invariants
//   W1. What `write` has resolved for is read at the next start; a write torn by a crash costs only itself.

import { concatBytes, equalBytes, HASH_BYTES, shake256 } from '../../core/index.ts'
import { INTEGER_MAX } from '../limits.ts'
import type { LaneDisk } from '../ports.ts'

const MAGIC = 0x57465453 // `WFTS`
const VERSION = 1
const HEAD_BYTES = 20
/** A note of full size twice, and what stands beside it. */
const BODY_BYTES_MAX: number = 256 * 1024
const DOMAIN = 'weft/slot/1'

interface Slot {
  readonly sequence: number
  readonly body: Uint8Array
}

export class TwinFile {
  readonly #disk: LaneDisk
  readonly #name: string
  #newest: Slot | null

  private constructor(disk: LaneDisk, name: string, newest: Slot | null) {
    this.#disk = disk
    this.#name = name
    this.#newest = newest
  }

  static async open(disk: LaneDisk, name: string): Promise<TwinFile> {
    const slots: Slot[] = []
    for (const twin of ['a', 'b']) {
      const file = await disk.open(`${name}-${twin}`)
      if (file === null) continue
      try {
        const slot = decodeSlot(await file.read(0, HEAD_BYTES + BODY_BYTES_MAX + HASH_BYTES))
        if (slot !== null) slots.push(slot)
      } finally {
        await file.close()
      }
    }
    slots.sort((a, b) => b.sequence - a.sequence)
    return new TwinFile(disk, name, slots[0] ?? null)
  }

  get value(): Uint8Array | null {
    return this.#newest?.body ?? null
  }

  /** Durable once resolved (W1). Calls must not overlap. After a rejection the value before it stands. */
  async write(body: Uint8Array): Promise<void> {
    const slot = { sequence: (this.#newest?.sequence ?? 0) + 1, body }
    const bytes = encodeSlot(slot)
    const file = await this.#disk.create(`${this.#name}-${slot.sequence % 2 === 0 ? 'a' : 'b'}`)
    try {
      await file.write(0, bytes)
      await file.truncate(bytes.length)
      await file.sync()
    } finally {
      await file.close()
    }
    // From here the value is durable.
    this.#newest = slot
  }
}

function encodeSlot({ sequence, body }: Slot): Uint8Array {
  const head = new Uint8Array(HEAD_BYTES)
  const view = new DataView(head.buffer)
  view.setUint32(0, MAGIC)
  view.setUint32(4, VERSION)
  view.setBigUint64(8, BigInt(sequence))
  view.setUint32(16, body.length)
  return concatBytes(head, body, shake256(DOMAIN, head, body))
}

function decodeSlot(bytes: Uint8Array): Slot | null {
  if (bytes.length < HEAD_BYTES + HASH_BYTES) return null
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = HEAD_BYTES + view.getUint32(16)
  const sequence = Number(view.getBigUint64(8))
  const isSlot = view.getUint32(0) === MAGIC && view.getUint32(4) === VERSION
  if (!isSlot || end + HASH_BYTES !== bytes.length || sequence > INTEGER_MAX) return null
  const body = bytes.slice(HEAD_BYTES, end)
  const sum = shake256(DOMAIN, bytes.subarray(0, HEAD_BYTES), body)
  return equalBytes(sum, bytes.subarray(end)) ? { sequence, body } : null
}
