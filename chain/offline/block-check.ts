// One block of a lane, checked by itself: what can be done for many blocks at once, in any order, and elsewhere.

import type { Header, Time } from './block.ts'
import type { Primitives } from './primitives.ts'
import { checkRecord } from './record.ts'
import type { CheckedRecord, Complain, RecordOf } from './record.ts'
import { redactionTargetOf } from './redactions.ts'
import { ROTATION_KIND } from './rotation.ts'

/** What the lane as a whole needs of one of its blocks: little enough to go from thread to thread. */
export interface BlockFacts {
  /** Null where the header is not one that the lane's key signed. */
  readonly header: Header | null
  readonly hash: Uint8Array
  readonly entries: number
  /** The time of the first entry, or null where it could not be read. */
  readonly firstTime: Time | null
  /** Entries whose payload is absent. */
  readonly absent: readonly number[]
  /** The ids of entries whose payloads this block takes back. */
  readonly redacted: readonly string[]
  /** Changes of key, with the slots of their payloads. */
  readonly rotations: readonly { readonly index: number; readonly slot: Uint8Array | null }[]
  readonly complaints: readonly Parameters<Complain>[]
}

/** Blocks of one lane, one behind another. */
export interface BlockBatch {
  readonly lane: string
  readonly key: Uint8Array
  readonly firstHeight: number
  readonly bytes: Uint8Array
  readonly sizes: readonly number[]
}

/** Does the work of `checkBlocks` on other cores. Takes the bytes over; calls may overlap, up to `width` are worth while. */
export interface BlockChecker {
  readonly width: number
  check(batch: BlockBatch): Promise<readonly BlockFacts[]>
}

export function checkBlocks(primitives: Primitives, batch: BlockBatch): readonly BlockFacts[] {
  const { lane, key, firstHeight, bytes, sizes } = batch
  let offset = 0
  return sizes.map((size, index) => {
    const block = bytes.subarray(offset, offset + size)
    offset += size
    return checkBlock(primitives, block, { lane, key, height: firstHeight + index })
  })
}

export function checkBlock(primitives: Primitives, bytes: Uint8Array, of: RecordOf): BlockFacts {
  const complaints: Parameters<Complain>[] = []
  const record = checkRecord(primitives, bytes, of, (...complaint) => complaints.push(complaint))
  return { ...factsOf(record), complaints }
}

function factsOf({ header, hash, rows }: CheckedRecord): Omit<BlockFacts, 'complaints'> {
  const absent: number[] = []
  const redacted: string[] = []
  const rotations: { readonly index: number; readonly slot: Uint8Array | null }[] = []
  for (const [index, { entry, payload }] of rows.entries()) {
    if (payload === null) absent.push(index)
    const target = entry === null ? null : redactionTargetOf(entry)
    if (target !== null) redacted.push(target)
    // A copy: a view would bring the bytes of the whole batch along.
    if (entry?.kind === ROTATION_KIND) rotations.push({ index, slot: payload?.slice() ?? null })
  }
  const firstTime = rows[0]?.entry?.time ?? null
  return { header, hash, entries: rows.length, firstTime, absent, redacted, rotations }
}
