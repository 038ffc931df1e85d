import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Chain } from '../../../chain/index.ts'
import type { NodeId } from '../../../core/index.ts'
import { appendBlocks, codeOf, draft, kit, laneFile, places, recordsOf } from './kit.ts'

/** A writer with some blocks, and a second node that holds nothing yet. */
async function pair(...counts: readonly number[]) {
  const writer = kit(1)
  const reader = kit(2)
  const chain = await writer.open()
  await appendBlocks(chain, ...counts)
  const replica = await reader.open()
  const records = await recordsOf(chain, writer.lane)
  const stop = async (): Promise<void> => {
    await chain.stop()
    await replica.stop()
  }
  return { writer, reader, chain, replica, records, lane: writer.lane, stop }
}

function stateOf(chain: Chain, lane: NodeId): string | undefined {
  return chain.status().find((status) => status.lane === lane)?.state
}

describe('chain: replication', () => {
  it('accept() stores what follows, is idempotent, and survives a restart', async () => {
    const { chain, lane, reader, records, replica, stop } = await pair(1, 2, 1)
    const first = await replica.accept(lane, records)
    assert.deepEqual([first.kind, first.kind === 'extended' && first.blocks], ['extended', 3])
    assert.deepEqual(first.head, chain.heads()[0])
    assert.equal((await replica.accept(lane, records)).kind, 'known')
    assert.equal((await replica.accept(lane, [])).kind, 'known')
    await stop()
    const again = await reader.open()
    assert.deepEqual(again.heads(), [first.head])
    assert.deepEqual(await recordsOf(again, lane), records)
    assert.equal((await again.verify()).entries, 4)
    await again.stop()
  })

  it('accept() says what is missing, and stores nothing behind a gap', async () => {
    const { lane, records, replica, stop } = await pair(1, 1, 1, 1)
    assert.deepEqual(await replica.accept(lane, records.slice(1)), {
      kind: 'gap',
      head: null,
      need: 1
    })
    await replica.accept(lane, records.slice(0, 1))
    const outcome = await replica.accept(lane, records.slice(2))
    assert.deepEqual([outcome.kind, outcome.head?.height], ['gap', 1])
    const [first, , third, fourth] = records
    assert(first !== undefined && third !== undefined && fourth !== undefined)
    const holed = await replica.accept(lane, [first, third, fourth])
    assert.deepEqual([holed.kind, holed.kind === 'gap' && holed.need], ['gap', 2])
    await stop()
  })

  it('in any pieces, any order and any number of times, the same lane comes out (A3)', async () => {
    const { chain, lane, records, stop } = await pair(1, 2, 1, 3, 1, 1)
    const pieces = fc.array(fc.tuple(fc.nat(5), fc.integer({ min: 1, max: 6 })), { maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(pieces, async (slices) => {
        const replica = await kit(2).open()
        await Promise.all(
          slices.map(([from, count]) => replica.accept(lane, records.slice(from, from + count)))
        )
        const have = replica.heads()[0]?.height ?? 0
        assert.deepEqual(await recordsOf(replica, lane), records.slice(0, have))
        await replica.accept(lane, records.slice(have))
        assert.deepEqual(replica.heads(), chain.heads())
        assert.equal((await replica.verify()).ok, true)
        await replica.stop()
      }),
      { numRuns: 60 }
    )
    await stop()
  })

  it('a record with any byte changed is refused, stores nothing and throws nothing (A1)', async () => {
    const { lane, records, replica, stop } = await pair(1, 2)
    const [first, second] = records
    assert(first !== undefined && second !== undefined)
    for (let offset = 0; offset < first.length; offset += 1) {
      const changed = first.with(offset, (first[offset] ?? 0) ^ 0x10)
      assert.notEqual((await replica.accept(lane, [changed])).kind, 'extended', `byte ${offset}`)
    }
    assert.deepEqual(replica.status().length, 1)
    await replica.accept(lane, [first])
    for (let offset = 0; offset < second.length; offset += 1) {
      const changed = second.with(offset, (second[offset] ?? 0) ^ 0x10)
      const outcome = await replica.accept(lane, [changed])
      assert.equal(outcome.kind, 'refused', `byte ${offset}`)
      assert.equal(outcome.head?.height, 1)
    }
    for (const junk of [new Uint8Array(0), new Uint8Array(10), second.slice(0, -1)]) {
      assert.equal((await replica.accept(lane, [junk])).kind, 'refused')
    }
    assert.equal((await replica.accept(lane, [second])).kind, 'extended')
    assert.equal(stateOf(replica, lane), 'ok')
    await stop()
  })

  it('blocks of one lane are refused as those of another', async () => {
    const { records, replica, stop } = await pair(1)
    assert.equal((await replica.accept(kit(3).lane, records)).kind, 'refused')
    await stop()
  })

  it('good blocks before a bad one are kept', async () => {
    const { lane, records, replica, stop } = await pair(1, 1, 1)
    const [first, second, third] = records
    assert(first !== undefined && second !== undefined && third !== undefined)
    const outcome = await replica.accept(lane, [first, second, third.with(60, 0)])
    assert.deepEqual([outcome.kind, outcome.head?.height], ['refused', 2])
    await stop()
  })

  it('a second version of a height is refused, and remembered across restarts (A2)', async () => {
    const { lane, reader, records, replica, stop } = await pair(1, 1)
    await replica.accept(lane, records)
    const twin = await kit(1).open()
    await twin.append([draft(77)])
    await twin.append([draft(78)])
    await twin.append([draft(79)])
    const others = await recordsOf(twin, lane)
    const outcome = await replica.accept(lane, others.slice(0, 1))
    assert.deepEqual(
      [outcome.kind, outcome.kind === 'refused' && outcome.code],
      ['refused', 'CHAIN_LANE_FORKED']
    )
    assert.equal(stateOf(replica, lane), 'forked')
    assert.deepEqual(places(await replica.verify()), ['CHAIN_LANE_FORKED 1.-'])
    await stop()
    const again = await reader.open()
    assert.equal(stateOf(again, lane), 'forked')
    assert.deepEqual(await recordsOf(again, lane), records)
    await again.stop()
    await twin.stop()
  })

  it('a signed block that names another predecessor is a fork too', async () => {
    const { lane, records, replica, stop } = await pair(1, 1)
    await replica.accept(lane, records)
    const twin = await kit(1).open()
    await twin.append([draft(77)])
    await appendBlocks(twin, 1, 1)
    const others = await recordsOf(twin, lane)
    const outcome = await replica.accept(lane, others.slice(2))
    assert.equal(outcome.kind === 'refused' && outcome.code, 'CHAIN_LANE_FORKED')
    assert.equal(replica.heads()[0]?.height, 2)
    await twin.stop()
    await stop()
  })

  it('a damaged copy of ours is not taken for a fork of theirs', async () => {
    const { lane, reader, records, replica, stop } = await pair(1, 1, 1)
    await replica.accept(lane, records)
    const file = laneFile(reader.disk, lane)
    for (const offset of [2, 50, 120]) {
      reader.disk.flip(file, offset)
      assert.equal((await replica.accept(lane, records.slice(0, 1))).kind, 'known')
      reader.disk.flip(file, offset)
    }
    assert.equal(stateOf(replica, lane), 'ok')
    await stop()
  })

  it('blocks of the own lane that this disk lacks are told, never taken (C1)', async () => {
    const { chain, lane, stop } = await pair(1)
    const twin = await kit(1).open()
    await appendBlocks(twin, 1, 1)
    const outcome = await chain.accept(lane, await recordsOf(twin, lane))
    assert.equal(outcome.kind === 'refused' && outcome.code, 'CHAIN_LANE_TRUNCATED')
    assert.equal(stateOf(chain, lane), 'truncated')
    assert.equal(chain.heads()[0]?.height, 1)
    await twin.stop()
    await stop()
  })

  it('a replica that lost its tail says so, and is whole again once it is fetched', async () => {
    const { chain, lane, reader, records, replica, stop } = await pair(1, 1, 1)
    await replica.accept(lane, records)
    await stop()
    const file = laneFile(reader.disk, lane)
    reader.disk.put(file, reader.disk.contents(file).slice(0, -40))
    const again = await reader.open()
    assert.equal(stateOf(again, lane), 'truncated')
    assert.deepEqual(places(await again.verify({ lane })), ['CHAIN_LANE_TRUNCATED 3.-'])
    assert.deepEqual(again.plan(chain.heads()), [{ lane, fromHeight: 3, toHeight: 3 }])
    await again.accept(lane, records.slice(2))
    assert.equal(stateOf(again, lane), 'ok')
    await again.stop()
  })

  it('a replica that grows back differently is forked', async () => {
    const { lane, reader, records, replica, stop } = await pair(1, 1)
    await replica.accept(lane, records)
    await stop()
    const file = laneFile(reader.disk, lane)
    reader.disk.put(file, reader.disk.contents(file).slice(0, -40))
    const twin = kit(1)
    const one = await twin.open()
    await appendBlocks(one, 1)
    await one.append([draft(99)])
    const again = await reader.open()
    await again.accept(lane, (await recordsOf(one, lane)).slice(1))
    assert.equal(stateOf(again, lane), 'forked')
    await again.stop()
    const later = await reader.open()
    assert.equal(stateOf(later, lane), 'forked')
    await later.stop()
    await one.stop()
  })

  it('a torn batch of a replica is cut at its first unsound block (R3)', async () => {
    const { lane, reader, records, replica, stop } = await pair(1, 1, 1, 1)
    await replica.accept(lane, records.slice(0, 1))
    await stop()
    const [, second, third, fourth] = records
    assert(second !== undefined && third !== undefined && fourth !== undefined)
    const file = laneFile(reader.disk, lane)
    const start = reader.disk.contents(file)
    const hole = new Uint8Array(third.length)
    reader.disk.put(file, new Uint8Array(Buffer.concat([start, second, hole, fourth])))
    const again = await reader.open()
    assert.deepEqual([again.heads()[0]?.height, stateOf(again, lane)], [2, 'ok'])
    assert.equal((await again.accept(lane, records)).kind, 'extended')
    assert.equal((await again.verify()).ok, true)
    await again.stop()
  })

  it('read() serves at least one record, no more than asked, and stops at damage', async () => {
    const { chain, lane, records, stop, writer } = await pair(1, 1, 1)
    const one = await chain.read(lane, 2, 1)
    assert.deepEqual([one.records, one.next], [records.slice(1, 2), 3])
    const size = (records[0]?.length ?? 0) + (records[1]?.length ?? 0)
    assert.equal((await chain.read(lane, 1, size)).next, 3)
    for (const from of [4, 0, -1, 1.5, Number.NaN]) {
      assert.deepEqual((await chain.read(lane, from, 1000)).records, [])
    }
    assert.deepEqual((await chain.read(kit(5).lane, 1, 1000)).records, [])
    writer.disk.flip(laneFile(writer.disk, lane), (records[0]?.length ?? 0) + 3)
    assert.equal((await chain.read(lane, 1, 10_000)).next, 2)
    assert.deepEqual((await chain.read(lane, 2, 10_000)).records, [])
    assert.equal((await chain.read(lane, 3, 10_000)).next, 4)
    await stop()
  })

  it('a claim of a longer lane shows as behind', async () => {
    const { chain, lane, records, replica, stop } = await pair(1, 1)
    replica.plan(chain.heads())
    assert.deepEqual([stateOf(replica, lane), replica.status()[0]?.isOwn], ['behind', true])
    await replica.accept(lane, records.slice(0, 1))
    assert.equal(stateOf(replica, lane), 'behind')
    await replica.accept(lane, records)
    assert.equal(stateOf(replica, lane), 'ok')
    await stop()
  })

  it('a full disk under a replica is an error, stores nothing, and it goes on later', async () => {
    const { lane, reader, records, replica, stop } = await pair(1, 1)
    await replica.accept(lane, records.slice(0, 1))
    reader.disk.failNext({ action: 'write', error: 'full', done: 20 })
    assert.equal(await codeOf(replica.accept(lane, records)), 'CHAIN_DISK_FULL')
    assert.equal(replica.heads()[0]?.height, 1)
    assert.equal((await replica.accept(lane, records)).kind, 'extended')
    assert.equal((await replica.verify()).ok, true)
    await stop()
  })
})

describe('chain: cross-links', () => {
  it('a block names the heads that its node had seen, once each', async () => {
    const { lane, reader, records, replica, stop } = await pair(1, 1)
    await replica.accept(lane, records)
    await appendBlocks(replica, 1, 1)
    const bytes = await recordsOf(replica, reader.lane)
    const { decodeHeader } = await import('../../../chain/header.ts')
    const { headerBytesOf, parseFrameHead } = await import('../../../chain/record.ts')
    const links = bytes.map((record) => {
      const head = parseFrameHead(record)
      assert(head !== null)
      return decodeHeader(headerBytesOf(record, head)).links
    })
    const [seen] = replica.heads().filter((head) => head.lane === lane)
    assert.deepEqual(links, [[{ lane, height: 2, hash: seen?.hash }], []])
    assert.equal((await replica.verify()).ok, true)
    await stop()
  })

  it('a link to another version of a block than the one kept is reported', async () => {
    const { lane, reader, records, replica, stop } = await pair(1)
    await replica.accept(lane, records)
    await appendBlocks(replica, 1)
    const twin = await kit(1).open()
    await twin.append([draft(42)])
    const third = await kit(3).open()
    await third.accept(lane, await recordsOf(twin, lane))
    await third.accept(reader.lane, await recordsOf(replica, reader.lane))
    const report = await third.verify()
    assert.deepEqual(
      report.problems.map(({ lane: where, height, code }) => [where, height, code]),
      [[reader.lane, 1, 'CHAIN_CROSS_LINK_WRONG']]
    )
    await third.stop()
    await twin.stop()
    await stop()
  })
})
