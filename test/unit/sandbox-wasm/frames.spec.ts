import assert from 'node:assert/strict'
import fc from 'fast-check'
import { encodeFrame, FrameReader } from '../../../sandbox-wasm/worker/frames.ts'

describe('FrameReader', () => {
  it('gives the messages back however the bytes are cut', () => {
    const messages = fc.array(fc.jsonValue(), { maxLength: 8 })
    fc.assert(
      fc.property(messages, fc.integer({ min: 1, max: 40 }), (sent, size) => {
        const bytes = Buffer.concat(sent.map((message) => encodeFrame(message)))
        const reader = new FrameReader(1_000_000)
        const got: unknown[] = []
        for (let at = 0; at < bytes.length; at += size) {
          got.push(...reader.push(bytes.subarray(at, at + size)))
        }
        assert.deepEqual(JSON.stringify(got), JSON.stringify(sent))
      })
    )
  })

  it('refuses a message that is too long as soon as its length is known', () => {
    const frame = encodeFrame('x'.repeat(20))
    assert.throws(() => new FrameReader(21).push(frame.subarray(0, 4)), /exceeds 21/)
    assert.deepEqual(new FrameReader(22).push(frame), ['x'.repeat(20)])
  })

  it('refuses what is not JSON', () => {
    assert.throws(() => new FrameReader(100).push(Uint8Array.of(0, 0, 0, 1, 0x7b)), SyntaxError)
  })
})
