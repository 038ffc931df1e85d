import assert from 'node:assert/strict'
import fc from 'fast-check'
import { WeaverError } from '../../../../core/index.ts'
import type { Cbor, FrameChannel } from '../../../../core/index.ts'
import {
  CHANNEL_FRAME_BYTES_MAX,
  CHANNEL_QUEUED_BYTES_MAX,
  CHANNEL_WINDOW_BYTES,
  CHANNEL_WINDOW_BYTES_MAX
} from '../../../../mesh/rpc/limits.ts'
import type { RpcRequest } from '../../../../mesh/rpc/index.ts'
import { untilQuiet } from '../../../sim/world/quiet.ts'
import { codeOf, SessionPair } from './session-pair.ts'

async function readAll(channel: FrameChannel): Promise<Uint8Array[]> {
  const frames: Uint8Array[] = []
  for await (const frame of channel.frames) frames.push(frame)
  return frames
}

async function codeOfReading(channel: FrameChannel): Promise<string | null> {
  return codeOf(readAll(channel))
}

const bytes = (size: number): Uint8Array => new Uint8Array(size).fill(size % 251)

/** A call whose serving side is in the test's hands. */
async function openedCall(
  pair?: (serve: (request: RpcRequest) => Promise<Cbor>) => SessionPair
): Promise<{
  pair: SessionPair
  here: ReturnType<SessionPair['open']>
  there: RpcRequest
  answer: PromiseWithResolvers<Cbor>
}> {
  const arrived = Promise.withResolvers<RpcRequest>()
  const answer = Promise.withResolvers<Cbor>()
  const serve = (request: RpcRequest): Promise<Cbor> => {
    arrived.resolve(request)
    return answer.promise
  }
  const made = pair?.(serve) ?? new SessionPair(serve)
  const here = made.open('stream')
  return { pair: made, here, there: await arrived.promise, answer }
}

describe('the channel of a call', () => {
  it('carries frames of any size both ways, whole and in order, to any pace of readers (C2)', async () => {
    const anySizes = fc.array(
      fc.oneof(fc.nat(100), fc.nat(CHANNEL_FRAME_BYTES_MAX), fc.constant(CHANNEL_FRAME_BYTES_MAX)),
      { maxLength: 12 }
    )
    await fc.assert(
      fc.asyncProperty(anySizes, fc.boolean(), async (sizes, isSlow) => {
        const pair = new SessionPair(async ({ channel }) => {
          for await (const frame of channel.frames) {
            if (isSlow) await untilQuiet()
            await channel.send(frame)
          }
          return 'all'
        })
        const call = pair.open('echo')
        const reading = readAll(call.channel)
        for (const size of sizes) await call.channel.send(bytes(size))
        call.channel.end()
        assert.deepEqual(await reading, sizes.map(bytes))
        assert.equal(await call.result, 'all')
        assert.equal(await call.channel.closed, null)
      }),
      { numRuns: 50 }
    )
  })

  it('makes a sender wait for a reader that stays away, and others not (C1)', async () => {
    const { pair, here, there, answer } = await openedCall()
    let sent = 0
    const sending = (async () => {
      for (let n = 0; n < 100; n++) {
        await here.channel.send(bytes(32 * 1024))
        sent += 32 * 1024
      }
      here.channel.end()
    })()
    await untilQuiet()
    assert.ok(sent <= CHANNEL_WINDOW_BYTES + CHANNEL_QUEUED_BYTES_MAX, `${sent} bytes were sent`)
    const other = pair.open('other')
    await other.channel.send(bytes(1))
    const frames = await readAll(there.channel)
    await sending
    assert.equal(frames.length, 100)
    answer.resolve('done')
    assert.equal(await here.result, 'done')
  })

  it('has a larger window for a reader that keeps up, and no larger than the bound (C1)', async () => {
    const { here, there } = await openedCall()
    const frames = there.channel.frames[Symbol.asyncIterator]()
    let sent = 0
    const sending = codeOf(
      (async () => {
        for (;;) {
          await here.channel.send(bytes(64 * 1024))
          sent += 64 * 1024
        }
      })()
    )
    let read = 0
    for (; read < 8 * 1024 * 1024; read += 64 * 1024) await frames.next()
    await untilQuiet()
    assert.ok(sent - read > CHANNEL_WINDOW_BYTES_MAX / 2, `${sent - read} bytes were under way`)
    assert.ok(sent - read < CHANNEL_WINDOW_BYTES_MAX + 2 * CHANNEL_QUEUED_BYTES_MAX)
    here.cancel(new WeaverError('TEST_ENOUGH', 'enough'))
    assert.equal(await sending, 'TEST_ENOUGH')
  })

  it('bounds empty frames too (C1)', async () => {
    const { here } = await openedCall()
    let sent = 0
    const sending = (async () => {
      for (;;) {
        await here.channel.send(new Uint8Array())
        sent += 1
      }
    })()
    await untilQuiet()
    assert.ok(sent < 20_000, `${sent} frames were sent`)
    here.cancel(new WeaverError('TEST_ENOUGH', 'enough'))
    assert.equal(await codeOf(sending), 'TEST_ENOUGH')
  })

  it('delivers the result after the last frame, without an end() of the service', async () => {
    const pair = new SessionPair(async ({ channel }) => {
      await channel.send(bytes(100_000))
      await channel.send(bytes(3))
      return 'done'
    })
    const { channel, result } = pair.open('stream')
    assert.deepEqual(await readAll(channel), [bytes(100_000), bytes(3)])
    assert.equal(await result, 'done')
    assert.equal(await codeOf(channel.send(bytes(1))), 'CORE_CHANNEL_CLOSED')
    assert.equal(await channel.closed, null)
  })

  it('ends the frames of the service when the call has ended', async () => {
    const { there, here, answer } = await openedCall()
    const reading = readAll(there.channel)
    answer.resolve(1)
    await here.result
    assert.deepEqual(await reading, [])
    assert.equal(await there.channel.closed, null)
  })

  it('fails with the call, at both sides', async () => {
    const { here, there, answer } = await openedCall()
    await there.channel.send(bytes(1))
    const reading = codeOfReading(there.channel)
    answer.reject(new WeaverError('ROOM_FULL', 'full'))
    assert.equal(await codeOf(here.result), 'ROOM_FULL')
    assert.equal(await codeOfReading(here.channel), 'ROOM_FULL')
    assert.equal((await here.channel.closed)?.code, 'ROOM_FULL')
    assert.equal(await reading, 'ROOM_FULL')
  })

  it('fails at the serving side when the caller cancels', async () => {
    const { here, there } = await openedCall()
    const reading = codeOfReading(there.channel)
    here.cancel(new WeaverError('TEST_ENOUGH', 'enough'))
    assert.equal(await reading, 'TEST_ENOUGH')
    assert.equal(await codeOf(there.channel.send(bytes(1))), 'TEST_ENOUGH')
    assert.equal((await there.channel.closed)?.code, 'TEST_ENOUGH')
  })

  it('can be aborted by one side while the call goes on', async () => {
    const { here, there, answer } = await openedCall()
    const reading = codeOfReading(there.channel)
    here.channel.abort(new WeaverError('TEST_ABORTED', 'aborted'))
    assert.equal(await reading, 'TEST_ABORTED')
    assert.equal(await codeOf(there.channel.send(bytes(1))), 'TEST_ABORTED')
    assert.equal(await codeOf(here.channel.send(bytes(1))), 'TEST_ABORTED')
    answer.resolve('still there')
    assert.equal(await here.result, 'still there')
  })

  it('fails one direction when its reader leaves early, and leaves the other', async () => {
    const { here, there, answer } = await openedCall()
    const reading = (async () => {
      for await (const frame of there.channel.frames) if (frame.length > 0) break
    })()
    await here.channel.send(bytes(1))
    await reading
    await untilQuiet()
    assert.equal(await codeOf(here.channel.send(bytes(1))), 'CORE_CHANNEL_CLOSED')
    await there.channel.send(bytes(2))
    answer.resolve(1)
    assert.deepEqual(await readAll(here.channel), [bytes(2)])
  })

  it('closes well when both sides have ended', async () => {
    const { here, there } = await openedCall()
    here.channel.end()
    there.channel.end()
    here.channel.end()
    assert.equal(await here.channel.closed, null)
    assert.equal(await there.channel.closed, null)
    assert.equal(await codeOf(here.channel.send(bytes(1))), 'CORE_CHANNEL_CLOSED')
    assert.deepEqual(await readAll(there.channel), [])
    assert.deepEqual(await readAll(here.channel), [])
  })

  it('refuses a frame above the bound, and a second reader', async () => {
    const { here } = await openedCall()
    const large = new Uint8Array(CHANNEL_FRAME_BYTES_MAX + 1)
    assert.equal(await codeOf(here.channel.send(large)), 'MESH_MESSAGE_TOO_LARGE')
    void codeOfReading(here.channel)
    assert.equal(await codeOfReading(here.channel), 'CORE_CHANNEL_BUSY')
    here.cancel(new WeaverError('TEST_ENOUGH', 'enough'))
  })

  it('tells a service that streams to a plain call that nobody reads', async () => {
    const pair = new SessionPair(async ({ channel }) => {
      for (;;) await channel.send(bytes(1000))
    })
    assert.equal(await codeOf(pair.call('stream')), 'CORE_CHANNEL_CLOSED')
  })

  it('leaves results that nobody awaits without an unhandled rejection', async () => {
    const { here, answer } = await openedCall()
    answer.reject(new WeaverError('ROOM_FULL', 'full'))
    assert.equal((await here.channel.closed)?.code, 'ROOM_FULL')
    await untilQuiet()
  })

  it('shares the stream fairly: two bulk calls end together, and a small one long before', async () => {
    const order: string[] = []
    const pair = new SessionPair(async ({ channel, method }) => {
      if (method === 'small') return 0
      for (let n = 0; n < 50; n++) await channel.send(bytes(32 * 1024))
      return 0
    }, 1)
    const bulk = async (name: string): Promise<void> => {
      const call = pair.open(name)
      let frames = 0
      for await (const frame of call.channel.frames) {
        frames += frame.length > 0 ? 1 : 0
        if (frames === 45) order.push(`${name} nearly`)
      }
      order.push(name)
    }
    const small = async (): Promise<void> => {
      await pair.call('small')
      order.push('small')
    }
    await Promise.all([bulk('a'), bulk('b'), small()])
    assert.equal(order[0], 'small')
    assert.deepEqual(order.slice(1, 3).toSorted(), ['a nearly', 'b nearly'])
  })
})
