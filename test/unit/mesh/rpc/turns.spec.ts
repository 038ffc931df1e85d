import assert from 'node:assert/strict'
import { Deadlines } from '../../../../mesh/rpc/deadlines.ts'
import { DATA, encodeFrames, OPEN } from '../../../../mesh/rpc/frame.ts'
import { FRAMES_PER_TURN_MAX } from '../../../../mesh/rpc/limits.ts'
import { encodeRequest } from '../../../../mesh/rpc/request.ts'
import { Server } from '../../../../mesh/rpc/server.ts'
import { Turns } from '../../../../mesh/rpc/turns.ts'
import { byteStreamPair } from '../../../doubles/byte-stream.ts'
import type { MemoryByteStream } from '../../../doubles/byte-stream.ts'
import { silentLog } from '../../../doubles/silent-log.ts'
import { untilQuiet } from '../../../sim/world/quiet.ts'
import { VirtualClock } from '../../../sim/world/virtual-clock.ts'
import { CALLER } from './session-pair.ts'

describe('RPC requests in turns', () => {
  let clock: VirtualClock
  let turns: Turns
  let served: string[]

  beforeEach(() => {
    clock = new VirtualClock()
    turns = new Turns({ clock })
    served = []
  })

  function session(name: string): MemoryByteStream {
    const [stream, serverStream] = byteStreamPair()
    const serve = async (): Promise<null> => {
      served.push(name)
      return null
    }
    const deadlines = new Deadlines(clock)
    const deps = { service: { name, serve }, deadlines, log: silentLog, onClosed: () => undefined }
    void new Server({ ...deps, turns }, { peer: CALLER }).run(serverStream)
    return stream
  }

  async function ask(stream: MemoryByteStream, count: number): Promise<void> {
    const payload = encodeRequest('do', null, null)
    const frames = Array.from({ length: count }, (_, index) => {
      return { type: OPEN, call: index + 1, hasMore: false, payload }
    })
    await stream.write(encodeFrames(frames))
    await untilQuiet()
  }

  it('take no more of one peer at a time than there may be, however they come (P4)', async () => {
    await ask(session('one'), 3 * FRAMES_PER_TURN_MAX + 1)
    const counts = [served.length]
    while (clock.nextAt() !== null) {
      clock.step()
      await untilQuiet()
      counts.push(served.length)
    }
    assert.deepEqual(counts, [64, 128, 192, 193])
  })

  it('are one at a time for all sessions of a peer: more of them get no more (P4)', async () => {
    const streams = ['one', 'two', 'three'].map(session)
    for (const stream of streams) await ask(stream, 2 * FRAMES_PER_TURN_MAX)
    assert.equal(served.length, 3 * FRAMES_PER_TURN_MAX)
    clock.step()
    await untilQuiet()
    assert.equal(served.length, 4 * FRAMES_PER_TURN_MAX)
  })

  it('do not hold up a peer that asks little, or sends large frames', async () => {
    const stream = session('one')
    await ask(stream, FRAMES_PER_TURN_MAX - 1)
    const data = { type: DATA, call: 1, hasMore: false, payload: new Uint8Array(60_000) }
    await stream.write(encodeFrames([data, data]))
    await untilQuiet()
    assert.equal(served.length, FRAMES_PER_TURN_MAX - 1)
    assert.equal(clock.nextAt(), null)
  })
})
