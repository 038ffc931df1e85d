import assert from 'node:assert/strict'
import fc from 'fast-check'
import { fullBudget, isSpent, spend } from '../../../../node/asking/budget.ts'
import type { Budget } from '../../../../node/asking/budget.ts'

const RATE = { burst: 5, perSecond: 2 }

describe('node/asking/budget', () => {
  it('lets a burst through, then so many a second', () => {
    let budget: Budget | null = fullBudget(RATE, 0)
    for (let n = 0; n < RATE.burst; n += 1) {
      assert.ok(budget !== null)
      budget = spend(budget, RATE, 0)
    }
    assert.ok(budget !== null)
    assert.equal(spend(budget, RATE, 499), null)
    assert.equal(isSpent(budget, RATE, 499), true)
    assert.equal(isSpent(budget, RATE, 500), false)
    assert.notEqual(spend(budget, RATE, 500), null)
  })

  it('never lets more through in any span than its burst and its rate', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 2000 }), { maxLength: 80 }), (pauses) => {
        let budget = fullBudget(RATE, 0)
        let [now, passed] = [0, 0]
        for (const pause of pauses) {
          now += pause
          const left = spend(budget, RATE, now)
          if (left === null) continue
          budget = left
          passed += 1
        }
        assert.ok(passed <= RATE.burst + (now / 1000) * RATE.perSecond)
      })
    )
  })

  it('a clock that seems to go back gives nothing', () => {
    const empty: Budget = { left: 0, at: 10_000 }
    assert.equal(spend(empty, RATE, 0), null)
    assert.equal(spend(empty, RATE, 10_100), null)
  })
})
