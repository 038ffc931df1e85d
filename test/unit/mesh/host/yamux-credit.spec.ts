import assert from 'node:assert/strict'
import fc from 'fast-check'
import { CREDIT_STREAMS_MAX, CREDIT_WITHHELD_BYTES_MAX } from '../../../../mesh/host-limits.ts'
import { YamuxCredit } from '../../../../mesh/yamux-credit.ts'

/** By the specification every stream begins with it. */
const FIRST_WINDOW_BYTES = 256 * 1024

describe('mesh: the credit of yamux’s streams', () => {
  it('is held back while it is small, and goes out as one when it comes to half a window', () => {
    const credit = new YamuxCredit()
    assert.equal(credit.pass(update(1, 1000)), null)
    assert.equal(credit.pass(update(3, 500)), null)
    assert.deepEqual(
      credit.pass(update(1, CREDIT_WITHHELD_BYTES_MAX - 1000)),
      update(1, CREDIT_WITHHELD_BYTES_MAX)
    )
    assert.equal(credit.pass(update(1, 7)), null, 'and begins anew')
    assert.deepEqual(credit.pass(update(9, FIRST_WINDOW_BYTES)), update(9, FIRST_WINDOW_BYTES))
  })

  it('is all that waits: what opens, ends or resets a stream, pings and messages go at once', () => {
    const credit = new YamuxCredit()
    for (const flag of [1, 2, 4, 8]) {
      const flagged = update(1, 0)
      flagged[3] = flag
      assert.equal(credit.pass(flagged), flagged)
    }
    const ping = update(0, 5)
    ping[1] = 2
    const message = Uint8Array.of(...update(1, 3), 1, 2, 3)
    const short = update(1, 3).subarray(1)
    for (const frame of [ping, message, short, new Uint8Array(0)]) {
      assert.equal(credit.pass(frame), frame)
    }
  })

  it('never stops a sender, whatever it sends on whichever stream (U1)', () => {
    const sizes = fc.array(
      fc.record({
        stream: fc.integer({ min: 1, max: 3 }),
        size: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 65_536 }))
      }),
      { maxLength: 300 }
    )
    fc.assert(
      fc.property(sizes, (messages) => {
        const credit = new YamuxCredit()
        const windows = new Map<number, number>()
        for (const { stream, size } of messages) {
          const before = windows.get(stream) ?? FIRST_WINDOW_BYTES
          assert.ok(before >= FIRST_WINDOW_BYTES / 2 && size <= before)
          windows.set(stream, before - size)
          const frame = credit.pass(update(stream, size)) // Taken in at once, and said so.
          if (frame === null) continue
          const view = new DataView(frame.buffer)
          const told = view.getUint32(4)
          windows.set(told, (windows.get(told) ?? 0) + view.getUint32(8))
        }
        for (const left of windows.values()) assert.ok(left <= FIRST_WINDOW_BYTES)
      }),
      { numRuns: 200 }
    )
  })

  it('of many streams, as of those that have ended, waits for the latest only', () => {
    const credit = new YamuxCredit()
    for (let stream = 1; stream <= CREDIT_STREAMS_MAX; stream++) {
      assert.equal(credit.pass(update(stream, stream)), null)
    }
    assert.equal(credit.pass(update(1, 1)), null, 'heard of again')
    assert.deepEqual(credit.pass(update(1_000_001, 1)), update(2, 2))
  })
})

function update(stream: number, credit: number): Uint8Array {
  const frame = new Uint8Array(12)
  frame[1] = 1
  const view = new DataView(frame.buffer)
  view.setUint32(4, stream)
  view.setUint32(8, credit)
  return frame
}
