import assert from 'node:assert/strict'
import { channelPair, epoch, millis, pid, WeaverError } from '../../../core/index.ts'
import { createGate, ownerAndMembers } from '../../../governance/index.ts'
import { finishedResult } from '../../../scheduler/execution-record.ts'
import type { Policy } from '../../../governance/index.ts'
import {
  createExecutor,
  executionStore,
  parseGpuRequest,
  Resources
} from '../../../scheduler/index.ts'
import type {
  Executor,
  ExecutorEvent,
  FinishedReport,
  FinishedVerdict,
  Offer,
  OriginClient,
  TaskSpec
} from '../../../scheduler/index.ts'
import { FakeProcessHost } from '../../doubles/fake-process-host.ts'
import type { FakeProcess } from '../../doubles/fake-process-host.ts'
import { MemoryLedger } from '../../doubles/ledger.ts'
import { MemoryStore } from '../../doubles/memory-store.ts'
import { MemoryDirectory, testCandidate, testGpu, testNode } from '../../doubles/peer-directory.ts'
import { silentLog } from '../../doubles/silent-log.ts'
import { VirtualClock } from '../../sim/world/virtual-clock.ts'
import { aTask, frame, frameText, settle, testSpec } from './fixtures.ts'

const self = testNode(1)
const origin = testNode(2)
const stranger = testNode(3)
const run = { taskId: aTask, epoch: epoch(1) }
const SIGTERM = { code: null, signal: 'SIGTERM' }

/** An origin that remembers what it is told, and answers what the test says. */
class FakeOrigin implements OriginClient {
  readonly reports: FinishedReport[] = []
  readonly starts: number[] = []
  answer: FinishedVerdict | Error = 'committed'

  started(): void {
    this.starts.push(this.reports.length)
  }

  async finished(_node: unknown, report: FinishedReport): Promise<FinishedVerdict> {
    this.reports.push(report)
    if (this.answer instanceof Error) throw this.answer
    return this.answer
  }
}

class Bench {
  readonly ledger = new MemoryLedger()
  readonly kv = new MemoryStore()
  readonly store = executionStore({ store: this.kv, log: silentLog })
  readonly peers = new MemoryDirectory()
  readonly clock = new VirtualClock()
  processes = new FakeProcessHost()
  origins = new FakeOrigin()
  policy: Policy = ownerAndMembers
  executor: Executor = this.start()
  #pid = 0

  start(): Executor {
    const { ledger, store, peers, clock, processes, origins } = this
    const gate = createGate({ ledger, policy: { decide: (asked) => this.policy.decide(asked) } })
    const pids = {
      next: async () => {
        this.#pid += 1
        return pid(this.#pid)
      }
    }
    const gpus = [testGpu(0), testGpu(1)]
    const resources = new Resources({ gpus, tasksMax: 3 }, clock.wall())
    const shared = { ledger, gate, store, peers, clock, resources, log: silentLog }
    return createExecutor({ ...shared, processes, origins, pids }, { self, name: 'server' })
  }

  async crash(): Promise<void> {
    this.processes = new FakeProcessHost()
    this.origins = new FakeOrigin()
    this.executor = this.start()
    await this.executor.resume()
    await settle()
  }

  async offer(more: Partial<TaskSpec> = {}, as: Partial<Offer> = {}): Promise<string> {
    const answer = await this.executor.offer(origin, { ...run, spec: testSpec(more), ...as })
    await settle()
    return answer.kind === 'declined' ? `declined: ${answer.reason}` : answer.kind
  }

  get process(): FakeProcess {
    const process = this.processes.started.at(-1)
    assert.ok(process, 'nothing was started')
    return process
  }

  async advance(ms: number): Promise<void> {
    this.clock.advanceTo(millis(this.clock.now() + ms))
    await settle()
  }
}

async function attached(
  bench: Bench
): Promise<{ seen: string[]; user: ReturnType<typeof channelPair>[0]; over: Promise<void> }> {
  await bench.offer({ isAttached: true })
  const [user, theirs] = channelPair()
  const over = bench.executor.attach(origin, run, theirs)
  const seen: string[] = []
  void (async () => {
    for await (const bytes of user.frames) seen.push(`${bytes[0]}:${frameText(bytes)}`)
  })().catch(() => seen.push('broken'))
  await settle()
  return { seen, user, over }
}

async function started(): Promise<Bench> {
  const bench = new Bench()
  await bench.executor.resume()
  return bench
}

describe('scheduler/executor', () => {
  it('an offer is durable, with its decision, before it is answered and before anything starts (X1)', async () => {
    const bench = await started()
    const { promise, resolve } = Promise.withResolvers<void>()
    bench.ledger.gate = promise
    const offering = bench.offer()
    await settle()
    assert.deepEqual(bench.processes.started, [])
    resolve()
    assert.equal(await offering, 'accepted')
    assert.deepEqual(bench.ledger.kinds.slice(0, 2), ['policy.decision', 'task.accepted'])
    assert.equal((await bench.store.all()).length, 1)
    assert.equal(bench.processes.started.length, 1)
  })

  it('a result is durable before it is reported, and forgotten when the origin has it (X4)', async () => {
    const bench = await started()
    await bench.offer()
    const { promise, resolve } = Promise.withResolvers<void>()
    bench.ledger.gate = promise
    bench.process.end({ code: 4, signal: null })
    await settle()
    assert.equal(bench.origins.reports.length, 0)
    assert.equal(bench.executor.load().runningTasks, 0)
    resolve()
    await settle()
    assert.deepEqual(bench.origins.reports[0]?.result.exit, { code: 4, signal: null })
    assert.deepEqual(bench.ledger.kinds.slice(2), [
      'task.started',
      'process.started',
      'process.exited',
      'task.finished'
    ])
    assert.equal(bench.ledger.blocks, 3)
    assert.deepEqual(await bench.store.all(), [])
  })

  it('a command gets its task, its epoch, its node and its GPUs, and no more', async () => {
    const bench = await started()
    await bench.offer({ env: { A: 'b', WEAVER_EPOCH: '99' }, gpu: parseGpuRequest('2') })
    assert.deepEqual(bench.process.request.env, {
      A: 'b',
      WEAVER_TASK_ID: aTask,
      WEAVER_EPOCH: '1',
      WEAVER_NODE: 'server',
      WEAVER_GPUS: '0,1',
      CUDA_VISIBLE_DEVICES: '0,1'
    })
    const [decision] = bench.ledger.entries
    assert.ok(!JSON.stringify(bench.ledger.entries).includes('"b"'))
    assert.match(JSON.stringify(decision), /"envNames":\["A","WEAVER_EPOCH"\]/)
  })

  it('two offers in one moment cannot both have the last GPU (R1)', async () => {
    const bench = await started()
    const gpu = parseGpuRequest('2')
    const spec = testSpec({ gpu })
    const answers = await Promise.all([
      bench.executor.offer(origin, { ...run, spec }),
      bench.executor.offer(stranger, { ...run, taskId: other(), spec })
    ])
    assert.deepEqual(answers.map((answer) => answer.kind).toSorted(), ['accepted', 'declined'])
    bench.process.end({ code: 0, signal: null })
    await settle()
    assert.equal(await bench.offer({ gpu }, { taskId: other() }), 'accepted')
  })

  it('offers beyond the slots are declined, and what an executor has ends as a load change', async () => {
    const bench = await started()
    let changes = 0
    bench.executor.onLoadChange(() => {
      changes += 1
    })
    for (const n of [1, 2, 3]) assert.equal(await bench.offer({}, { taskId: other(n) }), 'accepted')
    assert.equal(await bench.offer({}, { taskId: other(4) }), 'declined: it runs 3 tasks already')
    assert.equal(changes, 3)
  })

  it('the same offer twice is answered the same and started once (X2)', async () => {
    const bench = await started()
    assert.equal(await bench.offer(), 'accepted')
    assert.equal(await bench.offer(), 'accepted')
    assert.equal(bench.processes.started.length, 1)
  })

  it('an epoch that was reported as unknown is fenced: its late offer is declined', async () => {
    const bench = await started()
    assert.deepEqual(bench.executor.status(origin, run), { kind: 'unknown' })
    assert.equal(await bench.offer(), 'declined: this offer came too late')
    assert.equal(await bench.offer({}, { epoch: epoch(2) }), 'accepted')
  })

  it('a higher epoch ends the lower one, and is declined until that is over', async () => {
    const bench = await started()
    await bench.offer()
    assert.equal(
      await bench.offer({}, { epoch: epoch(2) }),
      'declined: it has this task at epoch 1'
    )
    assert.deepEqual(bench.process.calls, ['stop 5000', 'stop 5000'])
    assert.equal(await bench.offer({}, { epoch: epoch(2) }), 'accepted')
    assert.equal(await bench.offer(), 'declined: it has this task at epoch 2')
  })

  it('a task that policy denies, or that is for another node, is refused', async () => {
    const bench = await started()
    bench.policy = { decide: () => ({ verdict: 'deny', rule: 'test.no', hint: 'ask nicely' }) }
    const answer = await bench.executor.offer(origin, { ...run, spec: testSpec() })
    assert.equal(answer.kind, 'refused')
    assert.equal(await bench.offer({ node: stranger }, { taskId: other() }), 'refused')
    await settle()
    assert.deepEqual(bench.processes.started, [])
    assert.deepEqual(bench.ledger.kinds, ['policy.decision'])
    assert.equal(bench.executor.load().runningTasks, 0)
    assert.deepEqual(await bench.store.all(), [])
  })

  it('an offer that cannot be recorded is declined, and started never', async () => {
    const bench = await started()
    bench.ledger.faults.push('done-but-failed')
    assert.equal(await bench.offer(), 'declined: it cannot record that it accepted the task')
    bench.kv.failNextWrite(new Error('full'))
    assert.match(await bench.offer({}, { taskId: other() }), /^declined/)
    assert.equal(await bench.offer(), 'declined: this offer came too late')
    await settle()
    assert.deepEqual(bench.processes.started, [])
    assert.equal(bench.executor.load().runningTasks, 0)
  })

  const failures = [
    ['PROCESS_NOT_FOUND', 127],
    ['PROCESS_NOT_EXECUTABLE', 126],
    ['PROCESS_BAD_DIRECTORY', 126],
    ['PROCESS_TOO_MANY', 125]
  ] as const
  for (const [code, exit] of failures) {
    it(`a command that cannot start (${code}) ends with ${exit} and one line`, async () => {
      const bench = await started()
      bench.processes.failures.push(new WeaverError(code, 'Cannot start nope: no such file\nmore'))
      await bench.offer()
      const result = bench.origins.reports[0]?.result
      assert.deepEqual(result?.exit, { code: exit, signal: null })
      assert.equal(result?.reason, 'Cannot start nope: no such file')
      assert.ok(!bench.ledger.kinds.includes('process.exited'))
      assert.equal(bench.executor.load().runningTasks, 0)
    })
  }

  it('cancel() ends the whole tree, and only its origin may', async () => {
    const bench = await started()
    await bench.offer()
    bench.executor.cancel(stranger, run)
    bench.executor.cancel(origin, { ...run, epoch: epoch(2) })
    assert.deepEqual(bench.process.calls, [])
    bench.executor.cancel(origin, run)
    await settle()
    assert.deepEqual(bench.process.calls[0], 'stop 5000')
    assert.equal(bench.origins.reports[0]?.result.outcome, 'cancelled')
    assert.deepEqual(bench.origins.reports[0]?.result.exit, SIGTERM)
  })

  it('cancel() before the acceptance is durable: nothing is ever started', async () => {
    const bench = await started()
    const { promise, resolve } = Promise.withResolvers<void>()
    bench.ledger.gate = promise
    const offering = bench.offer()
    bench.executor.cancel(origin, run)
    resolve()
    await offering
    assert.deepEqual(bench.processes.started, [])
    assert.equal(bench.origins.reports[0]?.result.outcome, 'cancelled')
  })

  it('cancel() while the command is being started ends it as soon as it runs', async () => {
    const bench = await started()
    const { promise, resolve } = Promise.withResolvers<void>()
    bench.processes.gate = promise
    await bench.offer()
    bench.executor.cancel(origin, run)
    resolve()
    await settle()
    assert.equal(bench.origins.reports[0]?.result.outcome, 'cancelled')
  })

  it('a time limit ends the tree by the monotonic clock, from the start of the command', async () => {
    const bench = await started()
    await bench.offer({ timeoutMs: millis(1000) })
    await bench.advance(999)
    assert.deepEqual(bench.process.calls, [])
    await bench.advance(1)
    assert.equal(bench.origins.reports[0]?.result.outcome, 'timed-out')
    assert.equal(bench.origins.reports[0]?.result.reason, 'its time limit was over')
  })

  it('what a command leaves behind is ended with it', async () => {
    const bench = await started()
    await bench.offer()
    bench.process.end({ code: 0, signal: null })
    await settle()
    assert.deepEqual(bench.process.calls, ['stop 5000'])
    assert.equal(bench.origins.reports[0]?.result.outcome, 'exited')
  })

  it('signal() reaches a running command of its own origin only', async () => {
    const bench = await started()
    const no = { code: 'SCHEDULER_TASK_NOT_RUNNING' }
    assert.throws(() => bench.executor.signal(origin, run, 'SIGHUP'), no)
    await bench.offer()
    assert.throws(() => bench.executor.signal(stranger, run, 'SIGHUP'), no)
    bench.executor.signal(origin, run, 'SIGHUP')
    assert.deepEqual(bench.process.calls, ['SIGHUP'])
  })

  it('a result that the origin cannot take is kept, and reported when it is back (X4)', async () => {
    const bench = await started()
    bench.peers.set(testCandidate(origin, { isReachable: false }))
    bench.origins.answer = new WeaverError('MESH_PEER_UNREACHABLE', 'away', { retry: 'later' })
    await bench.offer()
    bench.process.end({ code: 0, signal: null })
    await settle()
    assert.equal(bench.executor.status(origin, run).kind, 'finished')
    await bench.advance(3_600_000)
    assert.equal(bench.origins.reports.length, 1) // No polling meanwhile.
    bench.origins.answer = 'committed'
    bench.peers.change(origin, { isReachable: true })
    await settle()
    assert.equal(bench.origins.reports.length, 2)
    assert.deepEqual(await bench.store.all(), [])
    assert.deepEqual(bench.executor.status(origin, run), { kind: 'unknown' })
  })

  it('acknowledge() forgets a result that the origin has collected', async () => {
    const bench = await started()
    bench.origins.answer = new Error('away')
    await bench.offer()
    bench.executor.acknowledge(origin, run) // Nothing to acknowledge yet.
    bench.process.end({ code: 0, signal: null })
    await settle()
    bench.executor.acknowledge(stranger, run)
    assert.equal(bench.executor.status(origin, run).kind, 'finished')
    bench.executor.acknowledge(origin, run)
    await settle()
    assert.deepEqual(await bench.store.all(), [])
  })

  for (const fault of ['not-done', 'done-but-failed'] as const) {
    it(`an end that cannot be recorded for a while (${fault}) is made up for, once (X4)`, async () => {
      const bench = await started()
      await bench.offer()
      bench.ledger.faults.push(fault)
      bench.kv.failNextWrite(new Error('full'))
      bench.process.end({ code: 0, signal: null })
      await settle()
      assert.equal(bench.origins.reports.length, 0)
      assert.equal(bench.executor.load().runningTasks, 0)
      await bench.advance(250)
      assert.equal(bench.origins.reports.length, 1)
      assert.equal(bench.ledger.of('task.finished').length, 1)
    })
  }

  describe('when its kernel dies', () => {
    it('while a task runs: the next one reports it as lost, once', async () => {
      const bench = await started()
      await bench.offer()
      await bench.crash()
      assert.equal(bench.origins.reports[0]?.result.outcome, 'lost')
      assert.deepEqual(await bench.store.all(), [])
      await bench.crash()
      assert.deepEqual(bench.origins.reports, [])
      assert.equal(bench.ledger.of('task.finished').length, 1)
    })

    it('after the result was kept: the next one hands it over', async () => {
      const bench = await started()
      bench.origins.answer = new Error('away')
      await bench.offer()
      bench.process.end({ code: 7, signal: null })
      await settle()
      await bench.crash()
      assert.deepEqual(bench.origins.reports[0]?.result.exit, { code: 7, signal: null })
    })

    it('after the result was in the lane and before it was stored: it counts, and is not lost', async () => {
      const bench = await started()
      bench.origins.answer = new Error('away')
      await bench.offer()
      bench.kv.failNextWrite(new Error('power'))
      bench.process.end({ code: 7, signal: null })
      await settle()
      await bench.crash()
      assert.deepEqual(bench.origins.reports[0]?.result.exit, { code: 7, signal: null })
      assert.equal(bench.ledger.of('task.finished').length, 1)
    })

    it('after the result was stored and before it was in the lane: it is recorded, then reported', async () => {
      const bench = await started()
      await bench.offer()
      bench.ledger.faults.push('not-done')
      bench.process.end({ code: 7, signal: null })
      await settle()
      assert.equal(bench.ledger.of('task.finished').length, 0)
      await bench.crash()
      assert.deepEqual(bench.origins.reports[0]?.result.exit, { code: 7, signal: null })
      const recorded = bench.ledger.of('task.finished').map(({ payload }) => payload)
      assert.deepEqual(
        recorded.map((payload) => finishedResult(payload, run.epoch)?.exit),
        [{ code: 7, signal: null }]
      )
    })
  })

  describe('with a user attached', () => {
    it('attach() joins both directions and resolves after the last output', async () => {
      const bench = await started()
      const { seen, user, over } = await attached(bench)
      const { io } = bench.process.request
      assert.ok(io)
      const input = io.frames[Symbol.asyncIterator]()
      await user.send(frame(0, 'in'))
      assert.equal(frameText((await input.next()).value), 'in')
      await io.send(frame(16, 'out'))
      io.end()
      await over
      await settle()
      assert.deepEqual(seen, ['16:out'])
    })

    it('attach() is for its origin, for a known run, and once', async () => {
      const bench = await started()
      const { over } = await attached(bench)
      const no = { code: 'SCHEDULER_NOT_ATTACHABLE' }
      const [, theirs] = channelPair()
      await assert.rejects(bench.executor.attach(stranger, run, theirs), no)
      await assert.rejects(bench.executor.attach(origin, { ...run, epoch: epoch(9) }, theirs), no)
      await assert.rejects(bench.executor.attach(origin, run, theirs), no)
      bench.process.request.io?.end()
      await over
    })

    it('a channel that breaks detaches the child, which goes on', async () => {
      const bench = await started()
      const { user, over } = await attached(bench)
      user.abort(new WeaverError('MESH_PEER_UNREACHABLE', 'gone'))
      await over
      await settle()
      assert.deepEqual(bench.process.calls, ['detach'])
      bench.process.end({ code: 0, signal: null })
      await settle()
      assert.equal(bench.origins.reports[0]?.result.outcome, 'exited')
    })

    it('output that nobody comes for goes to the spool after a while', async () => {
      const bench = await started()
      await bench.offer({ isAttached: true })
      await bench.advance(9999)
      assert.deepEqual(bench.process.calls, [])
      await bench.advance(1)
      assert.deepEqual(bench.process.calls, ['detach'])
      const [, theirs] = channelPair()
      await assert.rejects(bench.executor.attach(origin, run, theirs))
    })

    it('output of a task whose result the origin already has can still be fetched', async () => {
      const bench = await started()
      await bench.offer({ isAttached: true })
      const { io } = bench.process.request
      await io?.send(frame(16, 'quick'))
      io?.end()
      bench.process.end({ code: 0, signal: null })
      await settle()
      assert.deepEqual(await bench.store.all(), [])
      const [user, theirs] = channelPair()
      await bench.executor.attach(origin, run, theirs)
      const seen: string[] = []
      for await (const bytes of user.frames) seen.push(frameText(bytes))
      assert.deepEqual(seen, ['quick'])
    })
  })

  it('onEvent() tells the process table of every command', async () => {
    const bench = await started()
    const events: ExecutorEvent[] = []
    bench.executor.onEvent((event) => events.push(event))
    await bench.offer({ command: ['sh', '-c', 'x'] })
    bench.process.end({ code: 0, signal: null })
    await settle()
    assert.deepEqual(
      events.map((event) => event.kind),
      ['starting', 'running', 'ended']
    )
  })

  it('before resume() nothing is accepted, and no question is answered as if all were forgotten', async () => {
    const bench = new Bench()
    assert.equal(await bench.offer(), 'declined: its kernel is starting')
    for (const ask of ['status', 'cancel', 'acknowledge'] as const) {
      assert.throws(() => bench.executor[ask](origin, run), { code: 'SCHEDULER_STARTING' })
    }
  })

  it('stop() declines offers, ends children, reports them as lost, and may be called twice', async () => {
    const bench = await started()
    await bench.offer()
    await bench.executor.stop()
    await bench.executor.stop()
    assert.equal(bench.origins.reports[0]?.result.outcome, 'lost')
    assert.equal(bench.origins.reports[0]?.result.reason, 'the kernel that ran it was stopped')
    assert.equal(bench.processes.live.length, 0)
    assert.equal(await bench.offer({}, { taskId: other() }), 'declined: its kernel is stopping')
  })
})

function other(n: number = 1): typeof aTask {
  return `${'0'.repeat(15)}${n}` as typeof aTask
}
