// Goal: whatever happens to links and kernels, a membership once told is never lost (I1), and after quiet all
// members are connected, know each other, and see equal rows (I6).
// Method: four machines whose kernels are a mesh alone. One founds it, the others join by its invites
// while links stall, part and break and machines crash; all keep changing their rows.

import assert from 'node:assert/strict'
import { millis, WeaverError } from '../../core/index.ts'
import type { Mesh } from '../../mesh/index.ts'
import { seedsOf } from './seeds.ts'
import { drawFaults } from './world/faults.ts'
import { FOUNDER, MeshKernel } from './world/mesh-kernel.ts'
import { World } from './world/world.ts'

const MACHINES = ['ada', 'bob', 'cyn', 'dan']
const FAULTS_UNTIL_MS = 20_000
const FOREVER = new AbortController().signal

describe('sim: mesh (R0)', () => {
  for (const seed of seedsOf('mesh', 10)) {
    it(`joins, replicates rows and heals (I1, I6) under seed ${seed}`, async function () {
      this.timeout('30s')
      const world = meshWorld(seed)
      await world.play(async () => {
        for (const name of MACHINES.slice(1)) await join(world, name)
        await world.until('the faults are over', () => world.clock.now() > FAULTS_UNTIL_MS, 600_000)
        await agree(world)
      })
    })
  }

  it('has one trace for one seed, bit for bit', async () => {
    const digests: string[] = []
    for (let turn = 0; turn < 2; turn++) {
      const world = meshWorld(5)
      await join(world, 'bob')
      await world.advance(5000)
      digests.push(world.trace.digest)
    }
    assert.equal(digests[0], digests[1])
  })
})

function meshWorld(seed: number): World<MeshKernel> {
  const world = new World<MeshKernel>(
    { boot: (ports) => MeshKernel.start(ports) },
    { seed, machines: MACHINES, replay: 'npx mocha test/sim/mesh.spec.ts' }
  )
  for (const { name } of world.machines) world.start(name)
  world.inject(
    drawFaults(world.prng('faults'), {
      machines: MACHINES,
      fromMs: 100,
      toMs: FAULTS_UNTIL_MS,
      count: 14,
      kinds: ['stall', 'partition', 'cut', 'crash']
    })
  )
  return world
}

/** Tries until it is told that it is in; from then on no crash may take that back (I1). */
async function join(world: World<MeshKernel>, name: string): Promise<void> {
  for (let tries = 0; tries < 20; tries++) {
    const isUp = (): boolean =>
      world.machine(FOUNDER).kernel !== null && world.machine(name).kernel !== null
    await world.until('founder and joiner are up', isUp, 60_000)
    const [founder, joiner] = [world.kernel(FOUNDER).mesh, world.kernel(name).mesh]
    const lives = world.machine(name).lives + world.machine(FOUNDER).lives
    const attempt = (async () => {
      const terms = { ttlMs: millis(4 * 3_600_000), uses: 1, role: 'member' } as const
      const { line } = await founder.invite(terms)
      await joiner.join(line, FOREVER)
    })()
    let outcome: 'pending' | 'joined' | WeaverError = 'pending'
    attempt.then(
      () => (outcome = 'joined'),
      (error: unknown) =>
        (outcome = error instanceof WeaverError ? error : new WeaverError('?', String(error)))
    )
    const isOver = (): boolean =>
      outcome !== 'pending' || world.machine(name).lives + world.machine(FOUNDER).lives > lives
    await world.until('the join ends', isOver, 60_000)
    if (joiner.meshId() !== null && joiner.isMember(joiner.nodeId)) return
    await world.advance(500)
  }
  throw new Error(`${name} could not join in 20 tries`)
}

async function agree(world: World<MeshKernel>): Promise<void> {
  world.heal()
  const areAllUp = (): boolean => world.machines.every(({ kernel }) => kernel !== null)
  await world.until('all machines are up', areAllUp, 60_000)
  for (const { kernel } of world.machines) kernel?.quieten()
  const meshes = MACHINES.map((name) => world.kernel(name).mesh)
  await world.until(
    'all members see each other alive (I6)',
    () => meshes.every((mesh) => aliveCount(mesh) === MACHINES.length - 1),
    60_000
  )
  const rows = (mesh: Mesh): string =>
    JSON.stringify(
      meshes.map(({ nodeId }) =>
        Object.entries(mesh.rows.of(nodeId)['process'] ?? {}).toSorted(([a], [b]) =>
          a < b ? -1 : 1
        )
      )
    )
  await world.until(
    'all members see equal rows (I6)',
    () => new Set(meshes.map(rows)).size === 1,
    30_000
  )
  assert(
    meshes.every((mesh) => mesh.status().refused === null),
    'a kernel was refused'
  )
  for (const name of MACHINES) await world.settle('stop', world.stop(name), 30_000)
}

function aliveCount(mesh: Mesh): number {
  return mesh.peers().filter(({ state }) => state === 'alive').length
}
