// Checking many records at once: the part of verification that takes time, and needs nothing but bytes, so
// that it may be done on another core. What only a lane as a whole can show is for `verify` to judge.

import { checkLink, tipOf } from './block.ts'
import type { SignedBlock, Tip } from './block.ts'
import { checkRecord } from './check.ts'
import type { CheckBatch, CheckedRun, RecordChecker, RecordVerdict } from './ports.ts'
import { recordsIn } from './run.ts'

export function checkBatch(batch: CheckBatch): readonly RecordVerdict[] {
  const { lane, records } = batch
  return recordsIn(batch).map((record, index) =>
    checkRecord(lane, record, records[index]?.height ?? 0)
  )
}

/** Checks records as `checkBatch` does, and whether each follows the one before it. */
export function checkRun(batch: CheckBatch): CheckedRun {
  const { lane, bytes, records } = batch
  let first: SignedBlock | null = null
  let tip: Tip | null = null
  let offset = 0
  for (const { height, size } of records) {
    const check = checkRecord(lane, bytes.subarray(offset, offset + size), height)
    offset += size
    const { block } = check
    const isPlain = check.problems.length + check.redactions.length + check.rotations.length === 0
    if (block === null || !isPlain) return { bytes, plain: null }
    const isNext = tip === null || (height === tip.height + 1 && checkLink(tip, block).length === 0)
    if (!isNext) return { bytes, plain: null }
    first ??= block
    tip = tipOf(block)
  }
  return { bytes, plain: first === null || tip === null ? null : { first, tip } }
}

/** Checks on the spot: for small lanes, for the simulator, and where no other core is to be had. */
export const inlineChecker: RecordChecker = {
  width: 1,
  expect: () => undefined,
  check: (batch) => Promise.resolve(checkBatch(batch)),
  checkRun: (batch) => Promise.resolve(checkRun(batch))
}
