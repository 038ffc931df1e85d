import assert from 'node:assert/strict'
import {
  channelPair,
  DEFAULT_SANDBOX,
  epoch,
  millis,
  parseGrant,
  WeaverError
} from '../../../core/index.ts'
import { parseGpuRequest } from '../../../scheduler/index.ts'
import { testCandidate, testGpu, testNode } from '../../doubles/peer-directory.ts'
import { frame, settle, testResult, testSpec } from './fixtures.ts'
import { accept, Bench, notesOf, one, result, running, server } from './origin-bench.ts'

describe('scheduler/origin', () => {
  it('submit() is durable, with its decision, before anything is sent (O1)', async () => {
    const bench = new Bench()
    const { promise, resolve } = Promise.withResolvers<void>()
    bench.peers.set(testCandidate(server))
    bench.ledger.gate = promise
    const submitting = bench.submit()
    await settle()
    assert.deepEqual(bench.executors.offers, [])
    assert.deepEqual(bench.origin.list(), [])
    resolve()
    const { task } = await submitting
    assert.deepEqual(bench.ledger.kinds, ['policy.decision', 'task.submitted'])
    assert.equal(bench.ledger.blocks, 1)
    assert.equal(bench.executors.last.offer.taskId, task.taskId)
    assert.equal(bench.executors.last.offer.epoch, 1)
  })

  it('a result is committed before the user or the executor hears of it (O2)', async () => {
    const bench = new Bench()
    const { task, outcome } = await running(bench)
    const { promise, resolve } = Promise.withResolvers<void>()
    bench.ledger.gate = promise
    const told: string[] = []
    const report = { taskId: task.taskId, epoch: one, result, revision: 3 }
    const verdict = bench.origin.finished(server, report).then((text) => told.push(text))
    void outcome.then((ended) => told.push(ended.state))
    await settle()
    assert.deepEqual(told, [])
    assert.equal(bench.origin.show(task.taskId).state, 'running')
    resolve()
    await verdict
    await settle()
    assert.deepEqual(
      told.toSorted((a, b) => (a < b ? -1 : 1)),
      ['committed', 'succeeded']
    )
    const ended = bench.origin.show(task.taskId)
    assert.equal(ended.receipt, '2')
    assert.deepEqual(ended.exit, { code: 0, signal: null })
    assert.equal(ended.attempts, 1)
    assert.deepEqual(await bench.origin.wait(task.taskId, new AbortController().signal), ended)
  })

  it('a task that finds no place within its time is timed out, never offered late', async () => {
    const bench = new Bench()
    const { task, outcome } = await bench.submit({ timeoutMs: millis(2000) })
    assert.equal(task.state, 'queued')
    bench.clock.advanceTo(millis(1999))
    await settle()
    assert.equal(bench.origin.show(task.taskId).state, 'queued')
    bench.clock.advanceTo(millis(2000))
    const ended = await outcome
    assert.equal(ended.state, 'timed-out')
    assert.match(ended.reason ?? '', /found no place in 2 s/)
    bench.peers.set(testCandidate(server))
    await settle()
    assert.deepEqual(bench.executors.offers, [])
  })

  it('a task keeps its sandbox on the way to its executor', async () => {
    const bench = new Bench()
    bench.peers.set(testCandidate(server))
    const grants = [parseGrant('fs.read:/data=/in')]
    const sandbox = { ...DEFAULT_SANDBOX, grants, limits: { memoryBytes: 1e9, cpus: 1, pids: 9 } }
    const { task } = await bench.submit({ sandbox })
    assert.deepEqual(task.sandbox, sandbox)
    assert.deepEqual(bench.executors.offers[0]?.offer.spec.sandbox, sandbox)
  })

  it('a task that is declined after its time does not wait again', async () => {
    const bench = new Bench()
    bench.peers.set(testCandidate(server))
    const { outcome } = await bench.submit({ timeoutMs: millis(2000) })
    bench.clock.advanceTo(millis(2000))
    await settle()
    bench.executors.last.answer({ kind: 'declined', reason: 'busy', revision: 1 })
    assert.equal((await outcome).state, 'timed-out')
    assert.equal(bench.executors.offers.length, 1)
  })

  it('a result that comes twice is committed once and answered the same', async () => {
    const bench = new Bench()
    const { task } = await running(bench)
    const report = { taskId: task.taskId, epoch: one, result, revision: 3 }
    const both = [bench.origin.finished(server, report), bench.origin.finished(server, report)]
    assert.deepEqual(await Promise.all(both), ['committed', 'committed'])
    assert.equal(bench.ledger.of('task.committed').length, 1)
    assert.equal(bench.ledger.of('task.fenced').length, 0)
  })

  it('a result of an older epoch is fenced and recorded, and the newer one counts (T2)', async () => {
    const bench = new Bench()
    bench.peers.set(testCandidate(server))
    const { task } = await bench.submit()
    bench.executors.last.answer({ kind: 'declined', reason: 'busy', revision: 1 })
    await settle()
    bench.peers.change(server, {})
    await settle()
    assert.equal(bench.executors.last.offer.epoch, 2)
    const { taskId } = task
    const stale = { taskId, epoch: one, result, revision: 3 }
    assert.equal(await bench.origin.finished(server, stale), 'fenced')
    assert.equal(await bench.origin.finished(server, stale), 'fenced')
    assert.equal(bench.ledger.of('task.fenced').length, 1)
    const current = { taskId, epoch: epoch(2), result, revision: 3 }
    assert.equal(await bench.origin.finished(server, current), 'committed')
    assert.equal(bench.origin.show(taskId).state, 'succeeded')
  })

  it('a result from a node that was never asked is neither believed nor recorded', async () => {
    const bench = new Bench()
    const { task } = await running(bench)
    const report = { taskId: task.taskId, epoch: one, result, revision: 3 }
    assert.equal(await bench.origin.finished(testNode(9), report), 'unknown')
    assert.equal(bench.origin.show(task.taskId).state, 'running')
    assert.equal(bench.ledger.of('task.fenced').length, 0)
  })

  it('a declined offer goes to the next best node under a higher epoch (T1)', async () => {
    const bench = new Bench()
    bench.peers.set(testCandidate(server, { name: 'a' }))
    bench.peers.set(testCandidate(testNode(3), { name: 'b' }))
    await bench.submit()
    assert.equal(bench.executors.last.node, server)
    bench.executors.last.answer({ kind: 'declined', reason: 'lost the race', revision: 1 })
    await settle()
    assert.equal(bench.executors.last.node, testNode(3))
    assert.equal(bench.executors.last.offer.epoch, 2)
  })

  it('an executor that declined is asked again after a while, without any news of it', async () => {
    const bench = new Bench()
    bench.peers.set(testCandidate(server))
    await bench.submit()
    bench.executors.last.fail(new WeaverError('X', 'not sent', { retry: 'elsewhere' }))
    await settle()
    assert.equal(bench.executors.offers.length, 1)
    await bench.advance(250)
    assert.equal(bench.executors.offers.length, 2)
  })

  it('a refused offer fails the task with the reason of the executor', async () => {
    const bench = new Bench()
    bench.peers.set(testCandidate(server))
    const { outcome } = await bench.submit()
    bench.executors.last.answer({
      kind: 'refused',
      code: 'GOVERNANCE_DENIED',
      reason: 'Denied: no'
    })
    const ended = await outcome
    assert.equal(ended.state, 'failed')
    assert.equal(ended.reason, 'Denied: no')
  })

  it('an offer that comes to nothing frees at once what was set aside for it', async () => {
    const bench = new Bench()
    bench.peers.set(testCandidate(server, { gpus: [testGpu(0)] }))
    const gpu = parseGpuRequest('1')
    for (const answer of [
      { kind: 'refused', code: 'X', reason: 'no' },
      { kind: 'declined', reason: 'busy', revision: 1 }
    ] as const) {
      await bench.submit({ gpu })
      const next = await bench.submit({ gpu })
      bench.executors.last.answer(answer)
      await settle()
      assert.equal(bench.executors.last.offer.taskId, next.task.taskId)
      bench.executors.last.answer({ kind: 'refused', code: 'X', reason: 'no' })
      await settle()
    }
  })

  it('a task that fits nowhere waits, says for what, and starts when that changes', async () => {
    const bench = new Bench()
    bench.peers.set(
      testCandidate(server, { name: 'server', gpus: [testGpu(0, { isFree: false })] })
    )
    const notes: string[] = []
    bench.origin.events((event) => {
      if (event.kind === 'note') notes.push(event.text)
    })
    const gpu = parseGpuRequest('1')
    const { task } = await bench.submit({ gpu })
    const why = 'no member has 1 free GPU: server has 1 (0 free)'
    assert.deepEqual(notes, [`waiting: ${why}`])
    assert.equal(bench.origin.show(task.taskId).reason, why)
    bench.peers.change(server, {})
    assert.equal(notes.length, 1)
    bench.peers.change(server, { gpus: [testGpu(0)] })
    await settle()
    assert.equal(bench.executors.last.offer.taskId, task.taskId)
    assert.equal(bench.origin.show(task.taskId).reason, null)
  })

  it('waiting tasks go in order, and one that waits does not hold up those with other needs', async () => {
    const bench = new Bench()
    const gpu = parseGpuRequest('1')
    const first = await bench.submit({ gpu })
    const second = await bench.submit({ gpu })
    const third = await bench.submit()
    bench.peers.set(testCandidate(server, { revision: 5 }))
    await settle()
    assert.deepEqual(
      bench.executors.offers.map(({ offer }) => offer.taskId),
      [third.task.taskId]
    )
    bench.peers.change(server, { gpus: [testGpu(0)] })
    await settle()
    assert.equal(bench.executors.offers.length, 2)
    assert.equal(bench.executors.last.offer.taskId, first.task.taskId)
    bench.executors.last.answer({ kind: 'accepted', revision: 7, gpus: [0] })
    await settle()
    // Before the executor's report says so, its end is known to have freed the GPU.
    bench.peers.change(server, { revision: 7, gpus: [testGpu(0, { isFree: false })] })
    const report = { taskId: first.task.taskId, epoch: one, result, revision: 8 }
    await bench.origin.finished(server, report)
    await settle()
    assert.equal(bench.executors.last.offer.taskId, second.task.taskId)
  })

  it('many tasks at once are spread over the members before any of them has reported', async () => {
    const bench = new Bench()
    for (let n = 2; n <= 5; n += 1) bench.peers.set(testCandidate(testNode(n)))
    for (let n = 0; n < 8; n += 1) await bench.submit()
    const counts = new Map<string, number>()
    for (const { node } of bench.executors.offers) counts.set(node, (counts.get(node) ?? 0) + 1)
    assert.deepEqual([...counts.values()], [2, 2, 2, 2])
  })

  it('submit() pushes back when too many tasks are unfinished, and takes more when one has ended', async () => {
    const bench = new Bench({ unfinishedMax: 2 })
    await running(bench)
    const waiting = await bench.submit({ gpu: parseGpuRequest('9') })
    await assert.rejects(bench.submit(), { code: 'SCHEDULER_QUEUE_FULL', retry: 'later' })
    await bench.origin.cancel(waiting.task.taskId)
    await settle()
    await bench.submit()
  })

  it('ended tasks are forgotten, oldest first, when there are too many', async () => {
    const bench = new Bench({ endedKept: 1 })
    const gpu = parseGpuRequest('1')
    const tasks = [await bench.submit({ gpu }), await bench.submit({ gpu })]
    for (const { task } of tasks) await bench.origin.cancel(task.taskId)
    await settle()
    assert.deepEqual(
      bench.origin.list().map((task) => task.taskId),
      [tasks[1]?.task.taskId]
    )
    assert.equal((await bench.store.all()).length, 1)
  })

  it('submit() refuses a spec that is not one, and a denied one, and changes nothing', async () => {
    const bench = new Bench()
    const stranger = { kind: 'process', pid: 5 } as unknown as { readonly kind: 'owner' }
    await assert.rejects(bench.submit({ timeoutMs: millis(0) }), { code: 'SCHEDULER_INVALID_SPEC' })
    await assert.rejects(bench.submit({ isAttached: true }), { code: 'SCHEDULER_INVALID_SPEC' })
    await assert.rejects(bench.origin.submit(testSpec(), null, stranger), {
      code: 'GOVERNANCE_DENIED'
    })
    await settle()
    assert.deepEqual(bench.origin.list(), [])
    assert.deepEqual(await bench.store.all(), [])
    assert.deepEqual(bench.ledger.kinds, ['policy.decision'])
  })

  it('submit() fails and sends nothing when the lane or the store cannot be written', async () => {
    const bench = new Bench()
    bench.peers.set(testCandidate(server))
    bench.ledger.faults.push('not-done')
    await assert.rejects(bench.submit(), { code: 'GOVERNANCE_UNRECORDED' })
    bench.kv.failNextWrite(new Error('full'))
    await assert.rejects(bench.submit(), /full/)
    await settle()
    assert.deepEqual(bench.executors.offers, [])
    assert.deepEqual(bench.origin.list(), [])
  })

  it('cancel() ends a waiting task at once and a running one through its executor', async () => {
    const bench = new Bench()
    const waiting = await bench.submit({ gpu: parseGpuRequest('9') })
    await bench.origin.cancel(waiting.task.taskId)
    assert.equal((await waiting.outcome).state, 'cancelled')
    const { task, outcome } = await running(bench)
    await bench.origin.cancel(task.taskId)
    assert.deepEqual(bench.executors.calls, ['cancel 1'])
    const cancelled = testResult({ outcome: 'cancelled', exit: { code: null, signal: 'SIGTERM' } })
    await bench.origin.finished(server, {
      taskId: task.taskId,
      epoch: one,
      result: cancelled,
      revision: 3
    })
    assert.equal((await outcome).state, 'cancelled')
  })

  it('cancel() of an offered task waits for the answer', async () => {
    const bench = new Bench()
    bench.peers.set(testCandidate(server))
    const first = await bench.submit()
    await bench.origin.cancel(first.task.taskId)
    bench.executors.last.answer(accept)
    await settle()
    assert.deepEqual(bench.executors.calls, ['cancel 1'])
    const second = await bench.submit()
    await bench.origin.cancel(second.task.taskId)
    bench.executors.last.answer({ kind: 'declined', reason: 'busy', revision: 9 })
    assert.equal((await second.outcome).state, 'cancelled')
  })

  it('signal() reaches a running task only', async () => {
    const bench = new Bench()
    const { task } = await running(bench)
    await bench.origin.signal(task.taskId, 'SIGHUP')
    assert.deepEqual(bench.executors.calls, ['signal 1 SIGHUP'])
    const waiting = await bench.submit({ gpu: parseGpuRequest('9') })
    await assert.rejects(bench.origin.signal(waiting.task.taskId, 'SIGHUP'), {
      code: 'SCHEDULER_TASK_NOT_RUNNING'
    })
  })

  it('show(), wait() and cancel() do not know other tasks', async () => {
    const bench = new Bench()
    const { taskId } = (await running(bench)).task
    const other = new Bench()
    assert.throws(() => other.origin.show(taskId), { code: 'SCHEDULER_TASK_NOT_FOUND' })
    await assert.rejects(other.origin.cancel(taskId), { code: 'SCHEDULER_TASK_NOT_FOUND' })
    const gone = AbortSignal.abort(new Error('gone'))
    await assert.rejects(bench.origin.wait(taskId, gone), /gone/)
  })

  describe('with a user attached', () => {
    it('passes input and output, and ends the output before the outcome', async () => {
      const bench = new Bench()
      const [user, io] = channelPair()
      const { task, outcome } = await running(bench, {}, io)
      const [executorEnd] = bench.executors.attached
      assert.ok(executorEnd)
      const seen: string[] = []
      const reading = notesOf(user, seen)
      const input: string[] = []
      void notesOf(executorEnd, input).catch(() => {})
      await user.send(frame(0, 'in'))
      await executorEnd.send(frame(16, 'out'))
      await bench.origin.finished(server, { taskId: task.taskId, epoch: one, result, revision: 3 })
      const told: string[] = []
      void outcome.then((ended) => told.push(ended.state))
      await settle()
      assert.deepEqual(told, []) // More output may come.
      await executorEnd.send(frame(16, 'last'))
      executorEnd.end()
      await reading
      await settle()
      assert.deepEqual(told, ['succeeded'])
      assert.deepEqual(seen, ['16:out', '16:last'])
      assert.deepEqual(input, ['0:in'])
    })

    it('still joins the output of a command that ended before the answer to its offer', async () => {
      const bench = new Bench()
      bench.peers.set(testCandidate(server))
      const [user, io] = channelPair()
      const { task, outcome } = await bench.submit({}, io)
      const seen: string[] = []
      void notesOf(user, seen)
      await bench.origin.finished(server, { taskId: task.taskId, epoch: one, result, revision: 3 })
      bench.executors.last.answer(accept)
      await settle()
      await bench.executors.attached[0]?.send(frame(16, 'quick'))
      bench.executors.attached[0]?.end()
      assert.equal((await outcome).state, 'succeeded')
      await settle()
      assert.deepEqual(seen, ['16:quick'])
    })

    it('notes what a task waits for, and Ctrl-C behind some input cancels it', async () => {
      const bench = new Bench()
      const [user, io] = channelPair()
      const seen: string[] = []
      void notesOf(user, seen)
      const { outcome } = await bench.submit({}, io)
      await user.send(frame(0, 'typed ahead'))
      await user.send(frame(2, 'SIGINT'))
      assert.equal((await outcome).state, 'cancelled')
      await settle()
      assert.deepEqual(seen, ['19:waiting: no member is reachable'])
    })

    it('a waiting task ends with its user; a running one goes on', async () => {
      const bench = new Bench()
      const left = new WeaverError('API_CLIENT_LEFT', 'gone')
      const [user, io] = channelPair()
      const waiting = await bench.submit({}, io)
      user.abort(left)
      assert.equal((await waiting.outcome).state, 'cancelled')
      const [other, otherIo] = channelPair()
      const { task } = await running(bench, {}, otherIo)
      other.abort(left)
      await settle()
      assert.equal(bench.origin.show(task.taskId).state, 'running')
      const closed = await bench.executors.attached[0]?.closed
      assert.equal(closed?.code, 'SCHEDULER_USER_LEFT')
    })

    it('says so when the connection to the executor breaks, and asks what became of the task', async () => {
      const bench = new Bench()
      const [user, io] = channelPair()
      const seen: string[] = []
      void notesOf(user, seen)
      await running(bench, {}, io)
      bench.executors.statuses.push({ kind: 'finished', result, revision: 4 })
      bench.executors.attached[0]?.abort(new WeaverError('MESH_PEER_UNREACHABLE', 'gone'))
      await settle()
      assert.match(seen[0] ?? '', /connection to node 'server' lost: output from here on/)
      assert.deepEqual(bench.executors.calls, ['attach 1', 'status 1', 'acknowledge 1'])
    })
  })

  it('stop() takes nothing new, lets go of everything, and may be called twice', async () => {
    const bench = new Bench()
    const [user, io] = channelPair()
    const seen: string[] = []
    const reading = notesOf(user, seen)
    const { outcome, task } = await running(bench, {}, io)
    await bench.origin.stop()
    await bench.origin.stop()
    await assert.rejects(outcome, { code: 'SCHEDULER_STOPPED' })
    await assert.rejects(bench.submit(), { code: 'SCHEDULER_STOPPED' })
    await reading
    assert.match(seen[0] ?? '', /kernel is stopping/)
    assert.equal(bench.peers.listeners, 0)
    await bench.crash()
    assert.equal(bench.origin.show(task.taskId).state, 'running')
  })
})
