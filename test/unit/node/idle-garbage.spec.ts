import assert from 'node:assert/strict'
import { millis } from '../../../core/index.ts'
import { collectWhenIdle, decideCollection } from '../../../node/idle-garbage.ts'
import { IDLE_LOOK_MS } from '../../../node/limits.ts'
import { silentLog } from '../../doubles/silent-log.ts'
import { untilQuiet } from '../../sim/world/quiet.ts'
import { VirtualClock } from '../../sim/world/virtual-clock.ts'

describe('garbage of an idle kernel', () => {
  it('is due once after each busy spell, and never while there is work (G1)', () => {
    assert.deepEqual(decideCollection('worked', 0.5), { state: 'worked', isDue: false })
    assert.deepEqual(decideCollection('worked', 0.01), { state: 'rested', isDue: true })
    assert.deepEqual(decideCollection('rested', 0.01), { state: 'rested', isDue: false })
    assert.deepEqual(decideCollection('rested', 0.5), { state: 'worked', isDue: false })
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
