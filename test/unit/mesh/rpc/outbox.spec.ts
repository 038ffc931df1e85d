import assert from 'node:assert/strict'
import { CallChannel } from '../../../../mesh/rpc/call-channel.ts'
import { CANCEL, DATA, FrameReader, OPEN } from '../../../../mesh/rpc/frame.ts'
import type { Frame } from '../../../../mesh/rpc/frame.ts'
import { BATCH_BYTES_MAX, CHUNK_BYTES_MAX } from '../../../../mesh/rpc/limits.ts'
import { LongMessages, Outbox } from '../../../../mesh/rpc/outbox.ts'
import type { Lane } from '../../../../mesh/rpc/outbox.ts'
import { PeerBudget } from '../../../../mesh/rpc/peer-budget.ts'

function frame(type: number, call: number, size = 1): Frame {
  return { type, call, hasMore: false, payload: new Uint8Array(size) }
}

function lane(call: number, count: number, size: number): Lane {
  let left = count
  return {
    take: () => {
      if (left === 0) return null
      left -= 1
      return frame(DATA, call, size)
    }
  }
}

function take(outbox: Outbox): Frame[] {
  const frames: Frame[] = []
  const batch = outbox.takeBatch()
  if (batch !== null) new FrameReader().read(batch, (one) => frames.push(one))
  return frames
}

describe('Outbox', () => {
  it('sends control before bulk that has waited longer (O1)', () => {
    const outbox = new Outbox()
    outbox.ready(lane(1, 2, 10))
    outbox.push(frame(CANCEL, 2))
    assert.deepEqual(
      take(outbox).map(({ type }) => type),
      [CANCEL, DATA, DATA]
    )
  })

  it('lets lanes take turns (O2)', () => {
    const outbox = new Outbox()
    outbox.ready(lane(1, 3, 10))
    outbox.ready(lane(2, 2, 10))
    assert.deepEqual(
      take(outbox).map(({ call }) => call),
      [1, 2, 1, 2, 1]
    )
  })

  it('cuts bulk into batches, so that later control waits for one batch at most (O1)', () => {
    const outbox = new Outbox()
    outbox.ready(lane(1, 100, CHUNK_BYTES_MAX))
    assert.equal(take(outbox).length, 1)
    outbox.push(frame(CANCEL, 2))
    assert.equal(take(outbox)[0]?.type, CANCEL)
  })

  it('fills a write with pieces of channels, and begins none where there is little room', () => {
    const outbox = new Outbox()
    for (const call of [1, 2]) {
      const channel = new CallChannel({ outbox, budget: new PeerBudget() }, { call })
      void channel.send(new Uint8Array(100_000))
    }
    const batches = [take(outbox), take(outbox), take(outbox), take(outbox)]
    const sizes = batches.map((batch) => batch.map(({ call, payload }) => [call, payload.length]))
    const [piece, rest] = [65_498, 100_000 - 65_498]
    assert.deepEqual(sizes, [
      [[1, piece]],
      [[2, piece]],
      [
        [1, rest],
        [2, piece - rest - 9]
      ],
      [[2, 2 * rest + 9 - piece]]
    ])
    outbox.push(frame(CANCEL, 3, BATCH_BYTES_MAX - 500))
    const late = new CallChannel({ outbox, budget: new PeerBudget() }, { call: 1 })
    void late.send(new Uint8Array(1000))
    assert.deepEqual(
      take(outbox).map(({ type }) => type),
      [CANCEL]
    )
  })

  it('says when there is something to send, and has nothing after close()', async () => {
    const outbox = new Outbox()
    const readable = outbox.readable()
    outbox.push(frame(CANCEL, 1))
    await readable
    assert.equal(outbox.controlBytes, 10)
    outbox.close()
    outbox.push(frame(CANCEL, 1))
    outbox.ready(lane(1, 1, 1))
    await outbox.readable()
    assert.equal(outbox.takeBatch(), null)
    assert.equal(outbox.controlBytes, 0)
  })
})

describe('LongMessages', () => {
  it('cuts messages into chunks, one message after another, and tells when each is sent', () => {
    const sent: number[] = []
    const long = new LongMessages()
    for (const call of [1, 2]) {
      const payload = new Uint8Array(CHUNK_BYTES_MAX + call)
      long.push({ type: OPEN, call, payload, onSent: () => sent.push(call) })
    }
    const frames = [long.take(), long.take(), long.take(), long.take(), long.take()]
    assert.deepEqual(
      frames.map((one) => one && [one.call, one.hasMore, one.payload.length]),
      [[1, true, CHUNK_BYTES_MAX], [1, false, 1], [2, true, CHUNK_BYTES_MAX], [2, false, 2], null]
    )
    assert.deepEqual(sent, [1, 2])
    assert.equal(long.bytes, 0)
  })

  it('takes a message back in the middle, and counts what waits', () => {
    const long = new LongMessages()
    const payload = new Uint8Array(3 * CHUNK_BYTES_MAX)
    for (const call of [1, 2]) long.push({ type: OPEN, call, payload, onSent: () => undefined })
    long.take()
    assert.equal(long.bytes, 5 * CHUNK_BYTES_MAX)
    long.remove(1)
    assert.equal(long.bytes, 3 * CHUNK_BYTES_MAX)
    assert.equal(long.take()?.call, 2)
    long.remove(3)
    assert.equal(long.bytes, 2 * CHUNK_BYTES_MAX)
  })
})
