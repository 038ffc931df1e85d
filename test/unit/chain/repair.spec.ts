import assert from 'node:assert/strict'
import type { Chain, RepairSource } from '../../../chain/index.ts'
import { signerFromSeed } from '../../../core/index.ts'
import { MemoryLaneDisk } from '../../doubles/lane-disk.ts'
import { SeededPrng } from '../../sim/world/seeded-prng.ts'
import { appendBlocks, codeOf, kit, laneFile, places, recordsOf } from './kit.ts'

/** A peer that has what this chain has. */
function from(chain: Chain): RepairSource {
  return {
    async *fetch(lane, range) {
      for (let height = range.from; height <= range.to; height += 1) {
        const { records } = await chain.read(lane, height, 1)
        if (records[0] === undefined) return
        yield records[0]
      }
    }
  }
}

const NOBODY: RepairSource = {
  async *fetch() {
    await Promise.resolve()
    yield* []
  }
}

async function pair(
  counts: readonly number[],
  options: { segmentBytes?: number } = {}
): Promise<{ owner: Chain; replica: Chain; disk: MemoryLaneDisk }> {
  const owner = await kit(1).open()
  await appendBlocks(owner, ...counts)
  const disk = new MemoryLaneDisk()
  const replica = await kit(2, disk).open(options)
  for (const record of await recordsOf(owner, kit(1).lane))
    await replica.accept(kit(1).lane, [record])
  return { owner, replica, disk }
}

describe('chain: repair', () => {
  const { lane } = kit(1)

  it('any flipped byte of a replica is found, and put right from a peer, byte for byte', async () => {
    const { owner, replica, disk } = await pair([2, 1, 3])
    const file = laneFile(disk, lane)
    const sound = disk.contents(file)
    for (let offset = 0; offset < sound.length; offset += 1) {
      disk.flip(file, offset)
      assert.equal((await replica.verify({ lane })).ok, false, `byte ${offset} is not covered`)
      const [repair] = await replica.repair(from(owner), { lane })
      assert.deepEqual(repair?.missing, [], `byte ${offset}`)
      assert.deepEqual(disk.contents(file), sound, `byte ${offset}`)
    }
    assert.deepEqual((await replica.verify()).problems, [])
  })

  it('says what nobody could give, and repairs it when somebody can', async () => {
    const { owner, replica, disk } = await pair([1, 1, 1, 1])
    disk.flip(laneFile(disk, lane), 60)
    const [left] = await replica.repair(NOBODY, { lane })
    assert.deepEqual(left, { lane, damaged: 1, repaired: 0, missing: [{ from: 1, to: 1 }] })
    assert.equal((await replica.repair(from(owner), { lane }))[0]?.repaired, 1)
    assert.deepEqual((await replica.verify()).problems, [])
  })

  it('a whole file that is gone is fetched again', async () => {
    const { owner, replica, disk } = await pair([3, 3, 3, 3, 3, 3], { segmentBytes: 600 })
    const names = disk.names().filter((name) => name.startsWith(lane) && name.endsWith('.lane'))
    assert(names.length >= 3)
    for (const name of names.slice(0, 2)) await disk.mount().remove(name)
    await replica.repair(from(owner), { lane })
    assert.deepEqual((await replica.verify()).problems, [])
  })

  it('a peer that sends another block gets nothing into the lane (P1)', async () => {
    const { owner, replica, disk } = await pair([1, 1, 1])
    disk.flip(laneFile(disk, lane), 60)
    const [, second] = await recordsOf(owner, lane)
    const liar: RepairSource = {
      async *fetch() {
        await Promise.resolve()
        if (second !== undefined) yield second
      }
    }
    assert.equal((await replica.repair(liar, { lane }))[0]?.repaired, 0)
  })

  it('an own lane that lost its tail comes back from a peer, and goes on', async () => {
    const disk = new MemoryLaneDisk()
    const owner = await kit(1, disk).open()
    await appendBlocks(owner, 1, 2, 3)
    const peer = await kit(2).open()
    await peer.accept(lane, await recordsOf(owner, lane))
    await owner.stop()
    const file = laneFile(disk, lane)
    disk.put(file, disk.contents(file).slice(0, 400))
    assert.equal(await codeOf(kit(1, disk).open()), 'CHAIN_LANE_TRUNCATED')
    const again = await kit(1, disk).open({ isRepair: true })
    assert.equal(again.upkeep.repairState()?.expected, 3)
    assert.equal(await codeOf(appendBlocks(again, 1)), 'CHAIN_IN_REPAIR')
    assert.equal(await codeOf(again.upkeep.endRepair(false)), 'CHAIN_REPAIR_INCOMPLETE')
    await again.accept(lane, await recordsOf(peer, lane))
    assert.equal(await again.upkeep.endRepair(false), null)
    await appendBlocks(again, 1)
    assert.deepEqual((await again.verify()).problems, [])
    assert.equal((await peer.accept(lane, await recordsOf(again, lane))).kind, 'extended')
    await again.stop()
  })

  it('blocks behind damage that no peer has are found again in what was cut off', async () => {
    const disk = new MemoryLaneDisk()
    const owner = await kit(1, disk).open()
    await appendBlocks(owner, 1, 2)
    const peer = await kit(2).open()
    await peer.accept(lane, await recordsOf(owner, lane))
    await appendBlocks(owner, 3)
    const file = laneFile(disk, lane)
    disk.crash(new SeededPrng(1)) // No head file names the end.
    disk.put(disk.names().find((name) => name.endsWith('.head')) ?? '', new Uint8Array(0))
    disk.flip(file, 420)
    const again = await kit(1, disk).open({ isRepair: true })
    await again.accept(lane, await recordsOf(peer, lane))
    await again.upkeep.salvage()
    assert.equal(again.status()[0]?.height, 3)
    await again.upkeep.endRepair(false)
    await again.repair(from(peer))
    assert.deepEqual(places(await again.verify()), [])
  })

  it('goes on without what is lost only where somebody says so', async () => {
    const disk = new MemoryLaneDisk()
    const owner = await kit(1, disk).open()
    await appendBlocks(owner, 1, 2, 3)
    await owner.stop()
    const file = laneFile(disk, lane)
    disk.put(file, disk.contents(file).slice(0, 400))
    const again = await kit(1, disk).open({ isRepair: true })
    assert.equal(await codeOf(again.upkeep.endRepair(false)), 'CHAIN_REPAIR_INCOMPLETE')
    assert.equal(await again.upkeep.endRepair(true), 3)
    await appendBlocks(again, 1)
    assert.deepEqual((await again.verify()).problems, [])
    await again.stop()
    await (await kit(1, disk).open()).stop()
  })

  it('an own block that a peer shows and this disk lacks stops the lane, also after a restart', async () => {
    const disk = new MemoryLaneDisk()
    const first = await kit(1, disk).open()
    await appendBlocks(first, 1)
    await first.stop()
    const backup = new MemoryLaneDisk()
    for (const name of disk.names()) backup.put(name, disk.contents(name))
    const owner = await kit(1, disk).open()
    await appendBlocks(owner, 1, 1)
    const records = await recordsOf(owner, lane)
    const restored = await kit(1, backup).open()
    const outcome = await restored.accept(lane, records)
    assert.equal(outcome.kind === 'refused' && outcome.code, 'CHAIN_LANE_TRUNCATED')
    assert.equal(await codeOf(appendBlocks(restored, 1)), 'CHAIN_LANE_TRUNCATED')
    await restored.stop()
    assert.equal(await codeOf(kit(1, backup).open()), 'CHAIN_LANE_TRUNCATED')
    assert.equal(signerFromSeed(new Uint8Array(32).fill(1)).nodeId, lane)
  })
})
