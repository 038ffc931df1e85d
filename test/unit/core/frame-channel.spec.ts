import assert from 'node:assert/strict'
import { channelPair, WeaverError } from '../../../core/index.ts'
import type { FrameChannel } from '../../../core/index.ts'

const frame = (size: number, fill = 1): Uint8Array => new Uint8Array(size).fill(fill)
const gone = new WeaverError('TEST_GONE', 'The other side has gone')

async function readAll(end: FrameChannel): Promise<number[]> {
  const sizes: number[] = []
  for await (const { length } of end.frames) sizes.push(length)
  return sizes
}

describe('core/frame-channel', () => {
  it('delivers frames whole and in order, both ways, then the end', async () => {
    const [a, b] = channelPair()
    await a.send(frame(1))
    await a.send(frame(2))
    await b.send(frame(3))
    a.end()
    b.end()
    assert.deepEqual(await readAll(b), [1, 2])
    assert.deepEqual(await readAll(a), [3])
    assert.equal(await a.closed, null)
  })

  it('send() waits while the reader leaves the bound full, and goes on when it reads', async () => {
    const [a, b] = channelPair(10)
    const log: string[] = []
    const sent = a.send(frame(10)).then(() => log.push('sent'))
    await Promise.resolve()
    assert.equal(log.length, 0)
    const reader = b.frames[Symbol.asyncIterator]()
    await reader.next()
    log.push('read')
    a.end()
    await reader.next()
    await sent
    assert.deepEqual(log, ['read', 'sent'])
  })

  it('abort() fails the reader, a waiting writer and every later send, on both sides', async () => {
    const [a, b] = channelPair(10)
    const waiting = assert.rejects(a.send(frame(20)), { code: 'TEST_GONE' })
    b.abort(gone)
    await waiting
    await assert.rejects(readAll(b), { code: 'TEST_GONE' })
    await assert.rejects(b.send(frame(1)), { code: 'TEST_GONE' })
    assert.equal((await a.closed)?.code, 'TEST_GONE')
  })

  it('a reader that stops early makes the writer’s next send fail', async () => {
    const [a, b] = channelPair()
    await a.send(frame(1))
    for await (const _ of b.frames) break
    await assert.rejects(a.send(frame(1)), { code: 'CORE_CHANNEL_CLOSED' })
  })

  it('send() after end() is refused', async () => {
    const [a] = channelPair()
    a.end()
    await assert.rejects(a.send(frame(1)), { code: 'CORE_CHANNEL_CLOSED' })
  })

  it('frames can be read by one reader only', async () => {
    const [a, b] = channelPair()
    const first = b.frames[Symbol.asyncIterator]().next()
    await assert.rejects(readAll(b), { code: 'CORE_CHANNEL_BUSY' })
    await a.send(frame(4))
    assert.equal((await first).value?.length, 4)
  })
})
