// What tells that a store has lost or changed something: a sum over all that it holds, written with each batch, and
// the number of the last batch, written to a file of its own a little later.
//
// LevelDB drops what it cannot read of its log without a word, and makes an empty store where its files are gone.
//
// Invariants
//   S1. The sum changes in the same batch as what it covers.
//   S2. The head file never names a batch that is not durable.

import { hash } from 'node:crypto'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'

/** Sorts before all other keys, and is no key of a room. */
export const SUM_KEY = '!sum'
const SUM_BYTES = 16
const VERSION = 1
const SLOT_BYTES = 25
/** The two slots lie in different sectors: a torn write spoils one of them. */
const SLOT_DISTANCE = 4096

export interface StoreSum {
  /** How many batches have been written. */
  readonly sequence: number
  /** The exclusive or of a hash of each key with its value: order does not matter, and each write is one step. */
  readonly sum: Uint8Array
}

export const EMPTY_SUM: StoreSum = { sequence: 0, sum: new Uint8Array(SUM_BYTES) }

/** Puts a key with its value into a sum, or takes it out: the same step. */
export function toggled(sum: Uint8Array, key: string, value: Uint8Array): Uint8Array {
  const name = Buffer.from(key)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(name.length)
  const digest = hash('sha256', Buffer.concat([length, name, value]), 'buffer')
  return sum.map((byte, index) => byte ^ (digest[index] ?? 0))
}

export function encodeSum({ sequence, sum }: StoreSum): Uint8Array {
  const bytes = new Uint8Array(SLOT_BYTES)
  bytes[0] = VERSION
  new DataView(bytes.buffer).setBigUint64(1, BigInt(sequence))
  bytes.set(sum, 9)
  return bytes
}

/** Null for bytes that are none. */
export function decodeSum(bytes: Uint8Array): StoreSum | null {
  if (bytes.length !== SLOT_BYTES || bytes[0] !== VERSION) return null
  const sequence = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(1)
  return { sequence: Number(sequence), sum: bytes.slice(9) }
}

/** The file that names a batch known to be durable. */
export class StoreHead {
  readonly #path: string
  /** The greatest number that the file has named; 0 where there is none that can be read. */
  readonly found: number
  #named: number

  private constructor(path: string, found: number) {
    this.#path = path
    this.found = found
    this.#named = found
  }

  static async open(path: string): Promise<StoreHead> {
    let file: FileHandle
    try {
      file = await open(path, 'r')
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
        return new StoreHead(path, 0)
      }
      throw error
    }
    try {
      const sequences = [0, SLOT_DISTANCE].map(async (offset) => {
        const { buffer, bytesRead } = await file.read(
          Buffer.alloc(2 * SLOT_BYTES),
          0,
          2 * SLOT_BYTES,
          offset
        )
        return slotIn(buffer.subarray(0, bytesRead))
      })
      return new StoreHead(path, Math.max(...(await Promise.all(sequences))))
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      throw new Error(`cannot read ${path}: ${why}`, { cause: error })
    } finally {
      await file.close()
    }
  }

  /** Durable once resolved. Calls must not overlap. */
  async name(sequence: number): Promise<void> {
    if (sequence <= this.#named) return
    const file = await open(this.#path, 'a+', 0o600)
    await file.close()
    const handle = await open(this.#path, 'r+')
    try {
      const number = encodeSum({ sequence, sum: EMPTY_SUM.sum })
      const slot = Buffer.concat([number, toggled(EMPTY_SUM.sum, 'head', number), Buffer.alloc(9)])
      await handle.write(slot, 0, slot.length, (sequence % 2) * SLOT_DISTANCE)
      await handle.datasync()
    } finally {
      await handle.close()
    }
    this.#named = sequence
  }
}

/** The number in a slot whose check holds, else 0. */
function slotIn(slot: Uint8Array): number {
  const number = decodeSum(slot.subarray(0, SLOT_BYTES))
  if (number === null) return 0
  const check = toggled(EMPTY_SUM.sum, 'head', slot.subarray(0, SLOT_BYTES))
  return Buffer.compare(check, slot.subarray(SLOT_BYTES, SLOT_BYTES + SUM_BYTES)) === 0
    ? number.sequence
    : 0
}
