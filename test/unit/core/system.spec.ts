import assert from 'node:assert/strict'
import { millis } from '../../../core/index.ts'
import { systemClock } from '../../../core/system.ts'

// A short sleep of the same clock tells the order: one that ends too early ends after a millisecond.
describe('the real clock', () => {
  for (const days of [1, 24, 25, 30, 365]) {
    it(`sleeps ${days} days as long as nobody wakes it`, async () => {
      const stopping = new AbortController()
      const long = systemClock.sleep(millis(days * 86_400_000), stopping.signal)
      const first = await Promise.race([
        long.then(() => 'the long one'),
        systemClock.sleep(millis(20)).then(() => 'the short one')
      ])
      assert.equal(first, 'the short one')
      const why = new Error('enough')
      stopping.abort(why)
      await assert.rejects(long, why)
    })
  }
})
