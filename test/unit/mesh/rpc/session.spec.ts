import assert from 'node:assert/strict'
import fc from 'fast-check'
import { millis, WeaverError } from '../../../../core/index.ts'
import type { Cbor } from '../../../../core/index.ts'
import { CREDIT, DATA, encodeFrames, OPEN, RESULT } from '../../../../mesh/rpc/frame.ts'
import type { Frame } from '../../../../mesh/rpc/frame.ts'
import {
  CALLS_PENDING_MAX,
  CHUNK_BYTES_MAX,
  MESSAGE_BYTES_MAX,
  METHOD_LENGTH_MAX,
  QUEUED_BYTES_MAX,
  REQUEST_BYTES_MAX
} from '../../../../mesh/rpc/limits.ts'
import { encodeRequest } from '../../../../mesh/rpc/request.ts'
import type { RpcRequest } from '../../../../mesh/rpc/index.ts'
import { untilQuiet } from '../../../sim/world/quiet.ts'
import { CALLER, codeOf, lonelyServer, SessionPair } from './session-pair.ts'

const asCbor = (value: unknown): Cbor => value as Cbor

/** A service whose calls end when the test says so. */
class Held {
  readonly requests: RpcRequest[] = []
  readonly answers: PromiseWithResolvers<Cbor>[] = []

  serve = (request: RpcRequest): Promise<Cbor> => {
    const answer = Promise.withResolvers<Cbor>()
    this.requests.push(request)
    this.answers.push(answer)
    return answer.promise
  }
}

const echo = async ({ body }: RpcRequest): Promise<Cbor> => asCbor(body)

/** Why a server that got `frames` has cut the stream; undefined where it has not. */
async function codeAfter(frames: readonly Frame[]): Promise<string | undefined> {
  const { stream, serverStream } = lonelyServer(new Held().serve)
  await stream.write(encodeFrames(frames)).catch(() => undefined) // Cut while it waited for room.
  await untilQuiet()
  return serverStream.abortedFor?.code
}

describe('an RPC session', () => {
  it('carries a call and its result', async () => {
    const seen: unknown[] = []
    const pair = new SessionPair(async ({ peer, method, body }) => {
      seen.push(peer, method, body)
      return { answer: 42 }
    })
    assert.deepEqual(await pair.call('ask', { question: 'life' }), { answer: 42 })
    assert.deepEqual(seen, [CALLER, 'ask', { question: 'life' }])
  })

  it('carries bodies of every size up to the bound, whole', async () => {
    const pair = new SessionPair(echo)
    const sizes = [0, 1, CHUNK_BYTES_MAX - 20, CHUNK_BYTES_MAX, 3 * CHUNK_BYTES_MAX, 4_000_000]
    const bodies = sizes.map((size) => new Uint8Array(size).fill(size % 251))
    const results = await Promise.all(bodies.map((body) => pair.call('echo', body)))
    assert.deepEqual(results, bodies)
  })

  it('refuses what is too large to send, at either end, and goes on', async () => {
    const pair = new SessionPair(async ({ method }) =>
      method === 'large' ? new Uint8Array(MESSAGE_BYTES_MAX) : method
    )
    const large = new Uint8Array(MESSAGE_BYTES_MAX)
    assert.equal(await codeOf(pair.call('send', large)), 'MESH_MESSAGE_TOO_LARGE')
    assert.equal(await codeOf(pair.call('large')), 'MESH_MESSAGE_TOO_LARGE')
    const name = 'm'.repeat(METHOD_LENGTH_MAX)
    assert.equal(await codeOf(pair.call(`${name}m`)), 'MESH_MESSAGE_TOO_LARGE')
    assert.equal(await pair.call(name), name)
  })

  it('answers many calls in whatever order they are ready: a slow one blocks none', async () => {
    const held = new Held()
    const pair = new SessionPair((request) =>
      request.method === 'slow' ? held.serve(request) : echo(request)
    )
    const slow = pair.call('slow')
    const quick = await Promise.all(Array.from({ length: 100 }, (_, n) => pair.call('quick', n)))
    assert.deepEqual(
      quick,
      Array.from({ length: 100 }, (_, n) => n)
    )
    held.answers[0]?.resolve('done')
    assert.equal(await slow, 'done')
  })

  it('lets small calls past a large one, both ways', async () => {
    const order: string[] = []
    const pair = new SessionPair(echo, 1)
    const large = pair.call('large', new Uint8Array(2_000_000)).then(() => order.push('large'))
    for (let turn = 0; turn < 10; turn++) await Promise.resolve()
    const small = pair.call('small', 1).then(() => order.push('small'))
    await Promise.all([large, small])
    assert.deepEqual(order, ['small', 'large'])
  })

  it('brings errors to the caller with code, message and retry class', async () => {
    const pair = new SessionPair(async () => {
      throw new WeaverError('ROOM_FULL', 'Cannot do it: full', { retry: 'elsewhere' })
    })
    await assert.rejects(pair.call('try'), {
      code: 'ROOM_FULL',
      message: 'Cannot do it: full',
      retry: 'elsewhere'
    })
    assert.deepEqual(pair.errorsLogged, [])
  })

  it('logs what is no WeaverError, and tells the caller nothing of it', async () => {
    const pair = new SessionPair(({ method }) => {
      if (method === 'throw') throw new TypeError('thrown before any promise')
      return Promise.resolve(asCbor(undefined))
    })
    assert.equal(await codeOf(pair.call('throw')), 'MESH_REMOTE_FAILED')
    assert.equal(pair.errorsLogged.length, 1)
    // What cannot be sent fails the call, and the session goes on.
    assert.equal(await codeOf(pair.call('undefined')), 'CORE_INVALID_CBOR')
    assert.equal(pair.isCallerClosed, false)
  })

  it('delivers notifications, and answers none', async () => {
    const held = new Held()
    const pair = new SessionPair(held.serve)
    pair.caller.notify('hint', { n: 1 })
    await untilQuiet()
    assert.deepEqual(held.requests[0]?.body, { n: 1 })
    const sent = held.requests[0]?.channel.send(new Uint8Array(1))
    assert.equal(await codeOf(Promise.resolve(sent)), 'CORE_CHANNEL_CLOSED')
    held.answers[0]?.reject(new WeaverError('ROOM_X', 'nobody hears this'))
    await untilQuiet()
    assert.equal(pair.isCallerClosed, false)
  })

  describe('cancelling', () => {
    it('tells the serving side, whose late result goes nowhere (V1)', async () => {
      const held = new Held()
      const pair = new SessionPair(held.serve)
      const call = pair.open('wait')
      await untilQuiet()
      call.cancel(new WeaverError('TEST_ENOUGH', 'enough'))
      assert.equal(await codeOf(call.result), 'TEST_ENOUGH')
      await untilQuiet()
      const signal = held.requests[0]?.signal
      assert.ok(signal?.aborted === true)
      assert.equal(signal.reason.code, 'TEST_ENOUGH')
      held.answers[0]?.resolve('late')
      await untilQuiet()
      assert.equal(pair.isCallerClosed, false)
    })

    it('follows the signal of the caller, also one that has aborted before', async () => {
      const held = new Held()
      const pair = new SessionPair(held.serve)
      const controller = new AbortController()
      const call = pair.call('wait', null, { signal: controller.signal })
      await untilQuiet()
      controller.abort()
      assert.equal(await codeOf(call), 'MESH_CALL_CANCELLED')
      const late = pair.call('wait', null, { signal: controller.signal })
      assert.equal(await codeOf(late), 'MESH_CALL_CANCELLED')
      await untilQuiet()
      assert.equal(held.requests.length, 1)
      assert.equal(held.requests[0]?.signal.aborted, true)
    })

    it('takes a long request back in the middle, and the session goes on', async () => {
      const held = new Held()
      const pair = new SessionPair(
        (request) => (request.method === 'echo' ? echo(request) : held.serve(request)),
        1
      )
      const call = pair.open('long', new Uint8Array(1_000_000))
      await Promise.resolve() // One write at a time fits the stream.
      call.cancel(new WeaverError('TEST_ENOUGH', 'enough'))
      const body = new Uint8Array(1_000_000).fill(1)
      assert.deepEqual(await pair.call('echo', body), body)
      assert.equal(held.requests.length, 0)
    })

    it('takes a long result back in the middle, and the session goes on', async () => {
      const pair = new SessionPair(async () => new Uint8Array(1_000_000).fill(1), 1)
      const first = pair.open('long')
      for (let turn = 0; turn < 20; turn++) await Promise.resolve()
      first.cancel(new WeaverError('TEST_ENOUGH', 'enough'))
      const second = await pair.call('long')
      assert.equal((second as Uint8Array).length, 1_000_000)
    })
  })

  describe('deadlines', () => {
    it('fail the call on the instant, and abort it at the serving side', async () => {
      const held = new Held()
      const pair = new SessionPair(held.serve)
      const call = codeOf(pair.call('wait', null, { timeoutMs: millis(500) }))
      await untilQuiet()
      const signal = held.requests[0]?.signal
      await pair.pass(499)
      assert.equal(signal?.aborted, false)
      await pair.pass(1)
      assert.equal(signal?.aborted, true)
      assert.equal(await call, 'MESH_CALL_TIMED_OUT')
    })

    it('leave a call alone that was answered in time', async () => {
      const pair = new SessionPair(echo)
      assert.equal(await pair.call('echo', 1, { timeoutMs: millis(500) }), 1)
      await pair.pass(1000)
      assert.equal(await pair.call('echo', 2), 2)
    })
  })

  describe('bounds', () => {
    it('refuse one call too many at the caller, and take calls again later (K2)', async () => {
      const held = new Held()
      const pair = new SessionPair(held.serve)
      const calls = Array.from({ length: CALLS_PENDING_MAX }, () => pair.call('wait'))
      await assert.rejects(pair.call('wait'), { code: 'MESH_PEER_BUSY', retry: 'later' })
      await untilQuiet()
      for (const answer of held.answers) answer.resolve(1)
      await Promise.all(calls)
      void pair.call('wait')
      await untilQuiet()
      assert.equal(held.requests.length, CALLS_PENDING_MAX + 1)
    })

    it('count calls at the serving side until they have ended, cancelled or not (V2)', async () => {
      const held = new Held()
      const pair = new SessionPair(held.serve)
      for (let n = 0; n < CALLS_PENDING_MAX; n++) {
        pair.open('wait').cancel(new WeaverError('TEST_ENOUGH', 'enough'))
      }
      assert.equal(await codeOf(pair.call('wait')), 'MESH_PEER_BUSY')
      assert.equal(held.requests.length, CALLS_PENDING_MAX)
      held.answers[0]?.resolve(1)
      await untilQuiet()
      const taken = pair.call('wait')
      await untilQuiet()
      held.answers.at(-1)?.resolve('served')
      assert.equal(await taken, 'served')
    })

    it('push back requests that are too many bytes at once (V2)', async () => {
      const held = new Held()
      const pair = new SessionPair(held.serve)
      const size = MESSAGE_BYTES_MAX - 1024
      const codes: (string | null)[] = []
      for (let n = 0; n <= REQUEST_BYTES_MAX / MESSAGE_BYTES_MAX; n++) {
        pair.call('wait', new Uint8Array(size)).catch((error: unknown) => {
          codes.push(error instanceof WeaverError ? error.code : null)
        })
        await untilQuiet()
      }
      assert.deepEqual(codes, ['MESH_PEER_BUSY'])
      assert.equal(held.requests.length, REQUEST_BYTES_MAX / MESSAGE_BYTES_MAX)
    })

    it('push back requests that wait for a peer which does not read (K2)', async () => {
      const pair = new SessionPair(echo)
      const codes: (string | null)[] = []
      const body = new Uint8Array(1_000_000)
      const calls = Array.from({ length: 12 }, async () => {
        codes.push(await codeOf(pair.call('echo', body)))
      })
      await Promise.all(calls)
      const refused = codes.filter((code) => code === 'MESH_PEER_BUSY').length
      assert.equal(refused, 12 - Math.ceil(QUEUED_BYTES_MAX / 1_000_000))
    })

    it('make a server read no further while its answers wait, and go on later', async () => {
      let served = 0
      const answer = new Uint8Array(CHUNK_BYTES_MAX - 5)
      const { stream: here } = lonelyServer(async () => {
        served += 1
        return answer
      })
      const requests = 500
      const writing = (async () => {
        for (let call = 1; call <= requests; call++) {
          const payload = encodeRequest('any', null, null)
          await here.write(encodeFrames([{ type: OPEN, call, hasMore: false, payload }]))
        }
      })()
      for (let turn = 0; turn < 10; turn++) await untilQuiet()
      assert.ok(served >= QUEUED_BYTES_MAX / CHUNK_BYTES_MAX)
      assert.ok(served <= QUEUED_BYTES_MAX / CHUNK_BYTES_MAX + 10, `${served} were served`)
      let received = 0
      for await (const chunk of here.chunks) {
        received += chunk.length
        if (received >= requests * CHUNK_BYTES_MAX) break
      }
      await writing
      assert.equal(served, requests)
    })
  })

  describe('a broken session', () => {
    it('fails every call with MESH_PEER_UNREACHABLE, and aborts what is being served', async () => {
      const held = new Held()
      const pair = new SessionPair(held.serve)
      const codes = [codeOf(pair.call('a')), codeOf(pair.call('b'))]
      const { channel } = pair.open('c')
      await untilQuiet()
      pair.callerStream.abort(new WeaverError('TEST_CUT', 'cut'))
      assert.deepEqual(await Promise.all(codes), ['MESH_PEER_UNREACHABLE', 'MESH_PEER_UNREACHABLE'])
      assert.equal((await channel.closed)?.code, 'MESH_PEER_UNREACHABLE')
      await untilQuiet()
      assert.ok(held.requests.every(({ signal }) => signal.aborted))
      assert.equal(pair.isCallerClosed && pair.isServerClosed, true)
      assert.equal(await codeOf(pair.call('late')), 'MESH_PEER_UNREACHABLE')
      held.answers[0]?.resolve('nobody wants it')
      await untilQuiet()
    })

    it('fails its calls when the peer just ends the stream', async () => {
      const held = new Held()
      const pair = new SessionPair(held.serve)
      const code = codeOf(pair.call('a'))
      await untilQuiet()
      await pair.serverStream.end()
      assert.equal(await code, 'MESH_PEER_UNREACHABLE')
    })

    it('keeps the reason of a refused stream', async () => {
      const pair = new SessionPair(echo)
      const refused = new WeaverError('MESH_STREAM_REFUSED', 'Cannot open it')
      pair.caller.close(refused)
      assert.equal(await codeOf(pair.call('late')), 'MESH_STREAM_REFUSED')
      pair.caller.close(new WeaverError('TEST_X', 'twice is once'))
    })
  })

  describe('against a peer that breaks the protocol', () => {
    it('takes any bytes without an uncaught error, at either side', async () => {
      const anyChunks = fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 10 })
      await fc.assert(
        fc.asyncProperty(anyChunks, anyChunks, async (toServer, toCaller) => {
          const pair = new SessionPair(echo)
          const call = codeOf(pair.call('held'))
          for (const chunk of toServer) await pair.callerStream.write(chunk).catch(() => undefined)
          for (const chunk of toCaller) await pair.serverStream.write(chunk).catch(() => undefined)
          await pair.callerStream.end()
          await call
        }),
        { numRuns: 200 }
      )
    })

    it('takes any sound frames without an uncaught error, at either side', async () => {
      const anyFrame = fc.record({
        type: fc.integer({ min: 1, max: 9 }),
        call: fc.integer({ min: 0, max: 3 }),
        hasMore: fc.boolean(),
        payload: fc.oneof(
          fc.uint8Array({ maxLength: 40 }),
          fc.constant(encodeRequest('echo', null, null))
        )
      })
      await fc.assert(
        fc.asyncProperty(fc.array(anyFrame), fc.array(anyFrame), async (toServer, toCaller) => {
          const pair = new SessionPair(async ({ channel, body }) => {
            for await (const frame of channel.frames) await channel.send(frame)
            return asCbor(body)
          })
          const call = codeOf(pair.open('held').result)
          await pair.callerStream.write(encodeFrames(toServer)).catch(() => undefined)
          await pair.serverStream.write(encodeFrames(toCaller)).catch(() => undefined)
          await untilQuiet()
          pair.caller.close(new WeaverError('TEST_OVER', 'over'))
          pair.server.close(new WeaverError('TEST_OVER', 'over'))
          await call
        }),
        { numRuns: 200 }
      )
    })

    const request = encodeRequest('any', null, null)
    const open: Frame = { type: OPEN, call: 1, hasMore: false, payload: request }

    it('ends the session', async () => {
      const chunk = new Uint8Array(CHUNK_BYTES_MAX)
      const tooLong = Array.from({ length: 65 }, (): Frame => {
        return { type: OPEN, call: 1, hasMore: true, payload: chunk }
      })
      const uncredited = Array.from({ length: 5 }, (): Frame => {
        return { type: DATA, call: 1, hasMore: false, payload: chunk }
      })
      const payload = Uint8Array.of(0, 0x20, 0, 1) // One byte above CHANNEL_WINDOW_BYTES_MAX.
      const credit: Frame = { type: CREDIT, call: 1, hasMore: false, payload }
      const violations: Record<string, readonly Frame[]> = {
        'a second call of one id': [open, open],
        'a frame for callers': [{ type: RESULT, call: 1, hasMore: false, payload: request }],
        'two long messages at once': [
          { ...open, hasMore: true },
          { ...open, call: 2, hasMore: true }
        ],
        'a message above the bound': tooLong,
        'frames without credit (C1)': [open, ...uncredited],
        'credit above any window': [open, credit]
      }
      for (const [what, frames] of Object.entries(violations)) {
        assert.equal(await codeAfter(frames), 'MESH_PROTOCOL_VIOLATED', what)
      }
    })

    it('does not mind late frames of calls that are over (C3)', async () => {
      const late = [DATA, CREDIT, 3, 7, 9].map((type): Frame => {
        return { type, call: 77, hasMore: false, payload: Uint8Array.of(0, 0, 0, 1) }
      })
      assert.equal(await codeAfter(late), undefined)
    })
  })
})
