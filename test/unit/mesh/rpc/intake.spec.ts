import assert from 'node:assert/strict'
import { millis } from '../../../../core/index.ts'
import { Deadlines } from '../../../../mesh/rpc/deadlines.ts'
import { DATA, encodeFrames, NOTIFY, OPEN } from '../../../../mesh/rpc/frame.ts'
import { Intake } from '../../../../mesh/rpc/intake.ts'
import type { Pace } from '../../../../mesh/rpc/intake.ts'
import {
  BYTES_PER_TURN_MAX,
  FRAMES_PER_PART,
  FRAMES_PER_TURN_MAX,
  TURN_MS
} from '../../../../mesh/rpc/limits.ts'
import { encodeRequest } from '../../../../mesh/rpc/request.ts'
import { Server } from '../../../../mesh/rpc/server.ts'
import { byteStreamPair } from '../../../doubles/byte-stream.ts'
import type { MemoryByteStream } from '../../../doubles/byte-stream.ts'
import { silentLog } from '../../../doubles/silent-log.ts'
import { untilQuiet } from '../../../sim/world/quiet.ts'
import { VirtualClock } from '../../../sim/world/virtual-clock.ts'
import { CALLER } from './session-pair.ts'

describe('RPC requests in turns', () => {
  let clock: VirtualClock
  let intake: Intake
  let served: string[]

  beforeEach(() => {
    clock = new VirtualClock()
    intake = new Intake({ clock })
    served = []
  })

  function session(name: string, pace: Pace, isControl: boolean = false): MemoryByteStream {
    const [stream, serverStream] = byteStreamPair(64 * 1024 * 1024)
    const serve = async (): Promise<null> => {
      served.push(name)
      return null
    }
    const deadlines = new Deadlines(clock)
    const deps = { service: { name, serve }, deadlines, log: silentLog, onClosed: () => undefined }
    void new Server({ ...deps, pace }, { peer: CALLER, isControl }).run(serverStream)
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

  /** One turn of the event loop: what is due happens. */
  async function turn(): Promise<void> {
    clock.advanceTo(clock.now())
    await untilQuiet()
  }

  const countOf = (name: string): number => served.filter((each) => each === name).length

  it('take no more of one peer at a time than there may be, however they come (I1)', async () => {
    await ask(session('one', intake.pace()), 3 * FRAMES_PER_TURN_MAX + 1)
    const counts = [served.length]
    while (clock.nextAt() !== null) {
      await turn()
      counts.push(served.length)
    }
    assert.deepEqual(counts, [64, 128, 192, 193])
  })

  it('have one bucket for all sessions of a peer: more of them get no more (I1)', async () => {
    const pace = intake.pace()
    const streams = ['one', 'two', 'three'].map((name) => session(name, pace))
    for (const stream of streams) await ask(stream, 2 * FRAMES_PER_TURN_MAX)
    assert.equal(served.length, FRAMES_PER_TURN_MAX)
    await turn()
    assert.equal(served.length, 2 * FRAMES_PER_TURN_MAX)
  })

  it('give one peer a turn after another: a flood of three holds none up for longer (I2)', async () => {
    const floods = ['one', 'two', 'three'].map((name) => session(name, intake.pace()))
    for (const stream of floods) await ask(stream, 1024)
    assert.equal(served.length, 3 * FRAMES_PER_TURN_MAX)
    for (let turns = 1; turns <= 9; turns += 1) {
      await turn()
      assert.equal(served.length, (3 + turns) * FRAMES_PER_TURN_MAX)
    }
    for (const name of ['one', 'two', 'three']) assert.equal(countOf(name), 4 * FRAMES_PER_TURN_MAX)
  })

  it('hold up nobody who asks little, while others flood (I2)', async () => {
    const floods = ['one', 'two', 'three'].map((name) => session(name, intake.pace()))
    const modest = session('modest', intake.pace())
    for (const stream of floods) await ask(stream, 1024)
    for (let asked = 1; asked <= 10; asked += 1) {
      await ask(modest, 1)
      assert.equal(countOf('modest'), asked, 'in the same turn of the loop')
      clock.advanceTo(millis(clock.now() + 1))
      await untilQuiet()
    }
    assert.ok(clock.nextAt() !== null, 'the flood still waits')
  })

  it('come before bulk where they are of control, and let bulk have every second turn (I4)', async () => {
    const pace = intake.pace()
    const bulk = session('bulk', pace)
    const control = session('control', pace, true)
    await ask(bulk, 1024)
    await ask(control, 1024)
    assert.equal(served.length, FRAMES_PER_TURN_MAX)
    const order: string[] = []
    for (let turns = 0; turns < 6; turns += 1) {
      const before = served.length
      await turn()
      order.push(...new Set(served.slice(before)))
    }
    assert.deepEqual(order, ['control', 'bulk', 'control', 'bulk', 'control', 'bulk'])
  })

  it('count bytes too: large frames end a turn as many small ones do (I1)', async () => {
    const [stream, payload] = [session('one', intake.pace()), new Uint8Array(60_000)]
    const data = { type: DATA, call: 1, hasMore: false, payload }
    const first = { type: OPEN, call: 9, hasMore: false, payload: encodeRequest('do', null, null) }
    const large = Array.from({ length: 5 * FRAMES_PER_PART }, () => data)
    await stream.write(encodeFrames([...large, first]))
    await untilQuiet()
    assert.equal(served.length, 0)
    assert.ok(large.length * payload.length > 2 * BYTES_PER_TURN_MAX)
    for (let turns = 0; turns < 5; turns += 1) await turn()
    assert.equal(served.length, 1)
  })

  it('count the time that they take: costly ones end a turn early (I1)', async () => {
    const pace = intake.pace()
    const began = clock.now()
    clock.advanceTo(millis(began + 3 * TURN_MS))
    pace.spend(1, 1, began)
    assert.ok(pace.turn(false) !== null)
    await turn()
    assert.equal(pace.turn(false), null)
  })

  it('have less time while others send too (I3)', async () => {
    const [one, other] = [intake.pace(), intake.pace()]
    const took = (pace: Pace, ms: number): void => {
      const began = clock.now()
      clock.advanceTo(millis(began + ms))
      pace.spend(1, 1, began)
    }
    for (let part = 0; part < 3; part += 1) {
      clock.advanceTo(millis(clock.now() + 2))
      took(one, 2)
      assert.equal(one.turn(false), null, 'half of the time, alone')
    }
    took(other, 1)
    const waits: boolean[] = []
    for (let part = 0; part < 3; part += 1) {
      clock.advanceTo(millis(clock.now() + 2))
      took(one, 2)
      waits.push(one.turn(false) !== null)
    }
    assert.equal(waits.at(-1), true)
  })

  it('do not hold up a peer that asks little', async () => {
    const stream = session('one', intake.pace())
    await ask(stream, FRAMES_PER_TURN_MAX - 1)
    const note = { type: NOTIFY, call: 0, hasMore: false, payload: encodeRequest('do', null, null) }
    await stream.write(encodeFrames([note]))
    await untilQuiet()
    assert.equal(served.length, FRAMES_PER_TURN_MAX)
    assert.equal(clock.nextAt(), null)
  })
})
