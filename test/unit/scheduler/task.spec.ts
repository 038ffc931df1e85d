import assert from 'node:assert/strict'
import fc from 'fast-check'
import { epoch, unixMillis } from '../../../core/index.ts'
import type { Epoch } from '../../../core/index.ts'
import { decodeTask, encodeTask } from '../../../scheduler/task-record.ts'
import { newTask, stepTask } from '../../../scheduler/task.ts'
import type { Task, TaskEffect, TaskEvent } from '../../../scheduler/task.ts'
import { testNode } from '../../doubles/peer-directory.ts'
import { aTask, testResult, testSpec } from './fixtures.ts'

const now = unixMillis(100)
const a = testNode(1)
const b = testNode(2)
const one = epoch(1)
const two = epoch(2)
const result = testResult()

const queued = newTask({ taskId: aTask, spec: testSpec(), submittedAt: now })
const placedOnA: TaskEvent = { kind: 'placed', node: a }
const accepted: TaskEvent = { kind: 'accepted', epoch: one }
const brokeOff: TaskEvent = { kind: 'broke-off', epoch: one }
const cancel: TaskEvent = { kind: 'cancel', reason: 'it was cancelled before it started' }
const finishedByA: TaskEvent = { kind: 'finished', from: a, epoch: one, result }
const committed: TaskEvent = { kind: 'committed', receipt: '1.0' }
const graceOver: TaskEvent = { kind: 'grace-over', epoch: one }

function after(...events: readonly TaskEvent[]): Task {
  return events.reduce((task, event) => stepTask(task, event, now).task, queued)
}

function effectsOf(task: Task, event: TaskEvent): readonly TaskEffect['kind'][] {
  return stepTask(task, event, now).effects.map((effect) => effect.kind)
}

interface Row {
  readonly name: string
  readonly from: Task
  readonly event: TaskEvent
  readonly to: Task['phase']['kind']
  readonly effects: readonly TaskEffect['kind'][]
}

const offered = after(placedOnA)
const running = after(placedOnA, accepted)
const uncertainOffer = after(placedOnA, brokeOff)
const uncertain = after(placedOnA, accepted, brokeOff)
const unknown: TaskEvent = { kind: 'unknown', epoch: one }
const declined: TaskEvent = { kind: 'declined', epoch: one }
const alive: TaskEvent = { kind: 'alive', epoch: one, startedAt: now }

const rows: readonly Row[] = [
  {
    name: 'a placed task is offered',
    from: queued,
    event: placedOnA,
    to: 'offered',
    effects: ['offer']
  },
  {
    name: 'an accepted offer runs',
    from: offered,
    event: accepted,
    to: 'running',
    effects: ['store']
  },
  {
    name: 'a declined offer queues again',
    from: offered,
    event: declined,
    to: 'queued',
    effects: ['queue']
  },
  {
    name: 'a refused offer ends the task',
    from: offered,
    event: { kind: 'refused', epoch: one, reason: 'no' },
    to: 'committing',
    effects: ['commit']
  },
  {
    name: 'the start is told before the answer to the offer',
    from: offered,
    event: { kind: 'started', from: a, epoch: one, at: now },
    to: 'running',
    effects: ['store']
  },
  {
    name: 'a result before the answer to the offer counts',
    from: offered,
    event: finishedByA,
    to: 'committing',
    effects: ['commit']
  },
  {
    name: 'a result ends the run',
    from: running,
    event: finishedByA,
    to: 'committing',
    effects: ['commit']
  },
  {
    name: 'a broken offer is asked about',
    from: offered,
    event: brokeOff,
    to: 'offered',
    effects: ['recover']
  },
  {
    name: 'an executor out of reach is waited for',
    from: running,
    event: { kind: 'unreachable', node: a },
    to: 'running',
    effects: ['recover']
  },
  {
    name: 'another node out of reach changes nothing',
    from: running,
    event: { kind: 'unreachable', node: b },
    to: 'running',
    effects: []
  },
  {
    name: 'out of reach twice is waited for once',
    from: uncertain,
    event: { kind: 'unreachable', node: a },
    to: 'running',
    effects: []
  },
  {
    name: 'an offer that never arrived is made again',
    from: uncertainOffer,
    event: unknown,
    to: 'queued',
    effects: ['queue']
  },
  {
    name: 'an offer that did arrive runs',
    from: uncertainOffer,
    event: alive,
    to: 'running',
    effects: ['store']
  },
  {
    name: 'a run that its executor lost is lost',
    from: uncertain,
    event: unknown,
    to: 'committing',
    effects: ['commit']
  },
  {
    name: 'a run whose executor stays away is lost (T4)',
    from: uncertain,
    event: graceOver,
    to: 'committing',
    effects: ['commit']
  },
  {
    name: 'an offer without an answer is lost, not started a second time (T4)',
    from: uncertainOffer,
    event: graceOver,
    to: 'committing',
    effects: ['commit']
  },
  {
    name: 'a grace that was over in time changes nothing',
    from: running,
    event: graceOver,
    to: 'running',
    effects: []
  },
  {
    name: 'a queued task is cancelled at once',
    from: queued,
    event: cancel,
    to: 'committing',
    effects: ['commit']
  },
  {
    name: 'an offered task is cancelled later',
    from: offered,
    event: cancel,
    to: 'offered',
    effects: ['store']
  },
  {
    name: 'a running task is cancelled by its executor',
    from: running,
    event: cancel,
    to: 'running',
    effects: ['store', 'cancel']
  },
  {
    name: 'a second cancellation changes nothing',
    from: after(placedOnA, accepted, cancel),
    event: cancel,
    to: 'running',
    effects: []
  },
  {
    name: 'a task cancelled while offered is cancelled when it is accepted',
    from: after(placedOnA, cancel),
    event: accepted,
    to: 'running',
    effects: ['store', 'cancel']
  },
  {
    name: 'a task cancelled while offered and declined ends',
    from: after(placedOnA, cancel),
    event: declined,
    to: 'committing',
    effects: ['commit']
  },
  {
    name: 'a cancellation that may be lost is said again',
    from: after(placedOnA, accepted, cancel, brokeOff),
    event: alive,
    to: 'running',
    effects: ['cancel']
  },
  {
    name: 'a waiting task without its user ends (T5)',
    from: queued,
    event: { kind: 'orphaned' },
    to: 'committing',
    effects: ['commit']
  },
  {
    name: 'an offer without its user is not made again (T5)',
    from: after(placedOnA, { kind: 'orphaned' }),
    event: declined,
    to: 'committing',
    effects: ['commit']
  },
  {
    name: 'a running task goes on without its user',
    from: running,
    event: { kind: 'orphaned' },
    to: 'running',
    effects: ['store']
  },
  {
    name: 'a commit ends the task',
    from: after(placedOnA, accepted, finishedByA),
    event: committed,
    to: 'ended',
    effects: ['store']
  },
  {
    name: 'a repeated result is not fenced',
    from: after(placedOnA, accepted, finishedByA),
    event: finishedByA,
    to: 'committing',
    effects: []
  },
  {
    name: 'a result of a task that was given up is fenced (T2)',
    from: after(placedOnA, accepted, brokeOff, graceOver, committed),
    event: finishedByA,
    to: 'ended',
    effects: ['fence']
  },
  {
    name: 'a late result is fenced once (T2)',
    from: after(placedOnA, accepted, brokeOff, graceOver, committed, finishedByA),
    event: finishedByA,
    to: 'ended',
    effects: []
  },
  {
    name: 'a result of an older epoch is fenced (T2)',
    from: after(placedOnA, declined, { kind: 'placed', node: b }),
    event: finishedByA,
    to: 'offered',
    effects: ['fence']
  },
  {
    name: 'a result from a node that was never offered the epoch is ignored (T2)',
    from: running,
    event: { kind: 'finished', from: b, epoch: one, result },
    to: 'running',
    effects: []
  },
  {
    name: 'an answer to an older offer changes nothing',
    from: after(placedOnA, declined, { kind: 'placed', node: b }),
    event: accepted,
    to: 'offered',
    effects: []
  }
]

describe('scheduler/task', () => {
  for (const { name, from, event, to, effects } of rows) {
    it(name, () => {
      assert.equal(stepTask(from, event, now).task.phase.kind, to)
      assert.deepEqual(effectsOf(from, event), effects)
    })
  }

  it('a placed task gets a higher epoch each time (T1)', () => {
    const again = after(placedOnA, declined, { kind: 'placed', node: b })
    assert.deepEqual(again.offers, [
      { epoch: one, executor: a },
      { epoch: two, executor: b }
    ])
  })

  it('a task that was given up owes its executor a word until it is told', () => {
    const lost = after(placedOnA, accepted, brokeOff, graceOver, committed)
    assert.equal(lost.phase.kind === 'ended' && lost.phase.isOwed, true)
    const settled = stepTask(lost, { kind: 'settled' }, now).task
    assert.equal(settled.phase.kind === 'ended' && settled.phase.isOwed, false)
    const lostThere = after(
      placedOnA,
      accepted,
      { ...finishedByA, result: testResult({ outcome: 'lost' }) },
      committed
    )
    assert.equal(lostThere.phase.kind === 'ended' && lostThere.phase.isOwed, false)
  })

  it('encodeTask() and decodeTask() keep every phase but committing', () => {
    for (const { from } of rows) {
      if (from.phase.kind === 'committing') continue
      assert.deepEqual(decodeTask(encodeTask(from)), from)
    }
  })

  it('decodeTask() refuses what is no task', () => {
    const bytes = encodeTask(queued)
    assert.throws(() => decodeTask(bytes.subarray(1)))
    assert.throws(() => decodeTask(Uint8Array.of(0xa0)))
  })

  const epochs = fc.integer({ min: 1, max: 3 }).map(epoch)
  const nodes = fc.constantFrom(a, b)
  const events: fc.Arbitrary<TaskEvent> = fc.oneof(
    fc.record({ kind: fc.constant('placed' as const), node: nodes }),
    fc.record({
      kind: fc.constantFrom('accepted' as const, 'declined' as const, 'broke-off' as const),
      epoch: epochs
    }),
    fc.record({
      kind: fc.constantFrom('unknown' as const, 'grace-over' as const),
      epoch: epochs
    }),
    fc.record({
      kind: fc.constant('started' as const),
      from: nodes,
      epoch: epochs,
      at: fc.constant(now)
    }),
    fc.record({
      kind: fc.constant('finished' as const),
      from: nodes,
      epoch: epochs,
      result: fc.constant(result)
    }),
    fc.record({ kind: fc.constant('alive' as const), epoch: epochs, startedAt: fc.constant(null) }),
    fc.record({ kind: fc.constant('unreachable' as const), node: nodes }),
    fc.constant<TaskEvent>({ kind: 'orphaned' }),
    fc.constant<TaskEvent>({ kind: 'settled' }),
    fc.constant(cancel),
    fc.constant(committed)
  )

  it('any events in any order commit once, offer with growing epochs, and never un-end (T1, T2, T3)', () => {
    fc.assert(
      fc.property(fc.array(events, { maxLength: 40 }), (sequence) => {
        let task = queued
        let commits = 0
        const offeredEpochs: Epoch[] = []
        for (const event of sequence) {
          const before = task
          const step = stepTask(task, event, now)
          task = step.task
          commits += step.effects.filter((effect) => effect.kind === 'commit').length
          for (const effect of step.effects)
            if (effect.kind === 'offer') offeredEpochs.push(effect.epoch)
          if (before.phase.kind === 'ended') assert.equal(task.phase.kind, 'ended')
          if (before.phase.kind === 'committing') {
            assert.ok(task.phase.kind === 'committing' || task.phase.kind === 'ended')
            assert.deepEqual(task.phase.end, before.phase.end)
          }
          if (task.phase.kind !== 'committing') assert.deepEqual(decodeTask(encodeTask(task)), task)
        }
        assert.ok(commits <= 1)
        assert.deepEqual(
          offeredEpochs,
          [...new Set(offeredEpochs)].toSorted((x, y) => x - y)
        )
      }),
      { numRuns: 1000 }
    )
  })
})
