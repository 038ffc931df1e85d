import assert from 'node:assert/strict'
import fc from 'fast-check'
import { decideRestart, describe as described, NO_RESTARTS } from '../../../agents/restart.ts'
import type { EndedRun } from '../../../agents/restart.ts'
import { JITTER_STEPS, RESTART_LIMITS } from '../../../agents/limits.ts'
import { millis } from '../../../core/index.ts'

const failed: EndedRun = {
  rule: 'permanent',
  exit: { code: 1, signal: null },
  ranMs: millis(0),
  chance: 0
}

function kind(run: Partial<EndedRun>): string {
  return decideRestart(NO_RESTARTS, { ...failed, ...run }, millis(0)).kind
}

describe('decideRestart', () => {
  it('starts permanent always, transient after a failure, temporary never (R3)', () => {
    const success = { code: 0, signal: null }
    const killed = { code: null, signal: 'SIGKILL' }
    assert.equal(kind({ rule: 'permanent', exit: success }), 'restart')
    assert.equal(kind({ rule: 'permanent' }), 'restart')
    assert.equal(kind({ rule: 'transient', exit: success }), 'ended')
    assert.equal(kind({ rule: 'transient' }), 'restart')
    assert.equal(kind({ rule: 'transient', exit: killed }), 'restart')
    assert.equal(kind({ rule: 'transient', exit: null }), 'restart')
    assert.equal(kind({ rule: 'temporary', exit: success }), 'ended')
    assert.equal(kind({ rule: 'temporary', exit: killed }), 'ended')
  })

  it('doubles the back-off and gives up at the sixth end of a crash loop', () => {
    const delays: number[] = []
    let history = NO_RESTARTS
    let now = 0
    for (;;) {
      const decision = decideRestart(history, failed, millis(now))
      if (decision.kind !== 'restart') {
        assert.equal(decision.kind, 'failed')
        assert.match(decision.kind === 'failed' ? decision.why : '', /6 times within 60 s.* code 1/)
        break
      }
      delays.push(decision.delayMs)
      history = decision.history
      now += decision.delayMs
    }
    assert.deepEqual(delays, [200, 400, 800, 1600, 3200])
  })

  it('caps the back-off of a process that crashes for ever, slowly', () => {
    let history = NO_RESTARTS
    let now = 0
    let last = 0
    for (let crash = 0; crash < 50; crash++) {
      const decision = decideRestart(history, { ...failed, ranMs: millis(15_000) }, millis(now))
      assert.equal(decision.kind, 'restart')
      if (decision.kind !== 'restart') return
      assert.ok(decision.delayMs >= last) // R2
      last = decision.delayMs
      history = decision.history
      now += decision.delayMs + 15_000
    }
    assert.equal(last, 30_000)
  })

  it('starts the back-off over once a process ran for a whole window', () => {
    const tired = { restartedAt: [], backoffs: 7 }
    const decision = decideRestart(tired, { ...failed, ranMs: millis(60_000) }, millis(100_000))
    assert.equal(decision.kind === 'restart' && decision.delayMs, 200)
  })

  it('never grants more restarts in a window than the intensity (R1)', () => {
    const runs = fc.array(
      fc.record({
        ranMs: fc.integer({ min: 0, max: 90_000 }),
        chance: fc.integer({ min: 0, max: JITTER_STEPS - 1 })
      }),
      { maxLength: 60 }
    )
    fc.assert(
      fc.property(runs, (ended) => {
        let history = NO_RESTARTS
        let now = 0
        const restarts: number[] = []
        for (const { ranMs, chance } of ended) {
          now += ranMs
          const run = { ...failed, ranMs: millis(ranMs), chance }
          const decision = decideRestart(history, run, millis(now))
          if (decision.kind !== 'restart') break
          assert.ok(decision.delayMs <= RESTART_LIMITS.backoffMaxMs * 1.25)
          history = decision.history
          now += decision.delayMs
          restarts.push(now)
        }
        for (const instant of restarts) {
          const within = restarts.filter((other) => other >= instant && other - instant < 60_000)
          assert.ok(within.length <= RESTART_LIMITS.intensity)
        }
        assert.ok(history.restartedAt.length <= RESTART_LIMITS.intensity)
      })
    )
  })

  it('says in words how a process ended', () => {
    assert.equal(described({ code: 3, signal: null }), 'with code 3')
    assert.equal(described({ code: null, signal: 'SIGSEGV' }), 'by SIGSEGV')
    assert.equal(described(null), 'before it could start')
  })
})
