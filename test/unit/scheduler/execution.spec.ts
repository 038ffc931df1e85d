import assert from 'node:assert/strict'
import fc from 'fast-check'
import { epoch, pid, unixMillis } from '../../../core/index.ts'
import { newExecution, stepExecution } from '../../../scheduler/execution.ts'
import type { Execution, ExecutionEffect, ExecutionEvent } from '../../../scheduler/execution.ts'
import { decodeExecution, encodeExecution } from '../../../scheduler/execution-record.ts'
import { Resources } from '../../../scheduler/resources.ts'
import { testGpu, testNode } from '../../doubles/peer-directory.ts'
import { aTask, testResult, testSpec } from './fixtures.ts'

const now = unixMillis(100)
const start = newExecution({
  taskId: aTask,
  epoch: epoch(1),
  origin: testNode(1),
  spec: testSpec(),
  gpus: []
})
const accepted: ExecutionEvent = { kind: 'accepted', pid: pid(7) }
const spawned: ExecutionEvent = { kind: 'spawned' }
const exited: ExecutionEvent = { kind: 'exited', exit: { code: 3, signal: null }, note: 'look' }
const cancel: ExecutionEvent = { kind: 'end', why: 'cancelled' }
const timeOut: ExecutionEvent = { kind: 'end', why: 'timed-out' }

function run(...events: readonly ExecutionEvent[]): {
  readonly execution: Execution
  readonly effects: readonly ExecutionEffect[]
} {
  let execution = start
  const effects: ExecutionEffect[] = []
  for (const event of events) {
    const step = stepExecution(execution, event, now)
    execution = step.execution
    effects.push(...step.effects)
  }
  return { execution, effects }
}

function resultOf(...events: readonly ExecutionEvent[]): unknown {
  const { phase } = run(...events).execution
  return phase.kind === 'ended' ? phase.result : phase.kind
}

describe('scheduler/execution', () => {
  it('a run is spawned after its acceptance, reported, and ends with its exit (X1)', () => {
    const { effects } = run(accepted, spawned, exited)
    assert.deepEqual(
      effects.map((effect) => effect.kind),
      ['spawn', 'report-started', 'finish']
    )
    assert.deepEqual(resultOf(accepted, spawned, exited), {
      outcome: 'exited',
      exit: { code: 3, signal: null },
      reason: 'look',
      startedAt: now,
      endedAt: now
    })
  })

  it('a run that cannot be started ends with the code of a shell and the reason', () => {
    const failed: ExecutionEvent = { kind: 'spawn-failed', code: 127, reason: 'nope: not found' }
    assert.deepEqual(resultOf(accepted, failed), {
      outcome: 'not-started',
      exit: { code: 127, signal: null },
      reason: 'nope: not found',
      startedAt: null,
      endedAt: now
    })
  })

  it('a run cancelled before its acceptance is durable is never spawned', () => {
    const { effects } = run(cancel, accepted)
    assert.deepEqual(
      effects.map((effect) => effect.kind),
      ['finish']
    )
  })

  it('a run cancelled while it is being started is stopped as soon as it runs', () => {
    const { effects } = run(accepted, cancel, spawned)
    assert.deepEqual(
      effects.map((effect) => effect.kind),
      ['spawn', 'report-started', 'stop']
    )
  })

  it('the first reason to end a run is the one in its result (X3)', () => {
    const { phase } = run(accepted, spawned, timeOut, cancel, exited).execution
    assert.equal(phase.kind === 'ended' && phase.result.outcome, 'timed-out')
  })

  it('any events in any order spawn at most once and finish at most once (X2)', () => {
    const events = fc.constantFrom(accepted, spawned, exited, cancel, timeOut)
    fc.assert(
      fc.property(fc.array(events, { maxLength: 12 }), (sequence) => {
        const { effects } = run(...sequence)
        const count = (kind: string): number =>
          effects.filter((effect) => effect.kind === kind).length
        assert.ok(count('spawn') <= 1)
        assert.ok(count('finish') <= 1)
        assert.ok(count('stop') <= 1)
      })
    )
  })

  it('encodeExecution() and decodeExecution() are each other’s inverse', () => {
    for (const result of [null, testResult(), testResult({ exit: null, reason: 'why' })]) {
      const record = { taskId: aTask, epoch: epoch(2), origin: testNode(1), result }
      assert.deepEqual(decodeExecution(encodeExecution(record)), record)
    }
  })
})

describe('scheduler/resources', () => {
  const one = { vendor: null, count: 1, memoryBytes: null }

  it('take() gives a GPU to one task at a time, and free() gives it back (R1)', () => {
    const resources = new Resources({ gpus: [testGpu(0)], tasksMax: 8 }, now)
    const grant = resources.take(one)
    assert.ok(typeof grant !== 'string')
    assert.equal(resources.take(one), '0 of its 1 GPUs are free')
    assert.equal(resources.load().gpus[0]?.isFree, false)
    resources.free(grant)
    resources.free(grant)
    assert.equal(resources.load().runningTasks, 0)
    assert.ok(typeof resources.take(one) !== 'string')
  })

  it('take() refuses more tasks than the limit', () => {
    const resources = new Resources({ gpus: [], tasksMax: 1 }, now)
    resources.take(null)
    assert.equal(resources.take(null), 'it runs 1 tasks already')
  })

  it('the revision grows with every change (R2)', () => {
    const resources = new Resources({ gpus: [], tasksMax: 1 }, now)
    assert.equal(resources.revision, now)
    const grant = resources.take(null)
    assert.equal(resources.revision, now + 1)
    assert.ok(typeof grant !== 'string')
    resources.free(grant)
    assert.equal(resources.revision, now + 2)
  })

  it('no sequence of takes and frees gives one GPU twice (R1)', () => {
    const steps = fc.array(fc.oneof(fc.integer({ min: 1, max: 3 }), fc.constant('free' as const)))
    fc.assert(
      fc.property(steps, (sequence) => {
        const gpus = [testGpu(0), testGpu(1), testGpu(2), testGpu(3)]
        const resources = new Resources({ gpus, tasksMax: 64 }, now)
        const held: Exclude<ReturnType<Resources['take']>, string>[] = []
        for (const step of sequence) {
          if (step === 'free') {
            const grant = held.shift()
            if (grant !== undefined) resources.free(grant)
          } else {
            const grant = resources.take({ ...one, count: step })
            if (typeof grant !== 'string') held.push(grant)
          }
          const indexes = held.flatMap((grant) => grant.gpus.map((gpu) => gpu.index))
          assert.equal(new Set(indexes).size, indexes.length)
          const busy = resources.load().gpus.filter((gpu) => !gpu.isFree)
          assert.equal(busy.length, indexes.length)
        }
      })
    )
  })
})
