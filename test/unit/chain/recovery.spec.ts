import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Chain, EntryRef } from '../../../chain/index.ts'
import { millis } from '../../../core/index.ts'
import { MemoryLaneDisk } from '../../doubles/lane-disk.ts'
import { SeededPrng } from '../../sim/world/seeded-prng.ts'
import { appendBlocks, codeOf, draft, kit, laneFile, recordsOf } from './kit.ts'

/** Two blocks that the head file names, and a third that it does not: what a crash leaves. */
async function crashed() {
  const { disk, lane, open } = kit()
  const before = await open()
  await appendBlocks(before, 1, 2)
  await before.stop()
  const known = disk.contents(laneFile(disk, lane)).length
  const chain = await open()
  await appendBlocks(chain, 2)
  return { disk, lane, known, file: laneFile(disk, lane) }
}

function diskWith(files: Readonly<Record<string, Uint8Array>>): MemoryLaneDisk {
  const disk = new MemoryLaneDisk()
  for (const [name, bytes] of Object.entries(files)) disk.put(name, bytes)
  return disk
}

describe('chain: recovery', () => {
  it('a tail torn at any byte is cut, and the lane goes on (R2)', async () => {
    const { disk, lane, known, file } = await crashed()
    const bytes = disk.contents(file)
    const head = disk.contents(`${lane}.head`)
    for (let size = known; size < bytes.length; size += 1) {
      const torn = diskWith({ [file]: bytes.slice(0, size), [`${lane}.head`]: head })
      const chain = await kit(1, torn).open()
      assert.equal(chain.heads()[0]?.height, 2)
      assert.equal(torn.contents(file).length, known)
      if (size % 16 === 0) {
        await appendBlocks(chain, 1)
        assert.equal((await chain.verify()).ok, true)
      }
      await chain.stop()
    }
  })

  it('a tail of which any byte was not written is cut (R2)', async () => {
    const { disk, lane, known, file } = await crashed()
    const bytes = disk.contents(file)
    const head = disk.contents(`${lane}.head`)
    for (let offset = known; offset < bytes.length; offset += 1) {
      const holed = bytes.with(offset, (bytes[offset] ?? 0) ^ 0x5a)
      const torn = diskWith({ [file]: holed, [`${lane}.head`]: head })
      const chain = await kit(1, torn).open()
      assert.equal(chain.heads()[0]?.height, 2, `byte ${offset}`)
      await chain.stop()
    }
  })

  it('a lane shorter than its head file does not open, and is left as it is (R1)', async () => {
    const { disk, lane, known, file } = await crashed()
    const bytes = disk.contents(file)
    const head = disk.contents(`${lane}.head`)
    for (let size = 0; size < known; size += 7) {
      const cut = diskWith({ [file]: bytes.slice(0, size), [`${lane}.head`]: head })
      await assert.rejects(kit(1, cut).open(), (error: Error & { code: string }) => {
        assert.equal(error.code, 'CHAIN_LANE_TRUNCATED')
        assert.match(error.message, /height 2 was acknowledged\. Run `weaver chain repair`/)
        return true
      })
      assert.equal(cut.contents(file).length, size)
    }
    const gone = diskWith({ [`${lane}.head`]: head })
    assert.equal(await codeOf(kit(1, gone).open()), 'CHAIN_LANE_TRUNCATED')
  })

  it('a lane replaced by another signed one does not open', async () => {
    const first = kit()
    const chain = await first.open()
    await chain.append([draft(1)])
    await chain.stop()
    const second = kit()
    const other = await second.open()
    await other.append([draft(2)])
    await other.stop()
    const file = laneFile(first.disk, first.lane)
    first.disk.put(file, second.disk.contents(file))
    assert.equal(await codeOf(first.open()), 'CHAIN_LANE_REPLACED')
  })

  it('more damage at the end than one write explains does not open', async () => {
    const { disk, file } = await crashed()
    const bytes = disk.contents(file)
    const long = new Uint8Array(bytes.length + 1024 * 1024 + 1)
    long.set(bytes)
    disk.put(file, long)
    assert.equal(await codeOf(kit(1, disk).open()), 'CHAIN_LANE_DAMAGED')
    assert.equal(disk.contents(file).length, long.length)
  })

  it('the head file follows the lane by itself, and one damaged slot costs nothing (H2)', async () => {
    const { clock, disk, lane, open } = kit()
    const chain = await open()
    for (let round = 0; round < 3; round += 1) {
      await appendBlocks(chain, 1)
      clock.advanceTo(millis(clock.now() + 60))
      const syncs = disk.actions.length
      while (disk.actions.length < syncs + 2) await Promise.resolve()
    }
    // The slots hold heights 3 (at 4096) and 2 (at 0).
    disk.flip(`${lane}.head`, 4100)
    const file = laneFile(disk, lane)
    const bytes = disk.contents(file)
    const records = await recordsOf(chain, lane)
    const two = records.slice(0, 2).reduce((sum, record) => sum + record.length, 0)
    disk.put(file, bytes.slice(0, two))
    const again = await kit(1, disk).open()
    assert.equal(again.heads()[0]?.height, 2)
    await again.stop()
    disk.put(file, bytes.slice(0, two - 1))
    assert.equal(await codeOf(kit(1, disk).open()), 'CHAIN_LANE_TRUNCATED')
  })

  it('damage in the middle of a lane does not stop it from going on', async () => {
    const { disk, lane, open } = kit()
    const chain = await open()
    await appendBlocks(chain, 1, 1, 1)
    const [first] = await recordsOf(chain, lane)
    await chain.stop()
    disk.flip(laneFile(disk, lane), (first?.length ?? 0) + 1)
    const again = await open()
    await appendBlocks(again, 1)
    const report = await again.verify()
    assert.deepEqual(
      report.problems.map(({ height, code }) => [height, code]),
      [[2, 'CHAIN_BLOCK_DAMAGED']]
    )
    assert.equal(report.blocks, 3)
    await again.stop()
  })

  it('what was acknowledged survives any crash, in order, without a gap', async () => {
    const seeds = fc.nat()
    const turnsBeforeCrash = fc.integer({ min: 1, max: 60 })
    await fc.assert(
      fc.asyncProperty(seeds, turnsBeforeCrash, async (seed, turns) => {
        const { disk, open } = kit()
        const prng = new SeededPrng(seed)
        const acknowledged = new Map<string, string>()
        for (let boot = 0; boot < 5; boot += 1) {
          const chain: Chain = await open({ segmentBytes: 900 })
          assert.deepEqual((await chain.verify()).problems, [])
          for (const [id, subject] of acknowledged) {
            assert.equal((await chain.entry(id))?.subject, subject)
          }
          for (let number = 0; number < 5; number += 1) {
            // It may fail, or never settle: the machine is gone before.
            const subject = `boot:${boot}.${number}`
            const seen = ([ref]: readonly EntryRef[]): void =>
              void acknowledged.set(ref?.id ?? '', subject)
            void chain.append([draft(1, { subject })]).then(seen, () => {})
            await Promise.resolve()
          }
          for (let turn = 0; turn < turns * boot; turn += 1) await Promise.resolve()
          disk.crash(prng)
          for (let turn = 0; turn < 50; turn += 1) await Promise.resolve()
        }
      }),
      { numRuns: 300 }
    )
  })
})

describe('chain: failing disks', () => {
  it('a full disk refuses, acknowledges nothing, and the lane goes on when there is space (D2)', async () => {
    const { disk, lane, open } = kit()
    const chain = await open()
    await appendBlocks(chain, 2)
    const size = disk.contents(laneFile(disk, lane)).length
    disk.capacityBytes = size + 100
    await assert.rejects(chain.append([draft(1)]), { code: 'CHAIN_DISK_FULL', retry: 'later' })
    assert.equal(disk.contents(laneFile(disk, lane)).length, size)
    assert.equal(chain.heads()[0]?.height, 1)
    disk.failNext({ action: 'write', error: 'full', done: true })
    assert.equal(await codeOf(chain.append([draft(2)])), 'CHAIN_DISK_FULL')
    disk.capacityBytes = Infinity
    await appendBlocks(chain, 1)
    const report = await chain.verify()
    assert.deepEqual([report.ok, report.entries], [true, 3])
    await chain.stop()
    const again = await open()
    assert.equal(again.heads()[0]?.height, 2)
    await again.stop()
  })

  it('no room for a new file refuses like no room in the old one', async () => {
    const { disk, open } = kit()
    const chain = await open({ segmentBytes: 10 })
    await appendBlocks(chain, 1)
    disk.failNext({ action: 'create', error: 'full' })
    assert.equal(await codeOf(chain.append([draft(1)])), 'CHAIN_DISK_FULL')
    await appendBlocks(chain, 1)
    assert.equal((await chain.verify()).blocks, 2)
    await chain.stop()
  })

  for (const done of [undefined, true] as const) {
    const how = done === true ? 'done but reported as failed' : 'not done'
    for (const action of ['sync', 'write'] as const) {
      it(`after a ${action} with EIO, ${how}, nothing is acknowledged any more (D3, C3)`, async () => {
        const { disk, open } = kit()
        const chain = await open()
        await appendBlocks(chain, 1)
        disk.failNext({ action, error: 'io', ...(done === true ? { done } : {}) })
        const together = [chain.append([draft(1)]), chain.append([draft(2)])]
        for (const append of together) assert.equal(await codeOf(append), 'CHAIN_LANE_FAILED')
        assert.equal(await codeOf(chain.append([draft(3)])), 'CHAIN_LANE_FAILED')
        assert.equal(chain.failure()?.code, 'CHAIN_LANE_FAILED')
        assert.equal(chain.heads()[0]?.height, 1)
        await chain.stop()
        disk.crash(new SeededPrng(1))
        const again = await open()
        assert((again.heads()[0]?.height ?? 0) >= 1)
        await appendBlocks(again, 1)
        assert.equal((await again.verify()).ok, true)
        await again.stop()
      })
    }
  }

  it('a partial write that cannot be cut off again is fatal', async () => {
    const { disk, open } = kit()
    const chain = await open()
    disk.failNext({ action: 'write', error: 'full', done: 10 })
    disk.failNext({ action: 'truncate', error: 'io' })
    assert.equal(await codeOf(chain.append([draft(1)])), 'CHAIN_LANE_FAILED')
    await chain.stop()
    const again = await open()
    await appendBlocks(again, 1)
    assert.equal((await again.verify()).ok, true)
    await again.stop()
  })

  it('a head file that cannot be synced stops the lane, one without room does not', async () => {
    const { clock, disk, open } = kit()
    const chain = await open()
    await appendBlocks(chain, 1)
    disk.failNext({ action: 'write', error: 'full', name: '.head' })
    clock.advanceTo(millis(60))
    for (let turn = 0; turn < 30; turn += 1) await Promise.resolve()
    await appendBlocks(chain, 1)
    disk.failNext({ action: 'sync', error: 'io', name: '.head' })
    clock.advanceTo(millis(120))
    for (let turn = 0; turn < 30; turn += 1) await Promise.resolve()
    assert.equal(await codeOf(chain.append([draft(1)])), 'CHAIN_LANE_FAILED')
    await chain.stop()
    const again = await open()
    assert.equal(again.heads()[0]?.height, 2)
    await again.stop()
  })
})
