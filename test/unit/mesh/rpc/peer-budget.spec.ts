import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Cbor } from '../../../../core/index.ts'
import { Caller } from '../../../../mesh/rpc/caller.ts'
import { Deadlines } from '../../../../mesh/rpc/deadlines.ts'
import type { RpcCall, RpcRequest } from '../../../../mesh/rpc/index.ts'
import {
  CALLS_PENDING_MAX,
  CHANNEL_WINDOW_BYTES,
  OWN_BYTES,
  REQUEST_BYTES_MAX,
  SHARED_BYTES_MAX,
  UNREAD_BYTES_MAX
} from '../../../../mesh/rpc/limits.ts'
import { PeerBudget, SharedBytes } from '../../../../mesh/rpc/peer-budget.ts'
import { Server } from '../../../../mesh/rpc/server.ts'
import { byteStreamPair } from '../../../doubles/byte-stream.ts'
import { silentLog } from '../../../doubles/silent-log.ts'
import { untilQuiet } from '../../../sim/world/quiet.ts'
import { VirtualClock } from '../../../sim/world/virtual-clock.ts'
import { CALLER, codeOf, SERVER } from './session-pair.ts'

describe('PeerBudget', () => {
  let budget: PeerBudget
  let requests: RpcRequest[]
  let answers: PromiseWithResolvers<Cbor>[]

  beforeEach(() => {
    budget = new PeerBudget()
    requests = []
    answers = []
  })

  /** A calling session whose serving side holds every call until the test answers it. */
  function session(): Caller {
    const deadlines = new Deadlines(new VirtualClock())
    const [callerStream, serverStream] = byteStreamPair(1024 * 1024)
    const serve = (request: RpcRequest): Promise<Cbor> => {
      const answer = Promise.withResolvers<Cbor>()
      requests.push(request)
      answers.push(answer)
      return answer.promise
    }
    const onClosed = (): void => undefined
    const served = { service: { name: 'test', serve }, deadlines, log: silentLog, onClosed, budget }
    void new Server(served, { peer: CALLER }).run(serverStream)
    const caller = new Caller({ deadlines, onClosed }, { peer: SERVER })
    void caller.run(Promise.resolve(callerStream))
    return caller
  }

  function open(caller: Caller, body: Cbor = null): RpcCall {
    return caller.open({ method: 'hold', body, signal: null, timeoutMs: null, isStreaming: true })
  }

  it('counts the calls of all sessions of a peer together, and refuses the next one', async () => {
    const callers = [session(), session(), session(), session()]
    const each = CALLS_PENDING_MAX / callers.length
    const calls = callers.flatMap((caller) => Array.from({ length: each }, () => open(caller)))
    await untilQuiet()
    assert.equal(requests.length, CALLS_PENDING_MAX)
    const [first] = callers
    assert.ok(first !== undefined)
    assert.equal(await codeOf(open(first).result), 'MESH_PEER_BUSY')
    answers[0]?.resolve('done')
    assert.equal(await calls[0]?.result, 'done')
    const next = open(first)
    await untilQuiet()
    assert.equal(requests.length, CALLS_PENDING_MAX + 1)
    for (const answer of answers) answer.resolve(null)
    await next.result
    await untilQuiet()
    assert.ok(budget.isEmpty)
  })

  it('counts the bytes of requests, and gives them back when they are served', async () => {
    const caller = session()
    const size = 4_000_000
    const fitting = Math.floor(REQUEST_BYTES_MAX / size)
    const calls: RpcCall[] = []
    while (calls.length < fitting) {
      calls.push(open(caller, new Uint8Array(size)))
      while (requests.length < calls.length) await untilQuiet()
    }
    assert.equal(await codeOf(open(caller, new Uint8Array(size)).result), 'MESH_PEER_BUSY')
    for (const answer of answers) answer.resolve(null)
    await Promise.all(calls.map(({ result }) => result))
    assert.ok(budget.isEmpty)
  })

  it('refuses the call that sends beyond what may be unread in sum, and leaves the others alone', async () => {
    const caller = session()
    const filling = Math.floor(UNREAD_BYTES_MAX / CHANNEL_WINDOW_BYTES)
    const frame = new Uint8Array(60_000)
    const fill = async (call: RpcCall): Promise<void> => {
      for (let sent = 0; sent < 4; sent += 1) await call.channel.send(frame)
    }
    const calls = Array.from({ length: filling + 40 }, () => open(caller))
    await Promise.all(calls.map((call) => fill(call).catch(() => undefined)))
    for (let turns = 0; turns < 40; turns += 1) await untilQuiet()
    const now = (sending: Promise<void>): Promise<void> => Promise.race([sending, untilQuiet()]) // One that waits for credit is not refused.
    const codes = await Promise.all(
      calls.map(({ channel }) => codeOf(now(channel.send(new Uint8Array(1)))))
    )
    const refused = codes.filter((code) => code !== null)
    assert.deepEqual([...new Set(refused)], ['MESH_PEER_BUSY'])
    assert.ok(refused.length > 0 && refused.length <= 40, `${refused.length} were refused`)
    // One reader takes what its call sent: there is room again.
    const [reader] = requests
    assert.ok(reader !== undefined)
    let read = 0
    for await (const bytes of reader.channel.frames) {
      read += bytes.length
      if (read >= 4 * frame.length) break
    }
    const late = open(caller)
    await late.channel.send(new Uint8Array(10_000))
    await untilQuiet()
    assert.equal(await codeOf(late.channel.send(new Uint8Array(1))), null)
    for (const answer of answers) answer.resolve(null)
    await Promise.allSettled(calls.map(({ result }) => result))
    await untilQuiet()
    assert.ok(budget.isEmpty, 'what a call held went with it')
  })

  it('lets several peers have no more than one beyond their own, and each its own (G2)', () => {
    const shared = new SharedBytes()
    const greedy = Array.from({ length: 10 }, () => new PeerBudget(shared))
    const piece = 256 * 1024
    let taken = 0
    for (const peer of greedy) while (peer.takeUnread(piece)) taken += piece
    assert.equal(taken, greedy.length * OWN_BYTES + SHARED_BYTES_MAX)
    const modest = new PeerBudget(shared)
    assert.ok(modest.takeCall(OWN_BYTES / 2) && modest.takeUnread(OWN_BYTES / 2))
    assert.equal(modest.takeCall(1), false)
    greedy.find((peer) => !peer.isEmpty)?.giveUnread(piece)
    assert.ok(modest.takeCall(1), 'what one gives back is for all')
  })

  it('gives back all that it took (G1)', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(2), fc.boolean(), fc.nat(6_000_000))), (takes) => {
        const shared = new SharedBytes()
        const peers = [0, 1, 2].map(() => new PeerBudget(shared))
        const gives = takes.flatMap(([which, isCall, bytes]) => {
          const peer = peers[which]
          if (peer === undefined) return []
          if (isCall) return peer.takeCall(bytes) ? [(): void => peer.giveCall(bytes)] : []
          return peer.takeUnread(bytes) ? [(): void => peer.giveUnread(bytes)] : []
        })
        for (const give of gives) give()
        assert.ok(peers.every(({ isEmpty }) => isEmpty))
        assert.ok(shared.take(SHARED_BYTES_MAX))
      })
    )
  })
})
