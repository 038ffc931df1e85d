// Goal: a laptop's life leaves nothing behind: no timer, no connection, no object and no memory that grows
// with the number of its sleeps.
// Method: three members on virtual time; two of them sleep and wake over and over, each on its own, every
// third time at another address. What is there after a tenth of the life is compared with what is there at its
// end, both in calm.

import assert from 'node:assert/strict'
import type { Prng } from '../../core/index.ts'
import { Lab } from '../unit/mesh/lab.ts'
import type { Kernel } from '../unit/mesh/lab.ts'
import { SeededPrng } from '../sim/world/seeded-prng.ts'
import { alive, heapInUse, isLong } from './profile.ts'
import { SleepyClock } from './sleepy-clock.ts'

const LIFE_MS: number = (isLong ? 72 : 1.5) * 3_600_000
const CALM_MS = 60_000
/** Within this after a wake-up all are connected again: the mesh's promise, and one look a second. */
const BACK_WITHIN_MS = 6000
/**
 * Caches that fill in the first five hours, three times 1,024 remembered rumours of about 1.5 kB each, and
 * compiled code. What is not cached is counted, object by object.
 */
const HEAP_GROWTH_MAX: number = (isLong ? 2 : 8) * 1024 * 1024
/** Which of the periodic timers are set at an instant differs by a few, and with them what hangs on them. */
const TIMERS_SPREAD = 6
const OBJECTS_SPREAD = 30
/** Every third wake-up is somewhere else. */
const WAKES_PER_MOVE = 3

interface Sleeper {
  readonly kernel: Kernel
  readonly clock: SleepyClock
  isAsleep: boolean
  nextAt: number
  wakes: number
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
      const heap = heapInUse()
      const connections = lab.hub.connections()
      return { timers: lab.clock.pending(), connections, heap, ...alive(COUNTED) }
    }
    await live(lab, { all, sleepers, prng, untilMs: LIFE_MS / 10 })
    const before = await state()
    const { sleeps, moves } = await live(lab, { all, sleepers, prng, untilMs: LIFE_MS })
    const after = await state()
    const told = `${sleeps} sleeps, ${moves} moves: ${shown(before, after)}`
    assert.ok(sleeps > (isLong ? 2000 : 40) && moves > (isLong ? 600 : 12), told)
    assert.equal(after['connections'], before['connections'], told)
    const growth = (what: string): number => (after[what] ?? Infinity) - (before[what] ?? 0)
    assert.ok(Math.abs(growth('timers')) <= TIMERS_SPREAD, told)
    for (const { name } of COUNTED) assert.ok(growth(name) <= OBJECTS_SPREAD, `${name}: ${told}`)
    assert.ok(growth('heap') < HEAP_GROWTH_MAX, told)
    console.log(`      ${told}`)
    for (const { mesh } of all) await lab.settle(mesh.stop())
    assert.equal(lab.hub.connections(), 0)
  })
})

/** What a wait, a call, a connection or a listener that is not let go of would leave. */
const COUNTED = [AbortSignal, Promise, Map, Set, Function]

async function sleeper(lab: Lab, server: Kernel, name: string): Promise<Sleeper> {
  const clock = new SleepyClock(lab.clock)
  const home = lab.home(name)
  const kernel = await lab.boot(home, home.address, clock)
  await lab.join(kernel, await lab.invite(server))
  await lab.pass(3000)
  return { kernel, clock, isAsleep: false, nextAt: 0, wakes: 0 }
}

interface Life {
  readonly all: readonly Kernel[]
  readonly sleepers: readonly Sleeper[]
  readonly prng: Prng
  readonly untilMs: number
}

/** How often one of them slept, and how often it woke somewhere else. */
interface Lived {
  readonly sleeps: number
  readonly moves: number
}

async function live(lab: Lab, { all, sleepers, prng, untilMs }: Life): Promise<Lived> {
  let sleeps = 0
  let moves = 0
  while (lab.clock.now() < untilMs) {
    const next = Math.min(...sleepers.map(({ nextAt }) => nextAt))
    await lab.pass(Math.max(0, next - lab.clock.now()))
    for (const each of sleepers.filter(({ nextAt }) => nextAt <= lab.clock.now())) {
      if (each.isAsleep) {
        each.wakes += 1
        if (each.wakes % WAKES_PER_MOVE === 0) {
          moves += 1
          each.kernel.network.move(addressOf(sleepers.indexOf(each), each.wakes))
        }
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
  return { sleeps, moves }
}

function addressOf(index: number, wakes: number): string {
  return `/ip4/10.${index + 1}.${wakes >> 8}.${wakes & 255}/tcp/4001`
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
