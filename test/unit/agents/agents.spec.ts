import assert from 'node:assert/strict'
import type { AgentSpec } from '../../../agents/index.ts'
import { AGENTS_MAX } from '../../../agents/limits.ts'
import { DEFAULT_SANDBOX, WeaverError } from '../../../core/index.ts'
import { isCode, settle, Stage, ticker } from './stage.ts'

describe('agents', () => {
  it('spawns through the gate, and shows what runs', async () => {
    const stage = await Stage.open()
    const view = await stage.agents.spawn(ticker)
    assert.deepEqual(view, {
      pid: 1,
      name: 'ticker',
      runtime: 'custom',
      sandbox: DEFAULT_SANDBOX,
      requester: 'user:local',
      restart: 'permanent',
      command: ['sh', '-c', 'date'],
      cwd: null,
      envNames: ['A'],
      gpu: null,
      state: 'running',
      osPid: 1001,
      startedAt: 1_800_000_000_000,
      restarts: 0,
      exit: null,
      reason: null,
      gpus: []
    })
    assert.deepEqual(stage.agents.list(), [view])
    assert.deepEqual(stage.agents.find('1'), view)
    assert.equal(stage.asks.length, 1)
    assert.equal(stage.asks[0]?.requester, 'user:local')
    assert.deepEqual(stage.processes.started[0]?.request.env, { A: 'b' })
    assert.deepEqual(
      stage.events.map((event) => `${event.kind} ${event.agent.state}`),
      ['changed starting', 'started running']
    )
  })

  it('starts nothing that the gate refuses, and keeps no trace of it', async () => {
    const stage = await Stage.open()
    stage.refusal = new WeaverError('GOVERNANCE_DENIED', 'No')
    await assert.rejects(stage.agents.spawn(ticker), isCode('GOVERNANCE_DENIED'))
    assert.equal(stage.processes.started.length, 0)
    assert.deepEqual(stage.agents.list(), [])
    stage.refusal = null
    await stage.agents.spawn(ticker)
  })

  it('gives a name to one of two spawns in the same tick (S1)', async () => {
    const stage = await Stage.open()
    const [first, second] = await Promise.allSettled([
      stage.agents.spawn(ticker),
      stage.agents.spawn(ticker)
    ])
    assert.equal(first?.status, 'fulfilled')
    assert.ok(second?.status === 'rejected' && isCode('AGENTS_NAME_TAKEN')(second.reason))
    await stage.agents.stop('ticker')
    assert.equal((await stage.agents.spawn(ticker)).pid, 2)
    assert.equal(stage.agents.list().length, 1)
  })

  it('restarts after the back-off, ends the leftovers before, asks the gate again (A2)', async () => {
    const stage = await Stage.open()
    await stage.agents.spawn(ticker)
    await stage.crash(1)
    assert.deepEqual(stage.processes.started[0]?.calls, ['stop 0'])
    assert.equal(stage.agents.find('ticker')?.state, 'starting')
    assert.deepEqual(stage.agents.find('ticker')?.exit, { code: 1, signal: null })
    await stage.advance(199)
    assert.equal(stage.processes.started.length, 1)
    await stage.advance(51)
    const view = stage.agents.find('ticker')
    assert.equal(view?.state, 'running')
    assert.equal(view?.restarts, 1)
    assert.equal(view?.pid, 1)
    assert.equal(stage.asks.at(-1)?.restarts, 1)
    assert.equal(stage.processes.live.length, 1)
  })

  it('fails a crash loop at the sixth end within a minute, and says why', async () => {
    const stage = await Stage.open()
    await stage.agents.spawn(ticker)
    for (let crash = 0; crash < 6; crash++) {
      await stage.crash(7)
      await stage.advance(4500)
    }
    const view = stage.agents.find('ticker')
    assert.equal(view?.state, 'failed')
    assert.match(view?.reason ?? '', /6 times within 60 s, the last time with code 7/)
    assert.equal(stage.processes.started.length, 6)
    await stage.advance(100_000)
    assert.equal(stage.processes.live.length, 0)
    assert.equal((await stage.agents.restart('ticker')).state, 'running')
  })

  it('fails at once when a restart can never succeed, and tries again when it can', async () => {
    const stage = await Stage.open()
    await stage.agents.spawn(ticker)
    stage.processes.failures.push(new WeaverError('PROCESS_TOO_MANY', 'Full', { retry: 'later' }))
    await stage.crash(1)
    await stage.advance(250)
    assert.equal(stage.agents.find('ticker')?.state, 'starting')
    await stage.advance(500)
    assert.equal(stage.agents.find('ticker')?.state, 'running')
    stage.processes.failures.push(new WeaverError('PROCESS_NOT_FOUND', 'Gone'))
    await stage.crash(1)
    await stage.advance(1000)
    assert.equal(stage.agents.find('ticker')?.state, 'failed')
    assert.equal(stage.agents.find('ticker')?.reason, 'Gone')
  })

  it('ends a transient agent that succeeds, and a temporary one always (R3)', async () => {
    const stage = await Stage.open()
    await stage.agents.spawn({ ...ticker, restart: 'transient' })
    await stage.crash(0)
    assert.equal(stage.agents.find('ticker')?.state, 'exited')
    await stage.agents.spawn({ ...ticker, restart: 'temporary' })
    await stage.crash(9)
    assert.equal(stage.agents.find('ticker')?.state, 'exited')
    assert.deepEqual(stage.agents.find('ticker')?.exit, { code: 9, signal: null })
  })

  it('stop() ends the process with a grace and keeps it ended (L2)', async () => {
    const stage = await Stage.open()
    await stage.agents.spawn(ticker)
    const view = await stage.agents.stop('ticker')
    assert.equal(view.state, 'exited')
    assert.deepEqual(view.exit, { code: null, signal: 'SIGTERM' })
    assert.deepEqual(stage.processes.started[0]?.calls, ['stop 5000', 'stop 0'])
    await stage.advance(100_000)
    assert.equal(stage.processes.started.length, 1)
    assert.equal((await stage.agents.stop('ticker')).state, 'exited')
  })

  it('stop() during a back-off and during a start keeps it ended', async () => {
    const stage = await Stage.open()
    await stage.agents.spawn(ticker)
    await stage.crash(1)
    assert.equal((await stage.agents.stop('ticker')).state, 'exited')
    await stage.advance(100_000)
    assert.equal(stage.processes.started.length, 1)

    const { promise, resolve } = Promise.withResolvers<void>()
    stage.processes.gate = promise
    const spawning = stage.agents.spawn({ ...ticker, name: 'slow' })
    await settle()
    const stopping = stage.agents.stop('slow')
    resolve()
    await spawning
    assert.equal((await stopping).state, 'exited')
    assert.equal(stage.processes.live.length, 0)
  })

  it('restart() replaces the process and resolves when the new one runs', async () => {
    const stage = await Stage.open()
    await stage.agents.spawn(ticker)
    const view = await stage.agents.restart('ticker')
    assert.equal(view.state, 'running')
    assert.equal(view.osPid, 1002)
    assert.equal(view.restarts, 1)
    assert.equal(stage.processes.live.length, 1)
  })

  it('close() ends all, refuses more, and may be called twice (S2)', async () => {
    const stage = await Stage.open()
    await stage.agents.spawn(ticker)
    await stage.agents.spawn({ ...ticker, name: 'other' })
    await stage.crash(1) // `other` waits for its back-off.
    await Promise.all([stage.agents.close(), stage.agents.close()])
    assert.equal(stage.processes.live.length, 0)
    await assert.rejects(stage.agents.spawn({ ...ticker, name: 'late' }), isCode('AGENTS_STOPPED'))
    await assert.rejects(stage.agents.restart('ticker'), isCode('AGENTS_STOPPED'))
    await stage.advance(100_000)
    assert.equal(stage.processes.live.length, 0)
  })

  it('refuses bad names, runtimes, commands and references with a code for each', async () => {
    const stage = await Stage.open()
    const refused = async (change: Partial<AgentSpec>, expected: string): Promise<void> => {
      await assert.rejects(stage.agents.spawn({ ...ticker, ...change }), isCode(expected))
    }
    await refused({ name: 'No Name' }, 'CORE_INVALID_NAME')
    await refused({ runtime: 'magic' }, 'AGENTS_UNKNOWN_RUNTIME')
    await refused({ command: [] }, 'AGENTS_INVALID_COMMAND')
    await refused({ command: ['x', 'y'.repeat(2 ** 20)] }, 'AGENTS_INVALID_COMMAND')
    await assert.rejects(stage.agents.stop('nobody'), isCode('AGENTS_NOT_FOUND'))
    assert.equal(stage.processes.started.length, 0)
  })

  it('pushes back when the table is full, and forgets the oldest of those that ended', async () => {
    const stage = await Stage.open()
    for (let index = 0; index < AGENTS_MAX; index++) {
      await stage.agents.spawn({ ...ticker, name: `agent-${index}` })
    }
    await assert.rejects(stage.agents.spawn(ticker), isCode('AGENTS_TOO_MANY'))
    for (let index = 0; index < 100; index++) await stage.agents.stop(`agent-${index}`)
    await stage.agents.spawn(ticker)
    assert.equal(stage.agents.list().length, AGENTS_MAX - 100 + 64 + 1)
    assert.equal(stage.agents.find('agent-0'), null)
    assert.equal(stage.agents.find('agent-99')?.state, 'exited')
  })

  it('holds its output over restarts, until it has ended', async () => {
    const stage = await Stage.open()
    await stage.agents.spawn(ticker)
    await stage.crash(1)
    assert.deepEqual(stage.processes.held, [1])
    await stage.advance(250)
    await stage.agents.stop('ticker')
    assert.deepEqual(stage.processes.held, [])
    await stage.agents.restart('ticker')
    assert.deepEqual(stage.processes.held, [1])
    stage.refusal = new WeaverError('GOVERNANCE_DENIED', 'No')
    await assert.rejects(stage.agents.spawn({ ...ticker, name: 'other' }))
    await stage.agents.close()
    assert.deepEqual(stage.processes.held, [])
  })

  it('a listener hears of every process start and end, in order', async () => {
    const stage = await Stage.open()
    await stage.agents.spawn(ticker)
    await stage.crash(2)
    await stage.advance(250)
    await stage.agents.stop('ticker')
    assert.deepEqual(
      stage.events.filter((event) => event.kind !== 'changed').map((event) => event.kind),
      ['started', 'ended', 'started', 'ended']
    )
    const ended = stage.events.find((event) => event.kind === 'ended')
    assert.deepEqual(ended?.agent.exit, { code: 2, signal: null })
  })
})
