import assert from 'node:assert/strict'
import { WeaverError } from '../../../core/index.ts'
import { MemoryStore } from '../../doubles/memory-store.ts'
import { isCode, settle, Stage, ticker } from './stage.ts'

describe('agents of the kernel before', () => {
  it('a permanent one comes back by its old pid and name, asked for anew, its restarts counted on', async () => {
    const before = await Stage.open()
    await before.agents.spawn(ticker)
    await before.agents.close()
    assert.equal(before.processes.live.length, 0)
    const stage = await Stage.open(before)
    await stage.advance(0)
    const view = stage.agents.find('ticker')
    assert.equal(view?.state, 'running')
    assert.equal(view?.pid, 1)
    assert.equal(view?.restarts, 1)
    assert.deepEqual(stage.processes.started[0]?.request.command, ['sh', '-c', 'date'])
    assert.deepEqual(stage.processes.started[0]?.request.env, { A: 'b' })
    assert.deepEqual(
      stage.asks.map(({ name, isResumed, requester }) => [name, isResumed, requester]),
      [['ticker', true, 'user:local']]
    )
    assert.deepEqual(
      stage.events.map((event) => `${event.kind} ${event.agent.state}`),
      ['resumed starting', 'changed starting', 'started running']
    )
    await stage.crash(1)
    await stage.advance(300)
    assert.equal(stage.asks.at(-1)?.isResumed, false)
  })

  it('a transient one comes back until it has succeeded; a temporary one and a process’s do not', async () => {
    const before = await Stage.open()
    await before.agents.spawn({ ...ticker, name: 'done', restart: 'transient' })
    await before.crash(0)
    await before.agents.spawn({ ...ticker, name: 'going', restart: 'transient' })
    await before.agents.spawn({ ...ticker, name: 'once', restart: 'temporary' })
    await before.agents.spawn({ ...ticker, name: 'child', requester: 'process:9' })
    await before.agents.close()
    const stage = await Stage.open(before)
    await stage.advance(1000)
    assert.deepEqual(
      stage.agents.list().map(({ name, state }) => `${name} ${state}`),
      ['done exited', 'going running']
    )
  })

  it('one that was stopped stays stopped, also where the kernel was lost while it ended', async () => {
    const before = await Stage.open()
    await before.agents.spawn(ticker)
    await before.agents.spawn({ ...ticker, name: 'stubborn' })
    await before.agents.stop('ticker')
    const last = before.processes.started.at(-1)
    assert.ok(last !== undefined)
    last.isStubborn = true
    void before.agents.stop('stubborn')
    await settle()
    const stage = await Stage.open(before)
    await stage.advance(60_000)
    assert.equal(stage.processes.started.length, 0)
    assert.equal(stage.agents.find('ticker')?.state, 'exited')
    assert.deepEqual(stage.agents.find('ticker')?.exit, { code: null, signal: 'SIGTERM' })
    assert.equal((await stage.agents.restart('ticker')).state, 'running')
    assert.equal(stage.asks[0]?.isResumed, true)
    const again = await Stage.open(stage)
    await again.advance(60_000)
    assert.deepEqual(
      again.agents.list().map(({ name, state }) => `${name} ${state}`),
      ['ticker running', 'stubborn exited']
    )
  })

  it('a stop by its owner counts though its kernel stops at the same time (P1)', async () => {
    const before = await Stage.open()
    await before.agents.spawn(ticker)
    const stopping = before.agents.stop('ticker')
    await Promise.all([before.agents.close(), stopping])
    const stage = await Stage.open(before)
    await stage.advance(60_000)
    assert.equal(stage.agents.find('ticker')?.state, 'exited')
  })

  it('a crash loop that had failed stays failed; what could not be started is tried again', async () => {
    const before = await Stage.open()
    await before.agents.spawn(ticker)
    for (let crash = 0; crash < 6; crash++) {
      await before.crash(7)
      await before.advance(4500)
    }
    assert.equal(before.agents.find('ticker')?.state, 'failed')
    await before.agents.spawn({ ...ticker, name: 'refused' })
    before.refusal = new WeaverError('GOVERNANCE_DENIED', 'Not now')
    await before.crash(1)
    await before.advance(1000)
    assert.equal(before.agents.find('refused')?.reason, 'Not now')
    const stage = await Stage.open(before)
    await stage.advance(1000)
    assert.equal(stage.agents.find('ticker')?.state, 'failed')
    assert.match(stage.agents.find('ticker')?.reason ?? '', /6 times within 60 s/)
    assert.equal(stage.agents.find('refused')?.state, 'running')
  })

  it('one whose kernel is lost again and again is given up, and told of (K2)', async () => {
    let stage = await Stage.open()
    await stage.agents.spawn(ticker)
    for (let lost = 0; lost < 5; lost++) {
      stage = await Stage.open(stage)
      await stage.advance(10_000)
      assert.equal(stage.agents.find('ticker')?.state, 'running')
    }
    stage = await Stage.open(stage)
    await stage.advance(60_000)
    assert.equal(stage.processes.started.length, 0)
    assert.equal(stage.events[0]?.kind, 'abandoned')
    assert.match(stage.agents.find('ticker')?.reason ?? '', /its kernel ended without warning 6/)
    await stage.agents.restart('ticker')
    stage = await Stage.open(stage)
    await stage.advance(10_000)
    assert.equal(stage.agents.find('ticker')?.state, 'running')
  })

  it('what the gate refuses now is not started, and asked for again by the next kernel', async () => {
    const before = await Stage.open()
    await before.agents.spawn(ticker)
    await before.agents.close()
    const stage = await Stage.open(before)
    stage.refusal = new WeaverError('GOVERNANCE_DENIED', 'No')
    await stage.advance(1000)
    assert.equal(stage.processes.started.length, 0)
    assert.equal(stage.agents.find('ticker')?.state, 'failed')
    assert.equal(stage.agents.find('ticker')?.reason, 'No')
    const next = await Stage.open(stage)
    await next.advance(1000)
    assert.equal(next.agents.find('ticker')?.state, 'running')
  })

  it('waits for its approval, for one alone, and shows which', async () => {
    const pending = (approval: string): WeaverError =>
      new WeaverError('GOVERNANCE_APPROVAL_PENDING', `It waits for approval ${approval}`, {
        retry: 'later',
        detail: { approval }
      })
    const before = await Stage.open()
    await before.agents.spawn(ticker)
    await before.agents.close()
    const stage = await Stage.open(before)
    stage.refusal = pending('7@laptop')
    await stage.advance(60)
    assert.equal(stage.agents.find('ticker')?.state, 'starting')
    assert.equal(stage.agents.find('ticker')?.reason, 'It waits for approval 7@laptop')
    for (let turn = 0; turn < 100; turn++) await stage.advance(2000)
    assert.equal(stage.agents.find('ticker')?.state, 'starting')
    stage.refusal = null
    await stage.advance(2000)
    assert.equal(stage.agents.find('ticker')?.state, 'running')
    assert.equal(stage.agents.find('ticker')?.reason, null)
    stage.refusal = pending('8@laptop')
    await stage.crash(1)
    await stage.advance(1000)
    assert.equal(stage.agents.find('ticker')?.state, 'starting')
    stage.refusal = pending('9@laptop') // The one that it waited for has run out.
    await stage.advance(2000)
    assert.equal(stage.agents.find('ticker')?.state, 'failed')
  })

  it('spawns nothing before it has taken them up, and acknowledges what is durable alone (S3)', async () => {
    const stage = new Stage(new MemoryStore())
    await assert.rejects(stage.agents.spawn(ticker), isCode('AGENTS_STARTING'))
    await stage.agents.resume()
    stage.store.failNextWrite(new WeaverError('STORE_FAILED', 'Full'))
    await assert.rejects(stage.agents.spawn(ticker), isCode('STORE_FAILED'))
    assert.equal(stage.processes.live.length, 0)
    assert.deepEqual(stage.agents.list(), [])
    const { pid: spawned } = await stage.agents.spawn(ticker)
    stage.store.failNextWrite(new WeaverError('STORE_FAILED', 'Full'))
    const stopping = stage.agents.stop('ticker')
    await assert.doesNotReject(stopping) // The write at its end was the one that counted.
    const next = await Stage.open(stage)
    assert.deepEqual(
      next.agents.list().map((view) => [view.pid, view.state]),
      [[spawned, 'exited']]
    )
  })

  it('starts them one after the other, and a new one of an ended one’s name takes its place', async () => {
    const before = await Stage.open()
    for (let index = 0; index < 8; index++) {
      await before.agents.spawn({ ...ticker, name: `agent-${index}` })
    }
    await before.agents.stop('agent-7')
    await before.agents.close()
    const stage = await Stage.open(before)
    assert.equal(stage.processes.started.length, 0)
    for (let step = 0; step < 8; step++) await stage.advance(25)
    assert.equal(stage.processes.started.length, 7)
    await stage.agents.spawn({ ...ticker, name: 'agent-7', restart: 'temporary' })
    await stage.agents.close()
    const next = await Stage.open(stage)
    assert.equal(next.agents.find('agent-7'), null)
  })
})

describe('GPUs of agents', () => {
  it('are held from the first start to the end, over restarts, and named to the process', async () => {
    const stage = await Stage.open()
    const view = await stage.agents.spawn({ ...ticker, gpu: '1' })
    assert.deepEqual(view.gpus, [0])
    assert.deepEqual(stage.processes.started[0]?.request.env, { A: 'b', CUDA_VISIBLE_DEVICES: '0' })
    assert.deepEqual(stage.processes.started[0]?.request.gpus?.[0]?.vendorIndex, 0)
    await stage.crash(1)
    assert.deepEqual([...stage.lent], [0], 'while it waits')
    await stage.advance(300)
    assert.deepEqual(stage.agents.find('ticker')?.gpus, [0])
    await stage.agents.stop('ticker')
    assert.deepEqual([...stage.lent], [])
    assert.deepEqual(stage.agents.find('ticker')?.gpus, [])
    await stage.agents.restart('ticker')
    assert.deepEqual([...stage.lent], [0])
  })

  it('are given to nobody else, and freed when a start is refused', async () => {
    const stage = await Stage.open()
    for (const name of ['one', 'two']) await stage.agents.spawn({ ...ticker, name, gpu: '1' })
    await assert.rejects(stage.agents.spawn({ ...ticker, gpu: '1' }), isCode('AGENTS_NO_GPU'))
    await stage.agents.stop('one')
    stage.refusal = new WeaverError('GOVERNANCE_DENIED', 'No')
    await assert.rejects(stage.agents.spawn({ ...ticker, gpu: '1' }), isCode('GOVERNANCE_DENIED'))
    assert.deepEqual([...stage.lent], [1])
  })

  it('belong to an agent of the kernel before when `resume` has resolved, before it runs', async () => {
    const before = await Stage.open()
    await before.agents.spawn({ ...ticker, gpu: '1' })
    await before.agents.close()
    assert.deepEqual([...before.lent], [])
    const stage = await Stage.open(before)
    assert.equal(stage.processes.started.length, 0)
    assert.deepEqual([...stage.lent], [0])
    await stage.advance(100)
    assert.deepEqual(stage.processes.started[0]?.request.env['CUDA_VISIBLE_DEVICES'], '0')
  })
})
