import assert from 'node:assert/strict'
import { millis } from '../../../core/index.ts'
import { Paced } from '../../../node/paced.ts'
import { untilQuiet } from '../../sim/world/quiet.ts'
import { VirtualClock } from '../../sim/world/virtual-clock.ts'

describe('Paced', () => {
  it('acts at once, then once an interval, and never forgets the last ask', async () => {
    const clock = new VirtualClock()
    const acts: number[] = []
    const paced = new Paced(
      { clock, act: () => acts.push(clock.now()) },
      { intervalMs: millis(20) }
    )
    const pass = async (to: number): Promise<void> => {
      clock.advanceTo(millis(to))
      await untilQuiet()
    }
    paced.ask()
    await pass(5)
    paced.ask()
    paced.ask()
    await pass(19)
    assert.deepEqual(acts, [0])
    await pass(20)
    assert.deepEqual(acts, [0, 20])
    await pass(100)
    assert.deepEqual(acts, [0, 20])
    paced.ask()
    assert.deepEqual(acts, [0, 20, 100])
  })
})
