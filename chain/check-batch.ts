// Checking many records at once: the part of verification that takes time, and needs nothing but bytes, so
// that it may be done on another core. What only a lane as a whole can show is for `verify` to judge.

import { checkRecord } from './check.ts'
import type { CheckBatch, RecordChecker, RecordVerdict } from './ports.ts'

export function checkBatch({ lane, bytes, records }: CheckBatch): readonly RecordVerdict[] {
  let offset = 0
  return records.map(({ height, size }) => {
    const record = bytes.subarray(offset, offset + size)
    offset += size
    return checkRecord(lane, record, height)
  })
}

/** Checks on the spot: for small lanes, for the simulator, and where no other core is to be had. */
export const inlineChecker: RecordChecker = {
  width: 1,
  check: (batch) => Promise.resolve(checkBatch(batch))
}
