import assert from 'node:assert/strict'
import { GarbageGuard } from '../../../node/garbage-guard.ts'
import { GARBAGE_BYTES_MAX } from '../../../node/limits.ts'

const MB = 1000 * 1000

describe('garbage of a busy kernel', () => {
  it('is collected thoroughly once there is enough above what was left the last time (G1)', () => {
    const guard = new GarbageGuard()
    assert.equal(guard.collected(90 * MB, false), false, 'what the start has made')
    assert.equal(guard.collected(50 * MB, true), false)
    assert.equal(guard.collected(50 * MB + GARBAGE_BYTES_MAX, false), false)
    assert.equal(guard.collected(51 * MB + GARBAGE_BYTES_MAX, false), true)
    assert.equal(guard.collected(80 * MB, true), false)
    assert.equal(guard.collected(81 * MB, false), false, 'that much lives now')
  })

  it('begins where the least was in use', () => {
    const guard = new GarbageGuard()
    guard.collected(80 * MB, true)
    guard.collected(40 * MB, false)
    assert.equal(guard.collected(41 * MB + GARBAGE_BYTES_MAX, false), true)
  })

  it('is half of what lives where that is much, so that a large heap is not looked through all the time', () => {
    const guard = new GarbageGuard()
    guard.collected(400 * MB, true)
    assert.equal(guard.collected(599 * MB, false), false)
    assert.equal(guard.collected(601 * MB, false), true)
  })
})
