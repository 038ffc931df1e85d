import assert from 'node:assert/strict'
import fc from 'fast-check'
import { concatBytes, toHex, WeaverError } from '../../../../core/index.ts'
import { DATA, encodeFrames, FrameReader, OPEN, RESET } from '../../../../mesh/rpc/frame.ts'
import type { Frame } from '../../../../mesh/rpc/frame.ts'
import { CHUNK_BYTES_MAX } from '../../../../mesh/rpc/limits.ts'

const anyFrame = fc.record(
  {
    type: fc.integer({ min: OPEN, max: RESET }),
    call: fc.integer({ min: 0, max: 0xffff_ffff }),
    hasMore: fc.boolean(),
    payload: fc.uint8Array({ maxLength: 300 })
  },
  { noNullPrototype: true }
)

/** Reads `bytes` cut at the given places. */
function readInPieces(bytes: Uint8Array, cuts: readonly number[]): Frame[] {
  const reader = new FrameReader()
  const frames: Frame[] = []
  const places = [...cuts.map((cut) => cut % (bytes.length + 1)), 0, bytes.length]
  places.sort((a, b) => a - b)
  for (const [index, start] of places.entries()) {
    reader.read(bytes.subarray(start, places[index + 1] ?? bytes.length), (frame) => {
      const { pieces = [], ...rest } = frame
      frames.push({ ...rest, payload: concatBytes(frame.payload, ...pieces) })
    })
  }
  return frames
}

describe('FrameReader', () => {
  it('reads what encodeFrames() wrote, wherever the bytes are cut', () => {
    const anyFrames = fc.array(anyFrame, { maxLength: 8 })
    const anyCuts = fc.array(fc.nat(), { maxLength: 30 })
    fc.assert(
      fc.property(anyFrames, anyCuts, (frames, cuts) => {
        assert.deepEqual(readInPieces(encodeFrames(frames), cuts), frames)
      })
    )
  })

  it('reads frames of the largest size byte by byte', () => {
    const payload = new Uint8Array(CHUNK_BYTES_MAX).fill(7)
    const frame: Frame = { type: DATA, call: 1, hasMore: false, payload }
    const bytes = encodeFrames([frame, frame])
    const cuts = Array.from({ length: 400 }, (_, index) => index * 331)
    assert.deepEqual(readInPieces(bytes, cuts), [frame, frame])
  })

  it('copies no large frame of a channel that arrives in few pieces', () => {
    const payload = new Uint8Array(40_000).map((_, index) => index)
    const bytes = encodeFrames([{ type: DATA, call: 1, hasMore: false, payload }])
    const reader = new FrameReader()
    const frames: Frame[] = []
    const cuts = [0, 20_000, 30_000, bytes.length]
    for (const [index, cut] of cuts.entries()) {
      reader.read(bytes.subarray(cut, cuts[index + 1] ?? cut), (frame) => frames.push(frame))
    }
    const [frame] = frames
    const parts = [frame?.payload, ...(frame?.pieces ?? [])]
    assert.deepEqual(
      parts.map((part) => [part?.buffer === bytes.buffer, part?.length]),
      [
        [true, 20_000 - 9],
        [true, 10_000],
        [true, bytes.length - 30_000]
      ]
    )
  })

  it('joins a frame that arrives in many small pieces, so that they do not pile up', () => {
    const payload = new Uint8Array(40_000).fill(3)
    const bytes = encodeFrames([{ type: DATA, call: 1, hasMore: false, payload }])
    const reader = new FrameReader()
    const frames: Frame[] = []
    for (let at = 0; at < bytes.length; at += 500) {
      reader.read(bytes.subarray(at, at + 500), (frame) => frames.push(frame))
    }
    assert.deepEqual(frames, [{ type: DATA, call: 1, hasMore: false, payload }])
  })

  it('writes version 1 of the format', () => {
    const payload = Uint8Array.of(0xaa, 0xbb)
    const bytes = encodeFrames([{ type: DATA, call: 0x01020304, hasMore: true, payload }])
    assert.equal(toHex(bytes), '000000078601020304aabb')
  })

  it('meets garbage with nothing but MESH_PROTOCOL_VIOLATED', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.array(fc.nat()), (bytes, cuts) => {
        try {
          readInPieces(bytes, cuts)
        } catch (error) {
          assert.ok(error instanceof WeaverError)
          assert.equal(error.code, 'MESH_PROTOCOL_VIOLATED')
        }
      }),
      { numRuns: 500 }
    )
  })

  it('refuses a frame above the bound before it has arrived', () => {
    const header = Uint8Array.of(0x00, 0x01, 0x00, 0x06, DATA, 0, 0, 0, 1)
    const read = (): void => void new FrameReader().read(header, () => undefined)
    assert.throws(read, { code: 'MESH_PROTOCOL_VIOLATED' })
  })
})
