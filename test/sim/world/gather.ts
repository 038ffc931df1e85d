// A mesh of all machines of a world, made in calm.

import { millis } from '../../../core/index.ts'
import type { Mesh } from '../../../mesh/index.ts'
import { FOUNDER } from './mesh-kernel.ts'
import type { MeshKernel } from './mesh-kernel.ts'
import type { World } from './world.ts'

export const CALM = { latencyMs: 5, jitterMs: 1, lossPercent: 0, bytesPerMs: 10_000 } as const

export async function gather(world: World<MeshKernel>): Promise<void> {
  world.network.heal(CALM)
  for (const { name } of world.machines) world.start(name)
  await world.until('all are up', () => world.machines.every(({ kernel }) => kernel !== null), 9000)
  const founder = world.kernel(FOUNDER).mesh
  for (const { name } of world.machines) {
    if (name === FOUNDER) continue
    const terms = { ttlMs: millis(3_600_000), uses: 1, role: 'member' } as const
    const { line } = await world.settle('invite', founder.invite(terms), 9000)
    const joining = world.kernel(name).mesh.join(line, new AbortController().signal)
    await world.settle('join', joining, 30_000)
  }
  const meshes = world.machines.map(({ name }) => world.kernel(name).mesh)
  await world.until(
    'all see each other',
    () => meshes.every((mesh) => aliveCount(mesh) === meshes.length - 1),
    30_000
  )
}

export function aliveCount(mesh: Mesh): number {
  return mesh.peers().filter(({ state }) => state === 'alive').length
}
