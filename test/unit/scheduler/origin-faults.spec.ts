import assert from 'node:assert/strict'
import { channelPair, unixMillis, WeaverError } from '../../../core/index.ts'
import { parseGpuRequest } from '../../../scheduler/index.ts'
import { ScriptedExecutors } from '../../doubles/executor-client.ts'
import { testCandidate, testGpu } from '../../doubles/peer-directory.ts'
import { settle, testSpec } from './fixtures.ts'
import { Bench, one, result, running, server } from './origin-bench.ts'

describe('scheduler/origin', () => {
  describe('when the executor is out of reach', () => {
    it('tells the user at once, and goes on when it is back in time', async () => {
      const bench = new Bench()
      const notes: string[] = []
      bench.origin.events((event) => {
        if (event.kind === 'note') notes.push(event.text)
      })
      const { task } = await running(bench)
      bench.peers.change(server, { isReachable: false })
      assert.deepEqual(notes, ["node 'server' is not reachable: waiting 10 s for it to come back"])
      await bench.advance(9000)
      bench.executors.statuses.push({ kind: 'running', startedAt: unixMillis(5) })
      bench.peers.change(server, { isReachable: true })
      await settle()
      assert.equal(notes[1], "node 'server' is back")
      await bench.advance(60_000)
      assert.equal(bench.origin.show(task.taskId).state, 'running')
    })

    it('ends the task as lost after the grace, fences what comes later, and stops the executor', async () => {
      const bench = new Bench()
      const { task, outcome } = await running(bench)
      bench.peers.change(server, { isReachable: false })
      await bench.advance(9999)
      assert.equal(bench.origin.show(task.taskId).state, 'running')
      await bench.advance(1)
      assert.equal((await outcome).state, 'lost')
      bench.peers.change(server, { isReachable: true })
      await settle()
      assert.deepEqual(bench.executors.calls, ['cancel 1'])
      const late = { taskId: task.taskId, epoch: one, result, revision: 9 }
      assert.equal(await bench.origin.finished(server, late), 'fenced')
      assert.equal(bench.origin.show(task.taskId).state, 'lost')
      assert.equal(bench.ledger.of('task.committed').length, 1)
    })

    it('ends the task as lost at once when the executor has restarted', async () => {
      const bench = new Bench()
      const { outcome } = await running(bench)
      bench.peers.change(server, { isReachable: false })
      bench.executors.statuses.push({ kind: 'unknown' })
      bench.peers.change(server, { isReachable: true })
      assert.equal((await outcome).state, 'lost')
    })

    it('collects a result that was ready meanwhile, and acknowledges it', async () => {
      const bench = new Bench()
      const { outcome } = await running(bench)
      bench.peers.change(server, { isReachable: false })
      bench.executors.statuses.push({ kind: 'finished', result, revision: 4 })
      bench.peers.change(server, { isReachable: true })
      assert.equal((await outcome).state, 'succeeded')
      await settle()
      assert.deepEqual(bench.executors.calls, ['status 1', 'acknowledge 1'])
    })

    it('asks again, with pauses, an executor that can be reached and does not answer', async () => {
      const bench = new Bench()
      const { task } = await running(bench)
      bench.peers.change(server, { isReachable: false })
      bench.executors.statuses.push(new Error('timed out'), { kind: 'running', startedAt: null })
      bench.peers.change(server, { isReachable: true })
      await settle()
      assert.deepEqual(bench.executors.calls, ['status 1'])
      await bench.advance(250)
      assert.deepEqual(bench.executors.calls, ['status 1', 'status 1'])
      assert.equal(bench.origin.show(task.taskId).state, 'running')
    })

    it('asks about an offer that broke off, and offers again what never arrived', async () => {
      const bench = new Bench()
      bench.peers.set(testCandidate(server))
      await bench.submit()
      bench.executors.statuses.push({ kind: 'unknown' })
      bench.executors.last.fail(
        new WeaverError('MESH_PEER_UNREACHABLE', 'gone', { retry: 'later' })
      )
      await settle()
      assert.deepEqual(bench.executors.calls, ['status 1'])
      assert.equal(bench.executors.last.offer.epoch, 2)
    })
  })

  for (const fault of ['not-done', 'done-but-failed'] as const) {
    it(`a commit that fails for a while (${fault}) is made up for, once (T3)`, async () => {
      const bench = new Bench()
      const { task } = await running(bench)
      bench.ledger.faults.push(fault)
      const report = { taskId: task.taskId, epoch: one, result, revision: 3 }
      const verdict = bench.origin.finished(server, report)
      await settle()
      assert.equal(bench.origin.show(task.taskId).state, 'running')
      await bench.advance(250)
      assert.equal(await verdict, 'committed')
      assert.equal(bench.origin.show(task.taskId).receipt, '2')
      assert.equal(bench.ledger.of('task.committed').length, 1)
    })
  }

  describe('when its kernel dies', () => {
    it('after the task is stored and before it is in the lane: there was no such task (O1)', async () => {
      const bench = new Bench()
      bench.ledger.gate = new Promise(() => {})
      await bench.origin.resume()
      void bench.origin.submit(testSpec(), null)
      await settle()
      assert.equal((await bench.store.all()).length, 1)
      bench.ledger.gate = null
      await bench.crash()
      assert.deepEqual(bench.origin.list(), [])
      assert.deepEqual(await bench.store.all(), [])
    })

    it('while a task waits: it waits again, in its place', async () => {
      const bench = new Bench()
      const gpu = parseGpuRequest('1')
      const { task } = await bench.submit({ gpu })
      await bench.crash()
      bench.peers.set(testCandidate(server, { gpus: [testGpu(0)] }))
      await settle()
      assert.equal(bench.executors.last.offer.taskId, task.taskId)
    })

    it('after it stored an offer and before it sent it: it is offered under a higher epoch', async () => {
      const bench = new Bench()
      bench.peers.set(testCandidate(server))
      await bench.submit()
      bench.executors = new ScriptedExecutors()
      bench.executors.statuses.push({ kind: 'unknown' })
      bench.origin = bench.start()
      await bench.origin.resume()
      await settle()
      assert.equal(bench.executors.last.offer.epoch, 2)
    })

    it('after it sent an offer and before the answer: a run is watched on', async () => {
      const bench = new Bench()
      bench.peers.set(testCandidate(server))
      const { task } = await bench.submit()
      bench.executors = new ScriptedExecutors()
      bench.executors.statuses.push({ kind: 'running', startedAt: unixMillis(3) })
      bench.origin = bench.start()
      await bench.origin.resume()
      await settle()
      const shown = bench.origin.show(task.taskId)
      assert.equal(shown.state, 'running')
      assert.equal(shown.startedAt, 3)
      assert.equal(
        await bench.origin.finished(server, {
          taskId: task.taskId,
          epoch: one,
          result,
          revision: 9
        }),
        'committed'
      )
    })

    it('while a task runs on a node that stays away: it is lost after the grace from now', async () => {
      const bench = new Bench()
      const { task } = await running(bench)
      bench.peers.change(server, { isReachable: false })
      await bench.advance(9000)
      await bench.crash()
      await bench.advance(9999)
      assert.equal(bench.origin.show(task.taskId).state, 'running')
      await bench.advance(1)
      assert.equal(bench.origin.show(task.taskId).state, 'lost')
    })

    it('after the commit and before the store: the committed result stands (O2)', async () => {
      const bench = new Bench()
      const { task } = await running(bench)
      bench.kv.failNextWrite(new Error('power'))
      await bench.origin.finished(server, { taskId: task.taskId, epoch: one, result, revision: 3 })
      await settle()
      await bench.crash()
      const shown = bench.origin.show(task.taskId)
      assert.equal(shown.state, 'succeeded')
      assert.equal(shown.receipt, '2')
      assert.equal(bench.ledger.of('task.committed').length, 1)
      assert.deepEqual(bench.executors.calls, [])
    })

    it('after a commit that was done and reported as failed: it is not committed twice (T3)', async () => {
      const bench = new Bench()
      const { task, outcome } = await running(bench)
      bench.ledger.faults.push('done-but-failed')
      const report = { taskId: task.taskId, epoch: one, result, revision: 3 }
      const failed = { code: 'SCHEDULER_COMMIT_FAILED' }
      const both = [
        assert.rejects(bench.origin.finished(server, report), failed),
        assert.rejects(outcome, failed)
      ]
      await settle()
      bench.ledger.faults.push('not-done') // Stopping, it tries once more and then leaves it be.
      bench.ledger.isReadable = false
      await bench.origin.stop()
      await Promise.all(both)
      bench.ledger.isReadable = true
      bench.ledger.faults.length = 0
      await bench.crash()
      assert.equal(await bench.origin.finished(server, report), 'committed')
      assert.equal(bench.ledger.of('task.committed').length, 1)
    })

    it('after a commit that was not done: the executor is asked, and its result is committed', async () => {
      const bench = new Bench()
      const { task } = await running(bench)
      bench.ledger.faults.push('not-done')
      const report = { taskId: task.taskId, epoch: one, result, revision: 3 }
      void bench.origin.finished(server, report).catch(() => {})
      await settle()
      await bench.crash()
      assert.equal(await bench.origin.finished(server, report), 'committed')
      assert.equal(bench.origin.show(task.taskId).state, 'succeeded')
    })

    it('while an attached task waits: nobody is attached any more, and it is not started (T5)', async () => {
      const bench = new Bench()
      const [, theirs] = channelPair()
      const { task } = await bench.submit({}, theirs)
      await bench.crash()
      assert.equal(bench.origin.show(task.taskId).state, 'cancelled')
      bench.peers.set(testCandidate(server))
      await settle()
      assert.deepEqual(bench.executors.offers, [])
    })

    it('and a result arrives before the new one has read its store: it waits, and is committed', async () => {
      const bench = new Bench()
      const { task } = await running(bench)
      bench.executors = new ScriptedExecutors()
      bench.origin = bench.start()
      const report = { taskId: task.taskId, epoch: one, result, revision: 3 }
      const finished = bench.origin.finished(server, report)
      await assert.rejects(bench.origin.submit(testSpec(), null), { code: 'SCHEDULER_STARTING' })
      await settle()
      await bench.origin.resume()
      assert.equal(await finished, 'committed')
    })

    it('with ended tasks: they are shown as before', async () => {
      const bench = new Bench()
      const { task } = await running(bench)
      await bench.origin.finished(server, { taskId: task.taskId, epoch: one, result, revision: 3 })
      await settle()
      const before = bench.origin.show(task.taskId)
      await bench.crash()
      assert.deepEqual(bench.origin.show(task.taskId), before)
    })
  })
})
