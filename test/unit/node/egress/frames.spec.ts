import assert from 'node:assert/strict'
import fc from 'fast-check'
import { frame, FrameReader } from '../../../../node/egress/frames.ts'

/** As the carrier writes it. */
function told(verb: string, id: number, body: Buffer): Buffer {
  const bytes = frame('more', id, body)
  bytes.write(verb, 0, 'latin1')
  return bytes
}

describe('egress: frames', () => {
  it('are read the same, in whatever pieces they come', () => {
    const counts = Buffer.alloc(16)
    counts.writeBigUInt64BE(5n, 0)
    counts.writeBigUInt64BE(2n ** 40n, 8)
    const stream = Buffer.concat([
      told('R', 0, Buffer.alloc(0)),
      told('O', 1, Buffer.alloc(0)),
      told('D', 1, Buffer.from('hello')),
      told('?', 1, Buffer.from('from another version')),
      told('M', 1, Buffer.alloc(3)),
      told('G', 2 ** 32 - 1, counts)
    ])
    const whole = new FrameReader().push(stream)
    assert.deepEqual(
      whole.map(({ kind }) => kind),
      ['ready', 'opened', 'said', 'gone']
    )
    assert.deepEqual(whole.at(-1), {
      kind: 'gone',
      id: 2 ** 32 - 1,
      moved: { sentBytes: 5, receivedBytes: 2 ** 40 }
    })
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: stream.length }), { maxLength: 9 }),
        (cuts) => {
          const reader = new FrameReader()
          const places = [0, ...cuts.toSorted((a, b) => a - b), stream.length]
          const pieces = places.slice(1).map((end, at) => stream.subarray(places[at] ?? 0, end))
          assert.deepEqual(
            pieces.flatMap((piece) => reader.push(piece)),
            whole
          )
        }
      )
    )
  })
})
