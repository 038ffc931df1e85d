// Goal: whatever happens to links and kernels, nothing that was evicted returns, to any node that has heard
// of it, restarts and old copies included; after healing all members' views agree within a bound; and no
// live node is declared dead at 5 % loss.
// Method: kernels that are a mesh alone, on the simulated network. The mesh is made in calm. Then faults,
// and amid them an admin evicts one machine, another leaves, and roles change.

import assert from 'node:assert/strict'
import type { Mesh } from '../../mesh/index.ts'
import { seedsOf } from './seeds.ts'
import { drawFaults } from './world/faults.ts'
import { Fleet } from './world/fleet.ts'
import { FOUNDER, MeshKernel } from './world/mesh-kernel.ts'
import { aliveCount, gather } from './world/gather.ts'
import { World } from './world/world.ts'

const MACHINES = ['ada', 'bob', 'cyn', 'dan', 'eve', 'fay']
const EVICTED = 'eve'
const LEAVES = 'fay'
/** Two redials at full back-off, and a suspicion. */
const AGREE_WITHIN_MS = 45_000

describe('sim: membership (R0)', () => {
  for (const seed of seedsOf('membership', 8)) {
    it(`keeps out whom it evicted, and agrees after healing, under seed ${seed}`, async function () {
      this.timeout('60s')
      const world = worldOf(seed, MACHINES)
      await world.play(async () => {
        await gather(world)
        const eve = world.machine(EVICTED).signer.nodeId
        const hasHeard = new Set<string>()
        world.oracles.push(() => {
          for (const { name, kernel } of world.machines) {
            if (name === EVICTED || kernel === null || kernel.mesh.meshId() === null) continue
            if (kernel.mesh.isMember(eve)) {
              assert(!hasHeard.has(name), `${EVICTED} has returned to ${name}`)
            } else if (kernel.mesh.members().length > 1) hasHeard.add(name)
          }
        })
        world.inject(
          drawFaults(world.prng('faults'), {
            machines: MACHINES,
            fromMs: 100,
            toMs: 30_000,
            count: 12,
            kinds: ['stall', 'partition', 'cut', 'crash']
          })
        )
        await world.advance(world.prng('when').below(10_000))
        await untilDone(world, FOUNDER, (mesh) => mesh.acts.evict(eve).then(() => undefined))
        let isHeard = true
        await untilDone(world, LEAVES, async (mesh) => {
          if (mesh.members().length < 2) return
          isHeard = (await mesh.acts.leave(false)).confirmed.length > 0
        })
        await world.advance(20_000)
        world.heal()
        // Nobody was there to hear it, which its user was told: what is left is to evict it.
        const gone = world.machine(LEAVES).signer.nodeId
        if (!isHeard) {
          await untilDone(world, FOUNDER, async (mesh) => {
            if (mesh.isMember(gone)) await mesh.acts.evict(gone)
          })
        }
        await agree(world, eve)
      })
    })
  }

  it('declares no live member dead at 5 % loss, within real kernels', async function () {
    this.timeout('60s')
    const world = worldOf(7, MACHINES)
    await world.play(async () => {
      await gather(world)
      world.network.heal({ latencyMs: 20, jitterMs: 30, lossPercent: 5, bytesPerMs: 10_000 })
      world.oracles.push(() => {
        for (const { name, kernel } of world.machines) {
          const dead = kernel?.mesh.peers().filter(({ state }) => state === 'dead') ?? []
          assert.deepEqual(dead, [], `${name} believes so`)
        }
      })
      await world.advance(120_000)
      assert(world.network.counts.lost > 100, 'segments were lost')
    })
  })

  for (const count of [3, 10, 25, 50]) {
    it(`agrees among ${count} failure detectors after crashes, pauses and one-way cuts`, function () {
      this.timeout('30s')
      for (let seed = 1; seed <= 5; seed++) {
        const fleet = new Fleet({
          count,
          seed,
          lossPercent: 5,
          duplicatePercent: 2,
          delayMs: [5, 150]
        })
        const [first = '', second = '', third = ''] = fleet.names
        fleet.pass(10_000)
        fleet.cut(first, second)
        fleet.pause(third, 2500)
        fleet.pass(20_000)
        const falsely = fleet.observations.filter(({ state }) => state === 'dead')
        assert.deepEqual(falsely, [], `seed ${seed}: dead that lived`)
        fleet.kill(third, seed % 2 === 0)
        fleet.pass(90_000)
        fleet.heal()
        fleet.restart(third)
        for (const name of fleet.names) fleet.reconnect(name)
        fleet.pass(30_000)
        for (const a of fleet.names) {
          for (const b of fleet.names) {
            if (a !== b) assert.equal(fleet.state(a, b), 'alive', `seed ${seed}: ${a} of ${b}`)
          }
        }
      }
    })
  }
})

function worldOf(seed: number, machines: readonly string[]): World<MeshKernel> {
  return new World<MeshKernel>(
    { boot: (ports) => MeshKernel.start(ports) },
    { seed, machines, replay: 'npx mocha test/sim/membership.spec.ts' }
  )
}

/** Does `act` on a machine until one run of its kernel has done it. */
async function untilDone(
  world: World<MeshKernel>,
  name: string,
  act: (mesh: Mesh) => Promise<void>
): Promise<void> {
  for (let tries = 0; tries < 20; tries++) {
    await world.until('it is up', () => world.machine(name).kernel !== null, 60_000)
    const { lives } = world.machine(name)
    let outcome: 'pending' | 'done' | 'failed' = 'pending'
    act(world.kernel(name).mesh).then(
      () => (outcome = 'done'),
      () => (outcome = 'failed')
    )
    const isOver = (): boolean => outcome !== 'pending' || world.machine(name).lives > lives
    await world.until('the act ends', isOver, 60_000)
    if (isDone(outcome)) return
    await world.advance(500)
  }
  throw new Error(`${name} could not do it in 20 tries`)
}

function isDone(outcome: string): boolean {
  return outcome === 'done'
}

async function agree(world: World<MeshKernel>, evicted: string): Promise<void> {
  const stay = world.machines.filter(({ name }) => name !== EVICTED && name !== LEAVES)
  const areUp = (): boolean => stay.every(({ kernel }) => kernel !== null)
  await world.until('all machines are up', areUp, 60_000)
  const names = stay.map(({ name }) => name).toSorted()
  const isView = (mesh: Mesh): boolean => {
    const members = mesh.members().map(({ name }) => name)
    return members.toSorted().join(' ') === names.join(' ') && aliveCount(mesh) === names.length - 1
  }
  await world.until(
    'all who stay agree who is here, and that all are alive',
    () => stay.every(({ kernel }) => kernel !== null && isView(kernel.mesh)),
    AGREE_WITHIN_MS
  )
  for (const { kernel } of stay) assert.equal(kernel?.mesh.member(evicted), null)
  const out = world.machine(EVICTED).kernel?.mesh
  assert.equal(out?.status().connected ?? 0, 0)
}
