import assert from 'node:assert/strict'
import { PULSE_INTERVAL_MS, PULSE_REST_MS } from '../../../../mesh/limits.ts'
import { Lab } from '../lab.ts'
import type { Kernel } from '../lab.ts'

const REST_INTERVALS = PULSE_REST_MS / PULSE_INTERVAL_MS

describe('the pulse', () => {
  let lab: Lab
  let laptop: Kernel
  let server: Kernel

  beforeEach(async () => {
    lab = new Lab()
    laptop = await lab.founder('laptop')
    server = await lab.member(laptop, 'server')
    await lab.pass(10_000)
    laptop.heard.length = 0
  })

  it('comes every third second from a member that has nothing new to say (Q2)', async () => {
    await lab.pass(12 * PULSE_INTERVAL_MS)
    assert.equal(laptop.heard.length, 12 / REST_INTERVALS)
  })

  it('comes every second from one that has', async () => {
    for (let second = 0; second < 6; second++) {
      server.load = { load: second }
      await lab.pass(PULSE_INTERVAL_MS)
    }
    const loads = laptop.heard.map(([, value]) => value)
    assert.deepEqual(
      loads.slice(-5),
      [1, 2, 3, 4, 5].map((load) => ({ load }))
    )
  })

  it('says the same again to a member that has come back', async () => {
    await lab.kill(laptop)
    laptop = await lab.boot(laptop.home)
    await lab.pass(3000)
    assert.ok(laptop.heard.some(([peer]) => peer === server.id))
  })
})
