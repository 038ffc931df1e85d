import assert from 'node:assert/strict'
import fc from 'fast-check'
import { unixMillis } from '../../../core/index.ts'
import { JITTER_STEPS, RESTART_LIMITS, RESUME_LIMITS } from '../../../agents/limits.ts'
import { decodeAgent, encodeAgent } from '../../../agents/record.ts'
import { decideResume } from '../../../agents/resume.ts'
import { testAgent } from '../../doubles/agent-records.ts'

const at = 1_800_000_000_000
const first = { before: 0, chance: 0 }

describe('agents/resume', () => {
  it('leaves alone what has ended (K1), starts what its kernel had stopped, at once and forgiven', () => {
    const now = unixMillis(at)
    assert.deepEqual(decideResume(testAgent({ status: 'ended' }), now, first), { kind: 'ended' })
    const paused = testAgent({ status: 'paused', losses: 4 })
    assert.deepEqual(decideResume(paused, now, first), { kind: 'start', delayMs: 0, losses: 0 })
  })

  it('waits longer each time that its kernel was lost soon after its start, and gives up (K2)', () => {
    let losses = 0
    const delays: number[] = []
    for (let turn = 0; turn < RESUME_LIMITS.lossesMax; turn++) {
      const record = testAgent({ losses, startedAt: unixMillis(at) })
      const decision = decideResume(record, unixMillis(at + 5000), first)
      assert.ok(decision.kind === 'start')
      losses = decision.losses
      delays.push(decision.delayMs)
    }
    assert.deepEqual(delays, [200, 400, 800, 1600, 3200])
    const record = testAgent({ losses, startedAt: unixMillis(at) })
    const decision = decideResume(record, unixMillis(at + 5000), first)
    assert.ok(decision.kind === 'given-up')
    assert.match(decision.why, /ended without warning 6 times, each within 10 min of its start/)
  })

  it('begins to count anew once it ran for long; a clock that went back is taken for a short run', () => {
    const record = testAgent({ losses: 5, startedAt: unixMillis(at) })
    const late = decideResume(record, unixMillis(at + RESUME_LIMITS.soonMs), first)
    assert.deepEqual(late, { kind: 'start', delayMs: 200, losses: 1 })
    assert.equal(decideResume(record, unixMillis(at - 1), first).kind, 'given-up')
  })

  it('never starts one more than so often in a row (K2), and starts them one after the other (K3)', () => {
    const runs = fc.array(fc.nat({ max: 2 * RESUME_LIMITS.soonMs }), { maxLength: 40 })
    fc.assert(
      fc.property(runs, fc.nat(255), fc.nat(JITTER_STEPS - 1), (lived, before, chance) => {
        let losses = 0
        let soon = 0
        for (const ms of lived) {
          soon = ms < RESUME_LIMITS.soonMs ? soon + 1 : 1
          const record = testAgent({ losses, startedAt: unixMillis(at) })
          const decision = decideResume(record, unixMillis(at + ms), { before, chance })
          assert.equal(decision.kind, soon > RESUME_LIMITS.lossesMax ? 'given-up' : 'start')
          if (decision.kind !== 'start') return
          losses = decision.losses
          const turn = before * RESUME_LIMITS.spreadMs
          assert.ok(decision.delayMs >= turn)
          assert.ok(decision.delayMs <= turn + 1.25 * RESTART_LIMITS.backoffMaxMs)
        }
      })
    )
  })

  it('a record comes back as it was written, and what is none is refused', () => {
    const records = [
      testAgent(),
      testAgent({
        gpu: '1:24GB',
        warrant: new Uint8Array([1, 2]),
        status: 'ended',
        exit: { code: null, signal: 'SIGKILL' },
        why: 'because',
        losses: 3
      })
    ]
    for (const record of records) assert.deepEqual(decodeAgent(encodeAgent(record)), record)
    const bytes = encodeAgent(testAgent())
    for (let place = 0; place < bytes.length; place++) {
      const damaged = bytes.slice(0, place)
      assert.throws(() => decodeAgent(damaged))
    }
  })
})
