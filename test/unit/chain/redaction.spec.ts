import assert from 'node:assert/strict'
import { entryId, redactionSubject } from '../../../chain/index.ts'
import type { Chain, EntryDraft } from '../../../chain/index.ts'
import type { NodeId } from '../../../core/index.ts'
import type { MemoryLaneDisk } from '../../doubles/lane-disk.ts'
import { appendBlocks, codeOf, draft, kit, places, recordsOf } from './kit.ts'

function redacted(entry: string): EntryDraft {
  const subject = redactionSubject(entryId(entry))
  return draft(0, { kind: 'chain.redacted', subject, payload: { reason: 'a name' } })
}

async function payloadOf(chain: Chain, entry: string): Promise<unknown> {
  return (await chain.entry(entry))?.payload
}

async function copy(from: Chain, to: Chain, lane: NodeId): Promise<void> {
  await to.accept(lane, await recordsOf(from, lane))
}

function isWritten(disk: MemoryLaneDisk, lane: NodeId): boolean {
  return disk
    .names()
    .some(
      (name) => name.startsWith(lane) && name.endsWith('.lane') && disk.contents(name).length > 0
    )
}

describe('chain: redaction', () => {
  it('takes the payload out, leaves its hash and all else, and the lane still verifies', async () => {
    const { open, lane, disk } = kit()
    const chain = await open()
    await appendBlocks(chain, 1, 3, 1)
    const target = `2.1@${lane}`
    const [by] = await chain.append([redacted(target)])
    assert.equal(await payloadOf(chain, target), null)
    assert.deepEqual(await payloadOf(chain, `2.2@${lane}`), { number: 2 })
    assert.equal(chain.upkeep.redactionOf(entryId(target))?.id, by?.id)
    await appendBlocks(chain, 1)
    assert.deepEqual((await chain.verify()).problems, [])
    await chain.stop()
    const again = await kit(1, disk).open()
    assert.deepEqual((await again.verify()).problems, [])
    assert.equal(again.status()[0]?.height, 5)
    await again.stop()
  })

  it('reaches copies that hold the payload, and copies that are made later', async () => {
    const owner = await kit(1).open()
    const { lane } = kit(1)
    const early = await kit(2).open()
    await appendBlocks(owner, 2, 2)
    await copy(owner, early, lane)
    const target = `1.0@${lane}`
    await owner.append([redacted(target)])
    await copy(owner, early, lane)
    const late = await kit(3).open()
    await copy(early, late, lane)
    for (const chain of [owner, early, late]) {
      await chain.stop() // What arrives is carried out behind the accept; a stop waits for it.
      assert.deepEqual((await chain.verify()).problems, [])
      assert.equal(await payloadOf(chain, target), null)
    }
  })

  it('reaches a copy that is on its way to the disk when the redaction arrives', async () => {
    const owner = await kit(1).open()
    const { lane } = kit(1)
    await appendBlocks(owner, 2, 2)
    const admin = kit(2)
    const redacting = await admin.open({ mayRedact: () => true })
    await copy(owner, redacting, lane)
    const target = `1.0@${lane}`
    await redacting.append([redacted(target)])
    const { open, disk } = kit(3)
    const late = await open({ mayRedact: () => true })
    const release = disk.holdSyncs(lane)
    const records = await recordsOf(owner, lane)
    const writing = late.accept(lane, records)
    while (!isWritten(disk, lane)) await Promise.resolve()
    await copy(redacting, late, admin.lane)
    release()
    await writing
    await late.stop()
    assert.equal(await payloadOf(late, target), null)
    assert.deepEqual((await late.verify()).problems, [])
  })

  it('counts only from the owner of the lane or an admin, at every node by itself', async () => {
    const owner = await kit(1).open()
    const { lane } = kit(1)
    await appendBlocks(owner, 1)
    const other = kit(2)
    const believed = await other.open({ mayRedact: () => true })
    await copy(owner, believed, lane)
    const target = `1.0@${lane}`
    const stranger = await kit(3).open()
    await copy(owner, stranger, lane)
    assert.equal(await codeOf(stranger.append([redacted(target)])), 'CHAIN_REDACTION_DENIED')
    await believed.append([redacted(target)])
    assert.equal(await payloadOf(believed, target), null)
    await copy(believed, owner, other.lane)
    await copy(believed, stranger, other.lane)
    for (const chain of [owner, stranger]) {
      await chain.stop()
      assert.deepEqual(await payloadOf(chain, target), { number: 0 })
    }
  })

  it('a payload that is absent without a redaction is reported', async () => {
    const { open, lane } = kit()
    const chain = await open()
    await appendBlocks(chain, 2)
    await chain.append([redacted(`1.1@${lane}`)])
    const records = await recordsOf(chain, lane)
    const other = await kit(2).open()
    await other.accept(lane, records.slice(0, 1))
    assert.deepEqual(places(await other.verify()), ['CHAIN_PAYLOAD_MISSING 1.1'])
    await other.accept(lane, records)
    assert.deepEqual(places(await other.verify()), [])
  })

  it('a crash between the entry and the payload is made good at the next start', async () => {
    const { open, lane, disk } = kit()
    const chain = await open()
    await appendBlocks(chain, 1)
    disk.failNext({ action: 'create', error: 'io', name: '.mend' })
    assert.equal(await codeOf(chain.append([redacted(`1.0@${lane}`)])), 'CHAIN_DISK_FAILED')
    await chain.stop().catch(() => undefined)
    const again = await kit(1, disk).open()
    await again.upkeep.resumeRedactions((query) => again.log(query))
    assert.equal(await payloadOf(again, `1.0@${lane}`), null)
    assert.deepEqual((await again.verify()).problems, [])
    await again.stop()
  })
})
