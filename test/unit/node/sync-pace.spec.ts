import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  SYNC_QUICK_MS,
  SYNC_SPOT_BYTES_MAX,
  SYNCS_ON_THE_SPOT_MAX,
  SYNCS_QUICK_MIN
} from '../../../node/limits.ts'
import { afterSync, isOnTheSpot, SYNC_PACE_START } from '../../../node/sync-pace.ts'

/** Which of these syncs were made on the spot. */
function madeOnTheSpot(tookMs: readonly number[], bytes = 500): readonly boolean[] {
  let pace = SYNC_PACE_START
  return tookMs.map((took) => {
    const was = isOnTheSpot(pace, bytes)
    pace = afterSync(pace, bytes, took)
    return was
  })
}

describe('node: the pace of syncs', () => {
  const quick = SYNC_QUICK_MS
  const slow = SYNC_QUICK_MS * 2

  it('syncs on the spot once the disk has shown to be quick', () => {
    const made = madeOnTheSpot(Array.from({ length: SYNCS_QUICK_MIN + 2 }, () => quick))
    assert.deepEqual(made.slice(0, SYNCS_QUICK_MIN), Array(SYNCS_QUICK_MIN).fill(false))
    assert.deepEqual(made.slice(SYNCS_QUICK_MIN), [true, true])
  })

  it('never makes two slow syncs on the spot without quick ones between (P1)', () => {
    const took = fc.array(fc.constantFrom(quick, slow), { maxLength: 200 })
    fc.assert(
      fc.property(took, (times) => {
        const made = madeOnTheSpot(times)
        for (const [index, was] of made.entries()) {
          if (!was) continue
          const before = times.slice(Math.max(0, index - SYNCS_QUICK_MIN), index)
          assert.deepEqual(before, Array(SYNCS_QUICK_MIN).fill(quick))
        }
      })
    )
  })

  it('gives the event loop a turn after SYNCS_ON_THE_SPOT_MAX, however quick they are (P2)', () => {
    const made = madeOnTheSpot(Array.from({ length: 100 }, () => quick))
    let inARow = 0
    for (const was of made) {
      inARow = was ? inARow + 1 : 0
      assert(inARow <= SYNCS_ON_THE_SPOT_MAX)
    }
    assert(made.filter(Boolean).length > 70)
  })

  it('never makes a large one on the spot, and learns nothing from it (P3)', () => {
    const large = SYNC_SPOT_BYTES_MAX + 1
    const times = Array.from({ length: 3 * SYNCS_QUICK_MIN }, () => quick)
    assert(madeOnTheSpot(times, SYNC_SPOT_BYTES_MAX).includes(true))
    assert(!madeOnTheSpot(times, large).includes(true))
    let pace = SYNC_PACE_START
    for (const took of times.slice(0, SYNCS_QUICK_MIN)) pace = afterSync(pace, 500, took)
    assert(isOnTheSpot(afterSync(pace, large, slow), 500))
  })
})
