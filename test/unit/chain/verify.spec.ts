import assert from 'node:assert/strict'
import { checkBatch } from '../../../chain/index.ts'
import { inlineChecker } from '../../../chain/check-batch.ts'
import { MARK_SETTLED_MS, VERIFIED_READ_AGAIN_MS } from '../../../chain/limits.ts'
import type { ChainDeps, RecordChecker, VerifyReport } from '../../../chain/index.ts'
import { openChain } from '../../../chain/index.ts'
import { millis, unixMillis } from '../../../core/index.ts'
import { MemoryLaneDisk } from '../../doubles/lane-disk.ts'
import { silentLog } from '../../doubles/silent-log.ts'
import { appendBlocks, draft, kit, laneFile, places, recordsOf } from './kit.ts'

function counts({ ok, blocks, entries, signatures, unchanged }: VerifyReport): unknown {
  return { ok, blocks, entries, signatures, unchanged }
}

describe('chain: verifying again', () => {
  it('checks what is new, reads the rest, and says which is which', async () => {
    const { open, lane, disk } = kit()
    const chain = await open()
    await appendBlocks(chain, 2, 3)
    const first = { ok: true, blocks: 2, entries: 5, signatures: 2, unchanged: 0 }
    assert.deepEqual(counts(await chain.verify()), first)
    await appendBlocks(chain, 1)
    const second = { ok: true, blocks: 3, entries: 6, signatures: 3, unchanged: 2 }
    assert.deepEqual(counts(await chain.verify()), second)
    assert.equal((await chain.verify()).unchanged, 3)
    assert.equal((await chain.verify({ isFull: true })).unchanged, 0)
    await chain.stop()
    const again = await kit(1, disk).open()
    assert.equal((await again.verify({ lane })).unchanged, 3)
    await again.stop()
  })

  it('a byte that changes in what was verified is found all the same (F2)', async () => {
    const { open, lane, disk } = kit()
    const chain = await open()
    await appendBlocks(chain, 1, 2)
    const file = laneFile(disk, lane)
    const size = disk.contents(file).length
    assert((await chain.verify()).ok)
    for (let offset = 0; offset < size; offset += 1) {
      disk.flip(file, offset)
      const report = await chain.verify()
      assert.equal(report.ok, false, `byte ${offset} changed unseen`)
      disk.flip(file, offset)
    }
    await chain.verify()
    assert.equal((await chain.verify()).unchanged, 2)
  })

  it('what nobody has written to since is not read again, for a week, unless all is (F2)', async () => {
    const { open, lane, disk, clock } = kit()
    const chain = await open()
    await appendBlocks(chain, 1, 2)
    const seen = async (options = {}): Promise<readonly unknown[]> => {
      const { ok, unchanged, unread } = await chain.verify(options)
      return [ok, unchanged, unread]
    }
    assert.deepEqual(await seen(), [true, 0, 0])
    assert.deepEqual(await seen(), [true, 2, 2])
    disk.rot(laneFile(disk, lane), 100) // Only reading can show it.
    assert.deepEqual(await seen(), [true, 2, 2])
    assert.deepEqual(await seen({ isFull: true }), [false, 0, 0])
    disk.rot(laneFile(disk, lane), 100)
    assert.deepEqual(await seen({ isFull: true }), [true, 0, 0])
    disk.rot(laneFile(disk, lane), 100)
    clock.advanceTo(millis(VERIFIED_READ_AGAIN_MS - 1))
    assert.deepEqual(await seen(), [true, 2, 2])
    clock.advanceTo(millis(VERIFIED_READ_AGAIN_MS))
    assert.deepEqual(await seen(), [false, 0, 0])
    await chain.stop()
  })

  it('a change within the grain of the file system’s clock is not overlooked (F3)', async () => {
    const { open, lane, disk, clock } = kit()
    const chain = await open()
    await appendBlocks(chain, 1, 2)
    disk.changedAt = unixMillis(clock.wall() - MARK_SETTLED_MS + 1)
    assert.equal((await chain.verify()).ok, true)
    disk.rot(laneFile(disk, lane), 100) // As a write that leaves the time as it was.
    assert.equal((await chain.verify()).ok, false)
    disk.rot(laneFile(disk, lane), 100)
    assert.deepEqual([(await chain.verify()).ok, (await chain.verify()).unread], [true, 0])
    clock.advanceTo(millis(1))
    assert.deepEqual([(await chain.verify()).unread, (await chain.verify()).unread], [0, 2])
    await chain.stop()
  })

  it('what is written to a file while it is verified is found by the next one (F3)', async () => {
    const { open, lane, disk } = kit()
    const chain = await open()
    await appendBlocks(chain, 1, 2)
    let flips = 0
    const onProgress = (): void => {
      if (flips === 0) disk.flip(laneFile(disk, lane), 100)
      flips += 1
    }
    assert.equal((await chain.verify({ onProgress })).ok, true)
    assert.equal((await chain.verify()).ok, false)
    await chain.stop()
  })

  it('nobody without the key of this node can say that something was verified', async () => {
    const { open, lane, disk } = kit()
    const chain = await open()
    await appendBlocks(chain, 1, 2)
    await chain.verify()
    const name = `${lane}.verified`
    for (let offset = 0; offset < disk.contents(name).length; offset += 7) {
      disk.flip(name, offset)
      const { ok, unchanged } = await chain.verify()
      assert.deepEqual({ ok, unchanged }, { ok: true, unchanged: 0 }, `byte ${offset}`)
    }
    // The verdict of another node about the same lane counts for nothing here.
    const other = kit(2)
    const replica = await other.open()
    await replica.accept(lane, await recordsOf(chain, lane))
    await replica.verify()
    disk.put(name, other.disk.contents(name))
    assert.equal((await chain.verify()).unchanged, 0)
  })

  it('goes on, after an abort, from where it was', async () => {
    const { open } = kit()
    const chain = await open({ segmentBytes: 50_000 })
    for (let block = 0; block < 40; block += 1) {
      await chain.append([draft(block, { payload: { bytes: new Uint8Array(30_000) } })])
    }
    const stop = new AbortController()
    const onProgress = ({ height }: { height: number }): void => {
      if (height >= 10) stop.abort(new Error('enough'))
    }
    await assert.rejects(chain.verify({ signal: stop.signal, onProgress }), /enough/)
    const report = await chain.verify()
    assert(report.ok && report.unchanged >= 10 && report.blocks === 40, JSON.stringify(report))
  })

  it('large lanes go to the checker in batches, a few at a time, and come back in order', async () => {
    let underWay = 0
    let most = 0
    const checker: RecordChecker = {
      ...inlineChecker,
      width: 2,
      check: async (batch) => {
        underWay += 1
        most = Math.max(most, underWay)
        for (let turn = 0; turn < batch.bytes.length % 17; turn += 1) await Promise.resolve()
        underWay -= 1
        return checkBatch(batch)
      }
    }
    const disk = new MemoryLaneDisk()
    const { clock, signer, lane } = kit(1, disk)
    const deps: ChainDeps = { disk: disk.mount(), clock, signer, log: silentLog, checker }
    const chain = await openChain(deps, {})
    const payload = { bytes: new Uint8Array(60_000) }
    for (let block = 0; block < 100; block += 1) await chain.append([draft(block, { payload })])
    assert.deepEqual((await chain.verify()).problems, [])
    disk.flip(laneFile(disk, lane), 3_000_000)
    assert.deepEqual(places(await chain.verify()), ['CHAIN_PAYLOAD_DAMAGED 50.0'])
    assert(most <= 5, `${most} batches at once`)
  })

  it('a checker that fails fails the verification, not the chain', async () => {
    const checker: RecordChecker = {
      ...inlineChecker,
      check: () => Promise.reject(new Error('gone'))
    }
    const { clock, signer, disk } = kit()
    const deps: ChainDeps = { disk: disk.mount(), clock, signer, log: silentLog, checker }
    const chain = await openChain(deps, {})
    const payload = { bytes: new Uint8Array(60_000) }
    for (let block = 0; block < 80; block += 1) await chain.append([draft(block, { payload })])
    await assert.rejects(chain.verify(), /gone/)
    await appendBlocks(chain, 1)
    await chain.stop()
  })
})
