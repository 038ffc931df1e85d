// Goal: a laptop's life leaves nothing behind: no timer, no connection, no memory that grows with the number
// of its sleeps.
// Method: three members on virtual time; two of them sleep and wake over and over, each on its own. What is
// there after a tenth of the life is compared with what is there at its end, both in calm.

import assert from 'node:assert/strict'
import type { Prng } from '../../core/index.ts'
import { Lab } from '../unit/mesh/lab.ts'
import type { Kernel } from '../unit/mesh/lab.ts'
import { SeededPrng } from '../sim/world/seeded-prng.ts'
import { heapInUse, isLong } from './profile.ts'
import { SleepyClock } from './sleepy-clock.ts'

const LIFE_MS: number = (isLong ? 72 : 1.5) * 3_600_000
const CALM_MS = 60_000
/** Within this after a wake-up all are connected again: the mesh's promise, and one look a second. */
const BACK_WITHIN_MS = 6000
/** Caches that fill: three times 1,024 remembered rumours of about 1.5 kB each, and room for compiled code. */
const HEAP_GROWTH_MAX = 8 * 1024 * 1024

interface Sleeper {
  readonly kernel: Kernel
  readonly clock: SleepyClock
  isAsleep: boolean
  nextAt: number
}

describe('soak: a life in fast motion', function () {
  this.timeout(isLong ? 3_600_000 : 300_000)

  it(`of ${LIFE_MS / 3_600_000} h leaves no timer, connection or memory behind`, async () => {
    const lab = new Lab()
    const prng = new SeededPrng(72)
    const server = await lab.founder('server')
    const sleepers = [await sleeper(lab, server, 'laptop'), await sleeper(lab, server, 'tablet')]
    const all = [server, ...sleepers.map(({ kernel }) => kernel)]
    const state = async (): Promise<Readonly<Record<string, number>>> => {
      for (const each of sleepers) if (each.isAsleep) wake(lab, { all, sleepers }, each)
      await lab.pass(CALM_MS)
      for (const { mesh } of all) assert.equal(mesh.status().connected, all.length - 1)
      for (const each of sleepers) each.nextAt = lab.clock.now()
      // What the doubles write down for other tests.
      lab.hub.dials.length = 0
      for (const { heard } of all) heard.length = 0
      return { timers: lab.clock.pending(), connections: lab.hub.connections(), heap: heapInUse() }
    }
    await live(lab, { all, sleepers, prng, untilMs: LIFE_MS / 10 })
    const before = await state()
    const sleeps = await live(lab, { all, sleepers, prng, untilMs: LIFE_MS })
    const after = await state()
    assert.ok(sleeps > (isLong ? 2000 : 40), `${sleeps} sleeps`)
    assert.equal(after['connections'], before['connections'])
    // Which of the periodic ones are set at an instant differs by a few.
    assert.ok(Math.abs((after['timers'] ?? 0) - (before['timers'] ?? 0)) <= 6, shown(before, after))
    assert.ok((after['heap'] ?? 0) - (before['heap'] ?? 0) < HEAP_GROWTH_MAX, shown(before, after))
    console.log(`      ${sleeps} sleeps: ${shown(before, after)}`)
    for (const { mesh } of all) await lab.settle(mesh.stop())
    assert.equal(lab.hub.connections(), 0)
  })
})

async function sleeper(lab: Lab, server: Kernel, name: string): Promise<Sleeper> {
  const clock = new SleepyClock(lab.clock)
  const home = lab.home(name)
  const kernel = await lab.boot(home, home.address, clock)
  await lab.join(kernel, await lab.invite(server))
  await lab.pass(3000)
  return { kernel, clock, isAsleep: false, nextAt: 0 }
}

interface Life {
  readonly all: readonly Kernel[]
  readonly sleepers: readonly Sleeper[]
  readonly prng: Prng
  readonly untilMs: number
}

/** @returns how often one of them slept */
async function live(lab: Lab, { all, sleepers, prng, untilMs }: Life): Promise<number> {
  let sleeps = 0
  while (lab.clock.now() < untilMs) {
    const next = Math.min(...sleepers.map(({ nextAt }) => nextAt))
    await lab.pass(Math.max(0, next - lab.clock.now()))
    for (const each of sleepers.filter(({ nextAt }) => nextAt <= lab.clock.now())) {
      if (each.isAsleep) {
        wake(lab, { all, sleepers }, each)
        await lab.pass(BACK_WITHIN_MS)
        const awake = sleepers.filter(({ isAsleep }) => !isAsleep).length
        assert.equal(each.kernel.mesh.status().connected, awake, 'back in time')
        each.nextAt = lab.clock.now() + 20_000 + prng.below(60_000)
      } else {
        sleeps += 1
        each.isAsleep = true
        each.clock.fallAsleep()
        for (const { id } of all) if (id !== each.kernel.id) lab.hub.silence(each.kernel.id, id)
        await lab.pass(prng.below(15_000)) // Its silence is noticed, or not yet.
        for (const { id } of all) if (id !== each.kernel.id) lab.hub.cut(each.kernel.id, id)
        each.nextAt = lab.clock.now() + 5000 + prng.below(90_000)
      }
    }
  }
  return sleeps
}

function wake(lab: Lab, { all, sleepers }: Pick<Life, 'all' | 'sleepers'>, each: Sleeper): void {
  each.isAsleep = false
  const asleep = new Set(sleepers.filter(({ isAsleep }) => isAsleep).map(({ kernel }) => kernel.id))
  // What sleeps cannot be reached from here either.
  for (const { id } of all) if (!asleep.has(id)) lab.hub.heal(each.kernel.id, id)
  each.clock.wakeUp()
}

function shown(...states: readonly Readonly<Record<string, number>>[]): string {
  return states.map((state) => JSON.stringify(state)).join(' then ')
}
