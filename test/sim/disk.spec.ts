// Goal: the simulated disk and store forget exactly what real ones may forget, and nothing that they
// acknowledged.

import assert from 'node:assert/strict'
import { utf8 } from '../../core/index.ts'
import type { LaneFile } from '../../chain/index.ts'
import { World } from './world/world.ts'
import type { NodePorts } from './world/world.ts'

class Ports {
  readonly ports: NodePorts

  constructor(ports: NodePorts) {
    this.ports = ports
  }

  async stop(): Promise<void> {}
}

describe('sim: storage', () => {
  it('keeps what was synced, whatever the crash (D1)', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      for (const ending of ['killed', 'power-lost'] as const) {
        const world = await machine(seed)
        const file = await fileOf(world)
        await world.settle('written', file.write(0, utf8('kept')), 1000)
        await world.settle('synced', file.sync(), 1000)
        world.crash('a', ending)
        assert.equal(await content(world), 'kept')
      }
    }
  })

  it('keeps finished writes of a dead process, synced or not (D2)', async () => {
    const world = await machine(1)
    const file = await fileOf(world)
    await world.settle('written', file.write(0, utf8('kept')), 1000)
    world.crash('a', 'killed')
    assert.equal(await content(world), 'kept')
  })

  it('without power, keeps, loses and tears what was not synced, sector by sector (D3)', async () => {
    const found = new Set<string>()
    for (let seed = 1; seed <= 100; seed++) {
      const world = await machine(seed)
      const file = await fileOf(world)
      await world.settle('written', file.write(0, new Uint8Array(1024).fill(0x78)), 1000)
      world.crash('a', 'power-lost')
      const text = await content(world)
      found.add(text.replaceAll('\0', '.').replace(/(.)\1{511}/gs, '$1'))
    }
    assert.deepEqual(found, new Set(['', '.x', 'x', 'xx']))
  })

  it('shows after a failed sync what a power loss then takes (D4)', async () => {
    const world = await machine(3)
    const file = await fileOf(world)
    await world.settle('written', file.write(0, utf8('lost')), 1000)
    world.machine('a').storage.fault = 'failing'
    await assert.rejects(world.settle('synced', file.sync(), 1000), { code: 'CHAIN_DISK_FAILED' })
    const shown = await world.settle('read', file.read(0, 4), 1000)
    assert.equal(Buffer.from(shown).toString(), 'lost')
    world.crash('a', 'power-lost')
    assert.equal(await content(world), '')
  })

  it('does what it reports as failed, when told to', async () => {
    const world = await machine(4)
    const { store } = world.kernel('a').ports
    world.machine('a').storage.fault = 'misreported'
    const write = store.write([{ key: 'k', value: utf8('v') }])
    await assert.rejects(world.settle('written', write, 1000), { code: 'STORE_FAILED' })
    const value = await world.settle('read', store.get('k'), 1000)
    assert.equal(Buffer.from(value ?? []).toString(), 'v')
  })

  it('keeps a batch that a crash overtakes as a whole or not at all', async () => {
    const found = new Set<number>()
    for (let seed = 1; seed <= 20; seed++) {
      const world = await machine(seed)
      const value = utf8('v')
      void world.kernel('a').ports.store.write([
        { key: 'x1', value },
        { key: 'x2', value }
      ])
      world.crash('a', 'killed')
      await restart(world)
      const pairs = await world.settle('listed', world.kernel('a').ports.store.list('x'), 1000)
      found.add(pairs.length)
    }
    assert.deepEqual(found, new Set([0, 2]))
  })

  it('has no room while it is full, and says so', async () => {
    const world = await machine(5)
    const file = await fileOf(world)
    world.machine('a').storage.fault = 'full'
    await assert.rejects(world.settle('written', file.write(0, utf8('no')), 1000), {
      code: 'CHAIN_DISK_FULL'
    })
    assert.equal(world.storageCounts.refused, 1)
  })
})

async function machine(seed: number): Promise<World<Ports>> {
  const world = new World<Ports>(
    { boot: async (ports) => new Ports(ports) },
    { seed, machines: ['a'], replay: 'npx mocha test/sim/disk.spec.ts' }
  )
  await restart(world)
  return world
}

async function restart(world: World<Ports>): Promise<void> {
  world.start('a')
  await world.until('up', () => world.machine('a').kernel !== null, 1000)
}

async function fileOf(world: World<Ports>): Promise<LaneFile> {
  return await world.settle('created', world.kernel('a').ports.disk.create('f'), 1000)
}

/** The file's content as the next life finds it. */
async function content(world: World<Ports>): Promise<string> {
  await restart(world)
  const file = await fileOf(world)
  return Buffer.from(await world.settle('read', file.read(0, 4096), 1000)).toString()
}
