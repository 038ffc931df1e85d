import assert from 'node:assert/strict'
import { millis } from '../../../core/index.ts'
import { collectWhenIdle, decideCollection } from '../../../node/idle-garbage.ts'
import { IDLE_LOOK_MS } from '../../../node/limits.ts'
import { silentLog } from '../../doubles/silent-log.ts'
import { untilQuiet } from '../../sim/world/quiet.ts'
import { VirtualClock } from '../../sim/world/virtual-clock.ts'

describe('garbage of an idle kernel', () => {
  it('is due once after each busy spell, and never while there is work (G1)', () => {
    const look = (workedMs: number, usedMs: number): unknown =>
      decideCollection(workedMs, { usedMs, spanMs: 1000 })
    assert.deepEqual(look(600, 400), { workedMs: 1000, isDue: false })
    assert.deepEqual(look(600, 10), { workedMs: 0, isDue: true })
    assert.deepEqual(look(0, 10), { workedMs: 0, isDue: false })
    assert.deepEqual(look(0, 400), { workedMs: 400, isDue: false })
  })

  it('is not due for a little work, until that has become much', () => {
    let workedMs = 0
    const due: boolean[] = []
    for (const usedMs of [150, 1, 150, 1, 150, 1, 150, 1]) {
      const decision = decideCollection(workedMs, { usedMs, spanMs: 1000 })
      workedMs = decision.workedMs
      due.push(decision.isDue)
    }
    assert.deepEqual(due, [false, false, false, false, false, false, false, true])
  })

  it('is collected after the start, and again after work, by the processor time used', async () => {
    const clock = new VirtualClock()
    const stopping = new AbortController()
    let cpu = 0
    let collections = 0
    const deps = { clock, log: silentLog, cpuMs: () => cpu, collect: () => (collections += 1) }
    const running = collectWhenIdle(deps, stopping.signal)
    const counts: number[] = []
    for (const used of [2000, 10, 10, 3000, 10]) {
      cpu += used
      clock.advanceTo(millis(clock.now() + IDLE_LOOK_MS))
      await untilQuiet()
      counts.push(collections)
    }
    assert.deepEqual(counts, [0, 1, 1, 1, 2])
    stopping.abort()
    await running
  })
})
