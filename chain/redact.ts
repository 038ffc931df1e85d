// Taking payloads out of a record. Nothing that is signed changes: the table says that a slot is empty, the
// entry still names the hash of what was there.

import { checkRecord } from './check.ts'
import type { BlockCheck } from './check.ts'
import { decodeEntry } from './entry.ts'
import { leafHashes } from './hashes.ts'
import { SALT_BYTES } from './limits.ts'
import { encodeRecord, headerBytesOf, parseFrameHead, rowsOf, signatureOf } from './record.ts'
import type { Row } from './record.ts'
import { ROTATION_KIND } from './rotation-entry.ts'
import type { NodeId } from '../core/index.ts'

const NOTHING = new Uint8Array(0)

/**
 * The same block without the payloads of these entries, or null when none of them is there any more.
 * @throws FormatError `CHAIN_FORMAT_INVALID` for a record that is damaged
 */
export function withoutPayloads(
  record: Uint8Array,
  indexes: Pick<ReadonlySet<number>, 'has'>
): Uint8Array | null {
  const head = parseFrameHead(record)
  if (head === null) return null
  const rows = rowsOf(record, head)
  // A change of key is what later blocks are judged by: it stays, whoever takes it back.
  const isTaken = (row: Row, index: number): boolean => {
    return indexes.has(index) && decodeEntry(row.entry).kind !== ROTATION_KIND
  }
  if (!rows.some((row, index) => row.payload.length > 0 && isTaken(row, index))) return null
  const entries = rows.map((row) => row.entry)
  return encodeRecord({
    height: head.height,
    header: headerBytesOf(record, head),
    signature: signatureOf(record, head),
    leaves: leafHashes(entries),
    entries,
    slots: rows.flatMap((row, index) => {
      const slot = isTaken(row, index) ? NOTHING : row.payload
      return [slot.subarray(0, SALT_BYTES), slot.subarray(SALT_BYTES)]
    })
  })
}

/**
 * The same block without any payload, save those of changes of key; null when there is none to take out.
 * @throws FormatError `CHAIN_FORMAT_INVALID` for a record that is damaged
 */
export function withoutAnyPayload(record: Uint8Array): Uint8Array | null {
  return withoutPayloads(record, { has: () => true })
}

/** Checks a record, but lets payloads be absent: whether they may be is for `verify` to judge. */
export function checkStructure(lane: NodeId, record: Uint8Array, height: number): BlockCheck {
  return structureOf(checkRecord(lane, record, height))
}

/** The same check without what it says of absent payloads. */
export function structureOf(check: BlockCheck): BlockCheck {
  if (check.problems.length === 0) return check
  const problems = check.problems.filter(({ code }) => code !== 'CHAIN_PAYLOAD_MISSING')
  return { ...check, problems }
}
