// Goal: a member that is short of CPU, or far away, and answers too late for everything is slow and nothing
// worse: nobody cuts it, nobody calls it dead, and its rows arrive. One that falls silent is cut as soon as ever.
// Method: five machines in calm. What goes to and from one of them then takes so long that each of its pulses
// is answered too late; and later nothing comes through at all.

import assert from 'node:assert/strict'
import { PULSE_PATIENCE_MS, PULSE_REST_MS, PULSE_TIMEOUT_MS } from '../../mesh/limits.ts'
import { CALM, gather } from './world/gather.ts'
import { MeshKernel } from './world/mesh-kernel.ts'
import { World } from './world/world.ts'

const MACHINES = ['ada', 'bob', 'cyn', 'dan', 'eve']
const SLOW = 'eve'
const OTHERS = MACHINES.filter((name) => name !== SLOW)
/** There and back it takes longer than a pulse and the question after it may. */
const SLOW_MS = 2600
/** From the last word of a peer: a pulse at rest, its time, and a second in which it is asked once more. */
const SILENCE_NOTICED_MS: number = PULSE_REST_MS + PULSE_TIMEOUT_MS + 1000 + 1000

describe('sim: overload', () => {
  for (const seed of [1, 2, 3]) {
    it(`cuts no member that answers late, and notices its silence, under seed ${seed}`, async function () {
      this.timeout('60s')
      const world = new World<MeshKernel>(
        { boot: (ports) => MeshKernel.start(ports) },
        { seed, machines: MACHINES, replay: 'npx mocha test/sim/overload.spec.ts' }
      )
      await world.play(async () => {
        await gather(world)
        await world.advance(10_000)
        const lost = changesOf(world)
        delay(world)
        await world.advance(3 * PULSE_PATIENCE_MS)
        assert.deepEqual(lost, [], 'somebody was cut or called dead')
        for (const { kernel } of world.machines) kernel?.quieten()
        await world.advance(2 * SLOW_MS + 1000)
        for (const name of OTHERS) assert.deepEqual(rows(world, name), rows(world, SLOW), name)

        silence(world)
        await world.advance(SLOW_MS + SILENCE_NOTICED_MS)
        const eve = world.machine(SLOW).signer.nodeId
        for (const name of OTHERS) {
          assert.equal(world.kernel(name).mesh.peer(eve)?.isConnected, false, `${name} waits still`)
        }
      })
    })
  }

  it('brings a step that a broken connection took along within two seconds', async function () {
    this.timeout('60s')
    const world = new World<MeshKernel>(
      { boot: (ports) => MeshKernel.start(ports) },
      { seed: 4, machines: MACHINES, replay: 'npx mocha test/sim/overload.spec.ts' }
    )
    await world.play(async () => {
      await gather(world)
      for (const { kernel } of world.machines) kernel?.quieten()
      await world.advance(10_000)
      world.network.cut(world.machine('ada').signer.nodeId, world.machine('bob').signer.nodeId)
      world.kernel('ada').mesh.rows.put('process', 'news', 'told while nobody listened')
      await world.advance(2000)
      assert.deepEqual(rows(world, 'bob', 'ada'), rows(world, 'ada', 'ada'))
    })
  })
})

/** Who is lost to whom from now on. */
function changesOf(world: World<MeshKernel>): readonly string[] {
  const lost: string[] = []
  for (const { name } of world.machines) {
    world.kernel(name).mesh.onPeerChange((peer) => {
      const isHere = peer.isConnected && peer.state !== 'dead'
      if (!isHere) lost.push(`${peer.name} to ${name}: ${peer.state}, ${peer.isConnected}`)
    })
  }
  return lost
}

function delay(world: World<MeshKernel>): void {
  for (const link of slowLinks(world)) link.quality = { ...CALM, latencyMs: SLOW_MS }
}

function silence(world: World<MeshKernel>): void {
  for (const link of slowLinks(world)) link.stall()
}

function slowLinks(world: World<MeshKernel>): ReturnType<World<MeshKernel>['network']['link']>[] {
  const eve = world.machine(SLOW).signer.nodeId
  const others = OTHERS.map((name) => world.machine(name).signer.nodeId)
  return others.flatMap((other) => [world.network.link(eve, other), world.network.link(other, eve)])
}

/** The rows of `of` as `name` sees them. */
function rows(world: World<MeshKernel>, name: string, of: string = SLOW): unknown {
  return world.kernel(name).mesh.rows.of(world.machine(of).signer.nodeId)['process']
}
