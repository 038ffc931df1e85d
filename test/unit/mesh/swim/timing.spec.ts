import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  boundedScore,
  confirmationsWanted,
  probeInterval,
  probeTimeout,
  retransmissions,
  suspicionMax,
  suspicionMin,
  suspicionTimeout
} from '../../../../mesh/swim/timing.ts'

describe('mesh/swim: timing', () => {
  it('passes a rumour on as often as memberlist does', () => {
    assert.deepEqual(
      [1, 9, 10, 99, 100, 1000, 10_000].map(retransmissions),
      [4, 4, 8, 8, 12, 16, 20]
    )
  })

  it('is patient in proportion to its own trouble (Lifeguard, local health multiplier)', () => {
    assert.deepEqual([0, 1, 8, 99].map(probeTimeout), [500, 1000, 4500, 4500])
    assert.deepEqual([0, 3, 8].map(probeInterval), [1000, 4000, 9000])
    assert.deepEqual([-5, 0, 4.7, 9].map(boundedScore), [0, 0, 4, 8])
  })

  it('suspects for 4 intervals, times the decimal logarithm of the members', () => {
    assert.deepEqual(
      [1, 5, 10, 100, 1000, 10_000].map(suspicionMin),
      [4000, 4000, 4000, 8000, 12_000, 16_000]
    )
    assert.equal(suspicionMax(10), 24_000)
    assert.deepEqual([2, 3, 4, 50].map(confirmationsWanted), [0, 0, 2, 2])
  })

  it('shortens a suspicion that others share, by the logarithm, down to its least', () => {
    assert.equal(suspicionTimeout(10, 0), 24_000)
    assert.equal(Math.round(suspicionTimeout(10, 1)), 11_381)
    assert.equal(suspicionTimeout(10, 2), 4000)
    assert.equal(suspicionTimeout(2, 0), 4000)
  })

  it('never leaves its bounds, and never grows by a confirmation', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20_000 }), fc.nat(40), (members, shared) => {
        const now = suspicionTimeout(members, shared)
        assert.ok(now >= suspicionMin(members) && now <= suspicionMax(members))
        assert.ok(suspicionTimeout(members, shared + 1) <= now)
      })
    )
  })
})
