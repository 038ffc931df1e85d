import assert from 'node:assert/strict'
import type { Chain } from '../../../chain/index.ts'
import { parseFrameHead, rowsOf } from '../../../chain/record.ts'
import type { NodeId } from '../../../core/index.ts'
import { appendBlocks, codeOf, draft, kit, laneFile, places, recordsOf } from './kit.ts'

interface Spot {
  readonly height: number
  readonly entry: number | null
}

/** For each byte of a lane: the block it belongs to, and the entry where it is one's bytes or payload. */
function mapOf(records: readonly Uint8Array[]): readonly Spot[] {
  const spots: Spot[] = []
  for (const [index, record] of records.entries()) {
    const head = parseFrameHead(record)
    assert(head !== null)
    const own: Spot[] = Array.from(record, () => ({ height: index + 1, entry: null }))
    for (const [entry, row] of rowsOf(record, head).entries()) {
      for (const part of [row.entry, row.payload]) {
        const start = part.byteOffset - record.byteOffset
        for (let at = start; at < start + part.length; at += 1)
          own[at] = { height: index + 1, entry }
      }
    }
    spots.push(...own)
  }
  return spots
}

async function small(): Promise<{ chain: Chain; lane: NodeId } & ReturnType<typeof kit>> {
  const own = kit()
  const chain = await own.open()
  await appendBlocks(chain, 1, 3, 2, 1)
  return { ...own, chain }
}

describe('chain: verify', () => {
  for (const mask of [0x01, 0x80, 0xff]) {
    it(`any byte of a lane changed by ${mask} is found and named, and the rest is checked`, async () => {
      const { chain, disk, lane } = await small()
      const spots = mapOf(await recordsOf(chain, lane))
      const file = laneFile(disk, lane)
      assert.equal(spots.length, disk.contents(file).length)
      for (const [offset, { height, entry }] of spots.entries()) {
        disk.flip(file, offset, mask)
        const report = await chain.verify()
        disk.flip(file, offset, mask)
        const where = `byte ${offset} of block ${height}: ${places(report).join(', ')}`
        assert.equal(report.ok, false, where)
        assert(report.blocks >= 3, where)
        for (const problem of report.problems) {
          assert.deepEqual([problem.lane, problem.height], [lane, height], where)
        }
        const named = report.problems.map((problem) => problem.entry)
        assert(entry === null || named.includes(entry), where)
      }
      const { ok, lanes, blocks, entries, signatures } = await chain.verify()
      assert.deepEqual([ok, lanes, blocks, entries, signatures], [true, 1, 4, 7, 4])
      await chain.stop()
    })
  }

  it('damage on a replica is found in the same way', async () => {
    const { chain, lane } = await small()
    const other = kit(2)
    const replica = await other.open()
    await replica.accept(lane, await recordsOf(chain, lane))
    const spots = mapOf(await recordsOf(chain, lane))
    const file = laneFile(other.disk, lane)
    for (let offset = 0; offset < spots.length; offset += 5) {
      other.disk.flip(file, offset)
      const report = await replica.verify({ lane })
      other.disk.flip(file, offset)
      assert.equal(report.problems[0]?.height, spots[offset]?.height)
    }
    await chain.stop()
    await replica.stop()
  })

  it('blocks that are dropped, doubled, swapped or surrounded by other bytes are named', async () => {
    const { chain, disk, lane } = await small()
    const [a, b, c, d] = await recordsOf(chain, lane)
    assert(a !== undefined && b !== undefined && c !== undefined && d !== undefined)
    const junk = new Uint8Array(50).fill(0x57)
    const cases: readonly (readonly [
      records: readonly Uint8Array[],
      problems: readonly string[]
    ])[] = [
      [[a, c, d], ['CHAIN_BLOCK_MISSING 2.-']],
      [[b, c, d], ['CHAIN_BLOCK_MISSING 1.-']],
      [[a, b, b, c, d], ['CHAIN_BLOCK_MISPLACED 2.-']],
      [
        [a, c, b, d],
        ['CHAIN_BLOCK_MISSING 2.-', 'CHAIN_BLOCK_MISPLACED 2.-']
      ],
      [[a, b, junk, c, d], ['CHAIN_BYTES_UNKNOWN 3.-']],
      [[junk, a, b, c, d], ['CHAIN_BYTES_UNKNOWN 1.-']],
      [[a, junk, c, d], ['CHAIN_BLOCK_DAMAGED 2.-']]
    ]
    const file = laneFile(disk, lane)
    const size = disk.contents(file).length
    for (const [records, problems] of cases) {
      const bytes = new Uint8Array(Buffer.concat([...records, new Uint8Array(size)]))
      disk.put(file, bytes.subarray(0, Math.max(size, Buffer.concat(records).length)))
      const expected = places(await chain.verify())
      for (const problem of problems) assert(expected.includes(problem), expected.join(', '))
    }
    disk.put(file, new Uint8Array(size))
    const gone = await chain.verify()
    assert.deepEqual(
      gone.problems.map(({ height, code }) => `${code} ${height}`),
      [1, 2, 3, 4].map((height) => `CHAIN_BLOCK_DAMAGED ${height}`)
    )
    await chain.stop()
  })

  it('the bytes of a block inside a payload are never taken for a block (S2)', async () => {
    const { chain, disk, lane } = await small()
    const records = await recordsOf(chain, lane)
    const [first] = records
    assert(first !== undefined)
    await chain.append([draft(1, { payload: first })])
    await chain.append([draft(2)])
    const offset = Buffer.concat(records).length
    disk.flip(laneFile(disk, lane), offset)
    assert.deepEqual(places(await chain.verify()), ['CHAIN_BLOCK_DAMAGED 5.-'])
    await chain.stop()
  })

  it('verify() can be aborted, tells its progress, and knows only lanes that are held', async () => {
    const { chain, lane } = await small()
    const heights: number[] = []
    await chain.verify({ onProgress: ({ height, heightMax }) => heights.push(height, heightMax) })
    assert.deepEqual(heights.slice(-2), [4, 4])
    const signal = AbortSignal.abort(new Error('enough'))
    await assert.rejects(chain.verify({ signal }), /enough/)
    assert.equal((await chain.verify({ lane })).lanes, 1)
    const stranger = kit(9).lane
    assert.equal(await codeOf(chain.verify({ lane: stranger })), 'CHAIN_QUERY_INVALID')
    await chain.stop()
  })

  it('problems beyond the bound are counted', async () => {
    const { disk, lane, open } = kit()
    const chain = await open()
    const many = Array.from({ length: 1010 }, (_, number) => draft(number))
    await chain.append(many)
    const [record] = await recordsOf(chain, lane)
    const head = record === undefined ? null : parseFrameHead(record)
    assert(record !== undefined && head !== null)
    for (const { payload } of rowsOf(record, head)) {
      disk.flip(laneFile(disk, lane), payload.byteOffset - record.byteOffset)
    }
    const report = await chain.verify()
    assert.deepEqual([report.problems.length, report.problemsOmitted], [1000, 10])
    await chain.stop()
  })

  it('a lane of many blocks with damage over several chunks is verified to its end', async () => {
    const { disk, lane, open } = kit()
    const chain = await open()
    const wide = draft(1, { payload: new Uint8Array(40_000).fill(0x57) })
    for (let block = 0; block < 12; block += 1) await chain.append([wide, wide, wide, wide])
    const records = await recordsOf(chain, lane)
    const start = records.slice(0, 3).reduce((sum, record) => sum + record.length, 0)
    for (let offset = start; offset < start + 300_000; offset += 5000) {
      disk.flip(laneFile(disk, lane), offset)
    }
    const report = await chain.verify()
    const heights = new Set(report.problems.map(({ height }) => height))
    assert.deepEqual([...heights], [4, 5])
    assert.equal(report.signatures >= 10, true)
    await chain.stop()
  })
})
