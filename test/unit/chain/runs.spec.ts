import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Chain } from '../../../chain/index.ts'
import { entryId, REDACTED_KIND, redactionSubject, RunCutter } from '../../../chain/index.ts'
import type { LentRun, RecordRun } from '../../../chain/index.ts'
import { CHECK_BATCH_BYTES } from '../../../chain/limits.ts'
import { recordsIn, runOf } from '../../../chain/run.ts'
import { concatBytes } from '../../../core/index.ts'
import type { NodeId } from '../../../core/index.ts'
import { appendBlocks, codeOf, draft, kit, recordsOf } from './kit.ts'

function run(records: readonly Uint8Array[]): RecordRun {
  const made = runOf(records)
  assert(made !== null)
  return made
}

/** A lane of some blocks, one of them larger than a run, and its records. */
async function lane(): Promise<{ chain: Chain; id: NodeId; records: readonly Uint8Array[] }> {
  const { open, lane: id } = kit(1)
  const chain = await open()
  await appendBlocks(chain, 1, 2, 1, 3)
  const large = { payload: { bytes: new Uint8Array(60_000) } }
  await chain.append(Array.from({ length: 6 }, (_, index) => draft(index, large)))
  await appendBlocks(chain, 1, 1)
  return { chain, id, records: await recordsOf(chain, id) }
}

describe('chain: runs of records', () => {
  it('are cut at the same places wherever the stream was cut (U1)', async () => {
    const { chain, records } = await lane()
    const stream = concatBytes(...records)
    const cuts = fc.array(fc.nat(stream.length), { maxLength: 40 })
    fc.assert(
      fc.property(cuts, (places) => {
        const cutter = new RunCutter()
        const runs: RecordRun[] = []
        let from = 0
        for (const to of [...places.toSorted((a, b) => a - b), stream.length]) {
          const made = cutter.push(stream.subarray(from, to))
          if (made !== null) runs.push(made)
          from = to
        }
        const last = cutter.take()
        if (last !== null) runs.push(last)
        assert.deepEqual(runs.flatMap(recordsIn), records)
        const heights = runs.flatMap((each) => each.records.map(({ height }) => height))
        assert.deepEqual(heights, [1, 2, 3, 4, 5, 6, 7])
        assert(runs.slice(0, -1).every(({ bytes }) => bytes.length >= CHECK_BATCH_BYTES))
      }),
      { numRuns: 60 }
    )
    await chain.stop()
  })

  it('are put together in memory that was given back, and in no other (U3)', async () => {
    const { chain, records } = await lane()
    const stream = concatBytes(...records)
    const cutter = new RunCutter()
    const next = (): LentRun => {
      const made = cutter.push(stream) ?? cutter.take()
      assert(made !== null)
      return made
    }
    const kept = next()
    const lent = next()
    lent.giveBack()
    lent.giveBack()
    const others = [next(), next(), next()]
    const memories = [kept, ...others].map(({ bytes }) => bytes.buffer)
    assert(memories.includes(lent.bytes.buffer))
    assert.equal(new Set(memories).size, memories.length)
    for (const each of [kept, ...others]) assert.deepEqual(recordsIn(each), records)
    await chain.stop()
  })

  it('end at the first bytes that are no record, and a half record is not one', async () => {
    const { chain, records } = await lane()
    const [first, second] = records
    assert(first !== undefined && second !== undefined)
    const cutter = new RunCutter()
    cutter.push(concatBytes(first, second.subarray(0, 50)))
    assert.equal(cutter.take()?.records.length, 1)
    assert.equal(cutter.take(), null)
    assert.throws(
      () => cutter.push(new Uint8Array(50)) ?? new RunCutter().push(new Uint8Array(50)),
      {
        code: 'CHAIN_FORMAT_INVALID'
      }
    )
    await chain.stop()
  })

  it('the same pieces come off the disk, without a copy of each record', async () => {
    const { chain, id, records } = await lane()
    const pieces: Uint8Array[] = []
    for await (const { bytes, next } of chain.pieces(id, 2, 6)) {
      pieces.push(bytes)
      assert(next <= 7)
    }
    assert.deepEqual(concatBytes(...pieces), concatBytes(...records.slice(1, 6)))
    assert(pieces.length < 5)
    await chain.stop()
  })

  it('in any pieces, any order and any number of times, the same lane comes out (A3)', async () => {
    const { chain, id, records } = await lane()
    const pieces = fc.array(fc.tuple(fc.nat(6), fc.integer({ min: 1, max: 7 }), fc.boolean()), {
      maxLength: 12
    })
    await fc.assert(
      fc.asyncProperty(pieces, async (slices) => {
        const replica = await kit(2).open()
        await Promise.all(
          slices.map(([from, count, isRun]) => {
            const part = records.slice(from, from + count)
            return isRun ? replica.acceptRun(id, run(part)) : replica.accept(id, part)
          })
        )
        const have = replica.heads()[0]?.height ?? 0
        assert.deepEqual(await recordsOf(replica, id), records.slice(0, have))
        await replica.acceptRun(id, run(records))
        assert.deepEqual(replica.heads(), chain.heads())
        assert.equal((await replica.verify()).ok, true)
        await replica.stop()
      }),
      { numRuns: 20 }
    )
    await chain.stop()
  })

  it('a run with any byte changed stores what stands before it and no more (A1)', async () => {
    const { open, lane: id } = kit(1)
    const chain = await open()
    await appendBlocks(chain, 1, 2, 1)
    const records = await recordsOf(chain, id)
    const bytes = concatBytes(...records)
    const sizes = records.map((record) => record.length)
    for (let offset = 0; offset < bytes.length; offset += 5) {
      const replica = await kit(2).open()
      const changed = bytes.with(offset, (bytes[offset] ?? 0) ^ 0x10)
      const spots = sizes.map((size, index) => ({ height: index + 1, size }))
      await replica.acceptRun(id, { bytes: changed, records: spots })
      const first = sizes[0] ?? 0
      const sound = offset < first ? 0 : offset < first + (sizes[1] ?? 0) ? 1 : 2
      assert.equal(replica.heads()[0]?.height ?? 0, sound, `byte ${offset}`)
      await replica.stop()
    }
    await chain.stop()
  })

  it('those that wait while one is synced share the next sync (Q1)', async () => {
    const { chain, id, records } = await lane()
    const reader = kit(2)
    const replica = await reader.open()
    await replica.acceptRun(id, run(records.slice(0, 1)))
    const heads: number[] = []
    replica.onAdvance(({ height }) => heads.push(height))
    const letGo = reader.disk.holdSyncs()
    const accepted = [1, 2, 3, 4].map((at) => replica.acceptRun(id, run(records.slice(at, at + 1))))
    for (let turn = 0; turn < 200; turn += 1) await Promise.resolve()
    assert.deepEqual(heads, [])
    letGo()
    for (const outcome of await Promise.all(accepted)) assert.equal(outcome.kind, 'extended')
    assert.deepEqual(heads, [2, 5])
    await replica.stop()
    await chain.stop()
  })

  it('a disk that fails under one fails those that wait behind it, and stores none of them (Q2)', async () => {
    const { chain, id, records } = await lane()
    const reader = kit(2)
    const replica = await reader.open()
    await replica.acceptRun(id, run(records.slice(0, 1)))
    reader.disk.failNext({ action: 'sync', error: 'io' })
    const codes = await Promise.all(
      [1, 2, 3].map((at) => codeOf(replica.acceptRun(id, run(records.slice(at, at + 1)))))
    )
    // One that had not been queued yet does not follow what is stored.
    const isMeant = (code: unknown): boolean => code === 'CHAIN_LANE_FAILED' || code === 'no error'
    assert(codes[0] === 'CHAIN_LANE_FAILED' && codes.every(isMeant), codes.join())
    assert.equal(replica.heads()[0]?.height, 1)
    const next = replica.acceptRun(id, run(records.slice(1, 2)))
    assert.equal(await codeOf(next), 'CHAIN_LANE_FAILED')
    await replica.stop()
    await chain.stop()
  })

  it('a full disk refuses what does not fit, and goes on once there is room (D2)', async () => {
    const { chain, id, records } = await lane()
    const reader = kit(2)
    const replica = await reader.open()
    await replica.acceptRun(id, run(records.slice(0, 1)))
    reader.disk.failNext({ action: 'write', error: 'full', done: 100 })
    assert.equal(await codeOf(replica.acceptRun(id, run(records.slice(1, 4)))), 'CHAIN_DISK_FULL')
    const outcome = await replica.acceptRun(id, run(records.slice(1)))
    assert.equal(outcome.kind, 'extended')
    assert.deepEqual(await recordsOf(replica, id), records)
    await replica.stop()
    await chain.stop()
  })

  it('a payload that has been taken back does not come in with one', async () => {
    const { chain, id, records } = await lane()
    const target = `6.0@${id}`
    const replica = await kit(2).open({ mayRedact: () => true })
    await replica.append([
      draft(9, {
        kind: REDACTED_KIND,
        subject: redactionSubject(entryId(target)),
        payload: { reason: 'a name' }
      })
    ])
    await replica.acceptRun(id, run(records.slice(0, 4)))
    await replica.acceptRun(id, run(records.slice(4)))
    assert.equal(replica.heads().find((head) => head.lane === id)?.height, 7)
    assert.equal((await replica.entry(target))?.payload, null)
    assert.deepEqual((await replica.entry(`7.0@${id}`))?.payload, { number: 0 })
    assert.deepEqual((await replica.verify()).problems, [])
    await replica.stop()
    await chain.stop()
  })
})
