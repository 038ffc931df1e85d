import assert from 'node:assert/strict'
import { millis } from '../../../../core/index.ts'
import { Deadlines } from '../../../../mesh/rpc/deadlines.ts'
import { untilQuiet } from '../../../sim/world/quiet.ts'
import { VirtualClock } from '../../../sim/world/virtual-clock.ts'

async function at(clock: VirtualClock, instant: number): Promise<void> {
  clock.advanceTo(millis(instant))
  await untilQuiet()
}

describe('Deadlines', () => {
  it('expires each deadline at its instant, in whatever order they were added', async () => {
    const clock = new VirtualClock()
    const deadlines = new Deadlines(clock)
    const expired: number[] = []
    for (const timeout of [30, 10, 20]) {
      deadlines.add(millis(timeout), () => expired.push(timeout))
    }
    await at(clock, 9)
    assert.deepEqual(expired, [])
    await at(clock, 10)
    assert.deepEqual(expired, [10])
    await at(clock, 30)
    assert.deepEqual(
      expired.slice(1).toSorted((a, b) => a - b),
      [20, 30]
    )
  })

  it('does not expire what was removed, also by another expiry of the same instant', async () => {
    const clock = new VirtualClock()
    const deadlines = new Deadlines(clock)
    const expired: string[] = []
    const never = deadlines.add(millis(5), () => expired.push('never'))
    deadlines.remove(never)
    deadlines.add(millis(5), () => {
      expired.push('first')
      deadlines.remove(second)
      deadlines.add(millis(3), () => expired.push('added'))
    })
    const second = deadlines.add(millis(5), () => expired.push('second'))
    await at(clock, 5)
    await at(clock, 8)
    assert.deepEqual(expired, ['first', 'added'])
  })

  it('forgets everything when cleared', async () => {
    const clock = new VirtualClock()
    const deadlines = new Deadlines(clock)
    deadlines.add(millis(5), () => assert.fail('it was cleared'))
    deadlines.clear()
    await at(clock, 10)
  })
})
