import assert from 'node:assert/strict'
import fc from 'fast-check'
import { newAgentState, stepAgent } from '../../../agents/life.ts'
import type { AgentInput } from '../../../agents/life.ts'
import { millis } from '../../../core/index.ts'

const exit = { code: 1, signal: null }

const inputs: fc.Arbitrary<AgentInput> = fc.oneof(
  fc.constant<AgentInput>({ kind: 'started' }),
  fc.boolean().map<AgentInput>((isFinal) => {
    return { kind: 'start-failed', why: 'no', isFinal, chance: 0 }
  }),
  fc.constant<AgentInput>({ kind: 'ended', exit, chance: 0 }),
  fc.constant<AgentInput>({ kind: 'backoff-over' }),
  fc.constantFrom('stop', 'restart').map<AgentInput>((intention) => ({ kind: 'asked', intention }))
)

describe('stepAgent', () => {
  it('has at most one start under way or alive, whatever happens (L1)', () => {
    fc.assert(
      fc.property(fc.array(inputs, { maxLength: 40 }), (events) => {
        let state = newAgentState('permanent')
        let owned: 'nothing' | 'start' | 'process' = 'start'
        for (const [index, event] of events.entries()) {
          // Only what the driver could report: it has one start or one process, or neither.
          if (event.kind === 'started' || event.kind === 'start-failed') {
            if (owned !== 'start') continue
            owned = event.kind === 'started' ? 'process' : 'nothing'
          }
          if (event.kind === 'ended') {
            if (owned !== 'process') continue
            owned = 'nothing'
          }
          const step = stepAgent(state, event, millis(index * 1000))
          state = step.state
          if (step.effect.kind === 'start') {
            assert.equal(owned, 'nothing')
            owned = 'start'
          }
          if (step.effect.kind === 'end') assert.equal(owned, 'process')
          const { kind } = state.phase
          if (kind === 'exited' || kind === 'failed' || kind === 'waiting') {
            assert.equal(owned, 'nothing') // L3
          } else {
            assert.notEqual(owned, 'nothing')
          }
        }
      })
    )
  })

  it('does not start again what was asked to stop, in any phase (L2)', () => {
    const running = stepAgent(newAgentState('permanent'), { kind: 'started' }, millis(0)).state
    const waiting = stepAgent(running, { kind: 'ended', exit, chance: 0 }, millis(0)).state
    assert.equal(waiting.phase.kind, 'waiting')
    for (const state of [newAgentState('permanent'), running, waiting]) {
      let step = stepAgent(state, { kind: 'asked', intention: 'stop' }, millis(1))
      for (const kind of ['started', 'backoff-over'] as const) {
        step = stepAgent(step.state, { kind }, millis(2))
      }
      step = stepAgent(step.state, { kind: 'ended', exit, chance: 0 }, millis(3))
      assert.equal(step.state.phase.kind, 'exited')
      assert.equal(step.effect.kind, 'none')
    }
  })

  it('forgives the history when a person restarts it', () => {
    let state = newAgentState('permanent')
    for (let crash = 0; crash < 6; crash++) {
      state = stepAgent(state, { kind: 'started' }, millis(0)).state
      state = stepAgent(state, { kind: 'ended', exit, chance: 0 }, millis(0)).state
      state = stepAgent(state, { kind: 'backoff-over' }, millis(0)).state
    }
    assert.equal(state.phase.kind, 'failed')
    const step = stepAgent(state, { kind: 'asked', intention: 'restart' }, millis(0))
    assert.equal(step.effect.kind, 'start')
    assert.deepEqual(step.state.history, { restartedAt: [], backoffs: 0 })
    assert.equal(step.state.restarts, 6)
  })
})
