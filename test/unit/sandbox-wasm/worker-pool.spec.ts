import assert from 'node:assert/strict'
import { millis } from '../../../core/index.ts'
import type { Containment } from '../../../core/index.ts'
import { WorkerPool } from '../../../sandbox-wasm/worker-pool.ts'
import type { PoolOptions, PoolResult } from '../../../sandbox-wasm/worker-pool.ts'
import type { Transpiled } from '../../../sandbox-wasm/transpile-cache.ts'
import { FakeLauncher, ManualClock, settle } from './doubles.ts'

const RETURNED = { type: 'returned', text: '1', memoryBytes: 65_536 } as const

interface Fixture {
  readonly clock: ManualClock
  readonly launcher: FakeLauncher
  readonly pool: WorkerPool
  call(tool?: string, signal?: AbortSignal, containment?: Containment): Promise<PoolResult>
}

function fixture(options: PoolOptions = {}, timeLimitMs = millis(1000)): Fixture {
  const clock = new ManualClock()
  const launcher = new FakeLauncher()
  const pool = new WorkerPool({ clock, launcher }, options)
  return {
    clock,
    launcher,
    pool,
    call: (tool = 'a', signal, containment = 'os') => {
      const request = { type: 'call', method: 'call', input: '{}' } as const
      return pool.run({ tool: toolAt(tool), containment, request, timeLimitMs }, signal)
    }
  }
}

function toolAt(folder: string): Transpiled {
  return { folder, files: [], imports: [], exports: ['call', 'describe'] }
}

async function load({ launcher }: Fixture, index: number): Promise<void> {
  await settle()
  await launcher.worker(index).answer({ type: 'loaded' })
}

describe('WorkerPool', () => {
  it('loads a worker once and calls it again while it is warm', async () => {
    const f = fixture()
    const first = f.call()
    await load(f, 0)
    await f.clock.advance(5)
    await f.launcher.worker(0).answer(RETURNED)
    assert.deepEqual(await first, { outcome: RETURNED, durationMs: 5 })
    const second = f.call()
    await settle()
    await f.launcher.worker(0).answer(RETURNED)
    await second
    assert.equal(f.launcher.workers.length, 1)
    assert.deepEqual(
      f.launcher.worker(0).requests.map(({ type }) => type),
      ['load', 'call', 'call']
    )
  })

  it('never gives a worker to another tool, and ends the oldest idle one for it (Q1, Q2)', async () => {
    const f = fixture({ workersMax: 1 })
    const first = f.call('a')
    await load(f, 0)
    await f.launcher.worker(0).answer(RETURNED)
    await first
    const second = f.call('b')
    await load(f, 1)
    await f.launcher.worker(1).answer(RETURNED)
    await second
    assert.equal(f.launcher.worker(0).isKilled, true)
    assert.equal(f.launcher.worker(1).folder, 'b')
  })

  it('never gives a worker to a call that asked for another containment (Q2)', async () => {
    const it = fixture()
    const contained = it.call('a', undefined, 'os')
    await load(it, 0)
    await it.launcher.worker(0).answer(RETURNED)
    await contained
    const without = it.call('a', undefined, 'none')
    await load(it, 1)
    await it.launcher.worker(1).answer(RETURNED)
    await without
    assert.deepEqual(it.launcher.containments, ['os', 'none'])
    await it.pool.stop()
  })

  it('kills a worker whose call exceeds its time limit (Q3, Q4)', async () => {
    const f = fixture()
    const call = f.call()
    await load(f, 0)
    await f.clock.advance(1000)
    assert.deepEqual(await call, { outcome: { type: 'timed-out' }, durationMs: 1000 })
    assert.equal(f.launcher.worker(0).isKilled, true)
    assert.equal(f.clock.sleepers, 0)
  })

  it('loses one call to a worker that crashes, and starts another for the next (Q3)', async () => {
    const f = fixture()
    const first = f.call()
    await load(f, 0)
    f.launcher.worker(0).crash()
    assert.equal((await first).outcome.type, 'died')
    const second = f.call()
    await load(f, 1)
    await f.launcher.worker(1).answer(RETURNED)
    assert.deepEqual((await second).outcome, RETURNED)
  })

  it('uses a worker again after an error of the tool, and not after a trap (Q3)', async () => {
    const f = fixture()
    for (const type of ['failed', 'trapped'] as const) {
      const call = f.call()
      await settle()
      if (type === 'failed') await load(f, 0)
      await f.launcher.worker(0).answer({ type, text: 'x', memoryBytes: 1 })
      assert.equal((await call).outcome.type, type)
    }
    assert.equal(f.launcher.workers.length, 1)
    assert.equal(f.launcher.worker(0).isKilled, true)
  })

  it('ends a worker that nobody called for a while', async () => {
    const f = fixture({ idleMs: millis(100) })
    const call = f.call()
    await load(f, 0)
    await f.launcher.worker(0).answer(RETURNED)
    await call
    await f.clock.advance(99)
    assert.equal(f.launcher.worker(0).isKilled, false)
    await f.clock.advance(1)
    assert.equal(f.launcher.worker(0).isKilled, true)
    assert.equal(f.clock.sleepers, 0)
  })

  it('replaces a worker after its share of calls', async () => {
    const f = fixture({ callsPerWorkerMax: 1 })
    const call = f.call()
    await load(f, 0)
    await f.launcher.worker(0).answer(RETURNED)
    await call
    assert.equal(f.launcher.worker(0).isKilled, true)
  })

  it('lets calls wait in order, and refuses one too many (Q1)', async () => {
    const f = fixture({ workersMax: 1, waitingMax: 2 })
    const done: number[] = []
    const calls = [0, 1, 2].map((index) => f.call().then(() => done.push(index)))
    await load(f, 0)
    await assert.rejects(f.call(), { code: 'SANDBOX_BUSY', retry: 'later' })
    for (let index = 0; index < 3; index += 1) {
      await f.launcher.worker(0).answer(RETURNED)
      await settle()
    }
    await Promise.all(calls)
    assert.deepEqual(done, [0, 1, 2])
    assert.equal(f.launcher.workers.length, 1)
  })

  it('passes the place of an aborted call to the next that waits, whenever the abort comes', async () => {
    for (let turns = 0; turns < 30; turns += 1) {
      const f = fixture({ workersMax: 1 })
      const first = f.call()
      await load(f, 0)
      const abort = new AbortController()
      const second = f.call('a', abort.signal).catch(() => null)
      let isThirdDone = false
      const third = f.call().then(() => (isThirdDone = true))
      await settle()
      const answered = f.launcher.worker(0).answer(RETURNED)
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve()
      abort.abort(new Error('gone'))
      await Promise.all([answered, first, second])
      await settle()
      const last = f.launcher.workers.length - 1
      if (last > 0) await f.launcher.worker(last).answer({ type: 'loaded' })
      await f.launcher.worker(last).answer(RETURNED)
      await settle()
      assert.equal(isThirdDone, true, `aborted after ${turns} turns`)
      await third
    }
  })

  it('kills the worker of an aborted call and throws the reason', async () => {
    const f = fixture()
    const abort = new AbortController()
    const call = f.call('a', abort.signal)
    await load(f, 0)
    abort.abort(new Error('gone'))
    await assert.rejects(call, /gone/)
    assert.equal(f.launcher.worker(0).isKilled, true)
  })

  it('reports files that the worker refused, and frees the place', async () => {
    const f = fixture({ workersMax: 1 })
    const call = f.call()
    await settle()
    const refused = assert.rejects(call, { code: 'SANDBOX_CACHE_CORRUPT' })
    await f.launcher.worker(0).answer({ type: 'corrupt', file: 'tool.js' })
    await refused
    const second = f.call()
    await load(f, 1)
    await f.launcher.worker(1).answer(RETURNED)
    await second
  })

  it('gives up on a worker that does not load in time', async () => {
    const f = fixture()
    const call = f.call()
    await settle()
    const refused = assert.rejects(call, { code: 'SANDBOX_WORKER_FAILED' })
    await f.clock.advance(15_000)
    await refused
    assert.equal(f.launcher.worker(0).isKilled, true)
  })

  it('stop() lets a running call end, refuses the rest, and leaves nothing; twice is safe', async () => {
    const f = fixture({ workersMax: 1 })
    const running = f.call()
    await load(f, 0)
    const waiting = assert.rejects(f.call(), { code: 'SANDBOX_STOPPED' })
    await settle()
    const stopped = f.pool.stop()
    await waiting
    await assert.rejects(f.call(), { code: 'SANDBOX_STOPPED' })
    await f.launcher.worker(0).answer(RETURNED)
    assert.deepEqual((await running).outcome, RETURNED)
    await Promise.all([stopped, f.pool.stop()])
    assert.equal(f.launcher.alive.length, 0)
    assert.equal(f.clock.sleepers, 0)
  })

  it('stop() kills what does not end by itself, loading workers included', async () => {
    const f = fixture({}, millis(9000))
    const running = f.call('a')
    await load(f, 0)
    const loading = f.call('b')
    await settle()
    const refused = [running, loading].map((call) =>
      assert.rejects(call, ({ code }: { code: string }) => code.startsWith('SANDBOX_'))
    )
    const stopped = f.pool.stop()
    await f.clock.advance(2000)
    await Promise.all([stopped, ...refused])
    assert.equal(f.launcher.alive.length, 0)
    assert.equal(f.clock.sleepers, 0)
  })
})
