// Goal: a node that was told to keep less of a lane keeps less, says what it could not check, passes nothing on as
// more than it is, and can have the whole again. Method: real lanes in memory; a choice that the test changes.

import assert from 'node:assert/strict'
import { entryId, redactionSubject } from '../../../chain/index.ts'
import type { Chain, Keeping, RepairSource } from '../../../chain/index.ts'
import type { NodeId } from '../../../core/index.ts'
import { MemoryLaneDisk } from '../../doubles/lane-disk.ts'
import { SeededPrng } from '../../sim/world/seeded-prng.ts'
import { meshOf } from './mesh-kit.ts'
import { appendBlocks, codeOf, draft, kit, recordsOf } from './kit.ts'

const OWNER = kit(1).lane

/** An owner with some blocks, and a reader whose choice about the owner's lane may be changed. */
class Pair {
  keeping: Keeping = 'whole'
  readonly disk: MemoryLaneDisk = new MemoryLaneDisk()
  readonly owner: Chain
  reader: Chain

  private constructor(owner: Chain, reader: Chain) {
    this.owner = owner
    this.reader = reader
  }

  static async open(keeping: Keeping, ...counts: readonly number[]): Promise<Pair> {
    const owner = await kit(1).open()
    await appendBlocks(owner, ...counts)
    const pair: Pair = new Pair(owner, owner)
    pair.keeping = keeping
    pair.reader = await pair.start()
    await pair.copy()
    return pair
  }

  start(): Promise<Chain> {
    const options = { keeping: () => this.keeping, segmentBytes: 700, mayRedact: () => true }
    return kit(2, this.disk).open(options)
  }

  async copy(): Promise<void> {
    // One by one, so that the lane is of several files.
    for (const record of await recordsOf(this.owner, OWNER)) {
      await this.reader.accept(OWNER, [record])
    }
  }

  get source(): RepairSource {
    return sourceOf(this.owner)
  }

  async stop(): Promise<void> {
    await this.owner.stop()
    await this.reader.stop()
  }
}

function sourceOf(owner: Chain): RepairSource {
  return {
    async *fetch(lane, { from, to }) {
      yield* (await owner.read(lane, from, 2 ** 30, to)).records
    }
  }
}

async function payloads(chain: Chain): Promise<readonly unknown[]> {
  const found: unknown[] = []
  for await (const { payload } of chain.log({ lane: OWNER })) found.push(payload)
  return found
}

function heldNames(disk: MemoryLaneDisk, lane: NodeId): readonly string[] {
  return disk.names().filter((name) => name.startsWith(lane))
}

describe('chain: keeping less of a lane', () => {
  it('headers: blocks arrive without payloads; all else is checked, and what was not is said', async () => {
    const pair = await Pair.open('headers', 1, 3, 2)
    const { reader, owner } = pair
    assert.deepEqual(await payloads(reader), [null, null, null, null, null, null])
    const [head] = reader.heads()
    assert.deepEqual(head, owner.heads()[0])
    const report = await reader.verify()
    assert.deepEqual([report.problems, report.entries, report.headersOnly], [[], 6, [OWNER]])
    // The next one trusts what has been verified, and still says so.
    const again = await reader.verify()
    assert.deepEqual([again.problems, again.unchanged, again.headersOnly], [[], 3, [OWNER]])
    assert.equal(reader.lacksPayloads(OWNER), true)
    await pair.stop()
  })

  it('headers: a changed entry is found all the same', async () => {
    const pair = await Pair.open('headers', 2)
    const name = heldNames(pair.disk, OWNER).find((each) => each.endsWith('.lane')) ?? ''
    pair.disk.flip(name, pair.disk.contents(name).length - 3)
    const { ok, problems } = await pair.reader.verify()
    assert.equal(ok, false)
    assert.equal(problems[0]?.lane, OWNER)
    await pair.stop()
  })

  it('headers: what was held is freed of its payloads, file by file, and the lane goes on', async () => {
    const pair = await Pair.open('whole', 3, 3, 3)
    const { reader } = pair
    await reader.verify()
    const before = reader.status().find(({ lane }) => lane === OWNER)?.bytes ?? 0
    pair.keeping = 'headers'
    const freed = await reader.free(OWNER)
    const after = reader.status().find(({ lane }) => lane === OWNER)?.bytes ?? 0
    assert.equal(before - after, freed)
    assert(freed > 9 * 16, `${freed} bytes`)
    assert((await payloads(reader)).every((payload) => payload === null))
    assert.deepEqual((await reader.verify()).problems, [])
    await appendBlocks(pair.owner, 2)
    await pair.copy()
    assert.equal(reader.heads()[0]?.height, 4)
    assert.deepEqual((await reader.verify({ isFull: true })).problems, [])
    await reader.stop()
    pair.reader = await pair.start()
    assert.equal(pair.reader.heads()[0]?.height, 4)
    await pair.stop()
  })

  it('headers: a full disk while freeing leaves a lane that verifies, and the next call goes on', async () => {
    for (const after of [0, 1, 2]) {
      const pair = await Pair.open('whole', 3, 3, 3, 3, 3, 3, 3)
      pair.keeping = 'headers'
      pair.disk.failNext({ action: 'write', error: 'full', name: '.mend', after })
      assert.equal(await codeOf(pair.reader.free(OWNER)), 'CHAIN_DISK_FULL')
      assert.deepEqual((await pair.reader.verify()).problems, [])
      await pair.reader.free(OWNER)
      assert((await payloads(pair.reader)).every((payload) => payload === null))
      await pair.stop()
    }
  })

  it('none: the blocks are gone, with all that is made of them; nothing is taken any more', async () => {
    const pair = await Pair.open('whole', 1, 3)
    const { reader } = pair
    await reader.verify()
    pair.keeping = 'none'
    assert((await reader.free(OWNER)) > 0)
    assert.deepEqual(heldNames(pair.disk, OWNER), [])
    assert.deepEqual(reader.heads(), [])
    await pair.copy()
    assert.deepEqual(reader.heads(), [])
    assert.deepEqual((await reader.verify()).problems, [])
    pair.keeping = 'whole'
    await pair.copy()
    assert.equal(reader.heads()[0]?.height, 2)
    assert.deepEqual((await reader.verify()).problems, [])
    await pair.stop()
  })

  it('none: a crash while freeing leaves a lane that opens, and is freed by the next call', async () => {
    for (const after of [0, 1, 2]) {
      const pair = await Pair.open('whole', 3, 3, 3, 3, 3, 3, 3)
      pair.keeping = 'none'
      pair.disk.failNext({ action: 'remove', error: 'io', after })
      assert.equal(await codeOf(pair.reader.free(OWNER)), 'CHAIN_DISK_FAILED')
      pair.disk.crash(new SeededPrng(after))
      pair.reader = await pair.start()
      assert.deepEqual((await pair.reader.verify()).problems, [])
      await pair.reader.free(OWNER)
      assert.deepEqual(heldNames(pair.disk, OWNER), [])
      await pair.stop()
    }
  })

  it('the own lane is never freed, whatever is said (K1)', async () => {
    const own = kit(2)
    const chain = await own.open({ keeping: () => 'none' })
    await appendBlocks(chain, 2)
    assert.equal(await chain.free(own.lane), 0)
    assert.equal(chain.heads()[0]?.height, 1)
    assert.deepEqual((await chain.verify()).problems, [])
    await chain.stop()
  })

  it('a lane that there is proof against is kept as it is (K2)', async () => {
    const pair = await Pair.open('whole', 1, 1)
    const twin = await kit(1).open()
    await twin.append([draft(42)])
    await pair.reader.accept(OWNER, await recordsOf(twin, OWNER))
    pair.keeping = 'none'
    assert.equal(await pair.reader.free(OWNER), 0)
    assert.equal(pair.reader.status().find(({ lane }) => lane === OWNER)?.state, 'forked')
    await twin.stop()
    await pair.stop()
  })

  it('filling: a repair brings the payloads back, and checks each of them', async () => {
    const pair = await Pair.open('headers', 1, 3, 2)
    pair.keeping = 'filling'
    const { reader, owner } = pair
    assert.deepEqual((await reader.verify()).problems, [])
    const [nobody] = await reader.repair({ async *fetch() {} }, { lane: OWNER })
    assert.deepEqual(nobody?.missing, [{ from: 1, to: 3 }])
    const [repair] = await reader.repair(pair.source, { lane: OWNER })
    assert.deepEqual([repair?.repaired, repair?.missing], [3, []])
    pair.keeping = 'whole'
    assert.deepEqual(await payloads(reader), await payloads(owner))
    const report = await reader.verify()
    assert.deepEqual([report.problems, report.headersOnly], [[], []])
    await pair.stop()
  })

  it('headers: redactions reach what is held of other lanes, and are no reason to fetch again', async () => {
    const pair = await Pair.open('whole', 2)
    const third = kit(3)
    const admin = await third.open({ mayRedact: () => true })
    await admin.accept(OWNER, await recordsOf(pair.owner, OWNER))
    const target = `1.0@${OWNER}`
    const subject = redactionSubject(entryId(target))
    await admin.append([draft(0, { kind: 'chain.redacted', subject, payload: { reason: 'x' } })])
    const reader = await kit(4).open({
      mayRedact: () => true,
      keeping: (lane) => (lane === third.lane ? 'headers' : 'whole')
    })
    await reader.accept(OWNER, await recordsOf(pair.owner, OWNER))
    await reader.accept(third.lane, await recordsOf(admin, third.lane))
    await reader.upkeep.redactor.settle()
    assert.equal((await reader.entry(target))?.payload, null)
    assert.deepEqual((await reader.verify()).problems, [])
    await Promise.all([admin.stop(), reader.stop(), pair.stop()])
  })

  it('an export and a proof say what is lacking; a proof takes the payload from elsewhere', async () => {
    const pair = await Pair.open('headers', 2)
    const { reader, owner } = pair
    const sent = await owner.proofs.checkpoint()
    await reader.proofs.learn(sent, () => true)
    const options = meshOf(kit(1).signer, kit(2).signer)
    const all = reader.proofs.export([OWNER], options)
    assert.equal(await codeOf(all.next()), 'CHAIN_PAYLOADS_NOT_HELD')
    const id = `1.1@${OWNER}`
    const bare = await reader.proofs.prove(id, { ...options, withPayload: true })
    assert.equal(JSON.parse(bare).payload, null)
    const whole = await owner.proofs.prove(id, { ...options, withPayload: true })
    const slot = new Uint8Array(Buffer.from(JSON.parse(whole).payload, 'base64'))
    const helped = await reader.proofs.prove(id, { ...options, withPayload: true, slot })
    assert.equal(JSON.parse(helped).payload, JSON.parse(whole).payload)
    const wrong = reader.proofs.prove(id, { ...options, withPayload: true, slot: slot.slice(1) })
    assert.equal(await codeOf(wrong), 'CHAIN_FORMAT_INVALID')
    await pair.stop()
  })
})
