// A lane that ends with a change of key, and the one that goes on.

import assert from 'node:assert/strict'
import { rotationDraft } from '../../../chain/index.ts'
import { assembleBlock, tipOf } from '../../../chain/block.ts'
import { checkRecord } from '../../../chain/check.ts'
import { pendingEntry } from '../../../chain/entry.ts'
import { HLC_ZERO } from '../../../chain/hlc.ts'
import { withoutPayloads } from '../../../chain/redact.ts'
import { unixMillis } from '../../../core/index.ts'
import { codeOf, draft, kit, laneFile, places, recordsOf, signerOf } from './kit.ts'

describe('chain: a change of key', () => {
  it('ends the lane: nothing is appended behind it, also after a restart', async () => {
    const own = kit(1)
    const chain = await own.open()
    const heir = signerOf(3)
    await chain.append([draft(1)])
    await chain.append([rotationDraft(own.signer, heir)])
    assert.equal(chain.heir(), heir.nodeId)
    assert.equal(await codeOf(chain.append([draft(2)])), 'CHAIN_LANE_ENDED')
    await chain.stop()
    const again = await own.open()
    assert.equal(await codeOf(again.append([draft(2)])), 'CHAIN_LANE_ENDED')
    const [status] = again.status()
    assert.deepEqual([status?.state, status?.heir], ['ended', heir.nodeId])
    assert.deepEqual(places(await again.verify()), [])
    await again.stop()
  })

  it('a block behind it that the old key signed all the same is refused, and reported where it lies', async () => {
    const [owner, other] = [kit(1), kit(2)]
    const chain = await owner.open()
    await chain.append([rotationDraft(owner.signer, signerOf(3))])
    const records = await recordsOf(chain, owner.lane)
    await chain.stop()
    const last = records.at(-1) ?? new Uint8Array()
    const { block } = checkRecord(owner.lane, last, 1)
    assert(block !== null)
    const { record } = assembleBlock(owner.signer, {
      tip: tipOf(block),
      clock: HLC_ZERO,
      wall: unixMillis(2_000_000_000_000),
      entries: [pendingEntry(draft(9))],
      links: [],
      salts: new Uint8Array(16)
    })
    const peer = await other.open()
    const outcome = await peer.accept(owner.lane, [...records, record])
    assert(outcome.kind === 'refused' && outcome.code === 'CHAIN_LANE_ENDED')
    const later = await peer.accept(owner.lane, [record])
    assert(later.kind === 'refused' && later.code === 'CHAIN_LANE_ENDED')
    await peer.stop()
    const name = laneFile(other.disk, owner.lane)
    const held = other.disk.contents(name)
    other.disk.put(name, Buffer.concat([held, record]))
    const found = await (await other.open()).verify({ isFull: true })
    assert.deepEqual(places(found), ['CHAIN_LANE_ENDED 2.-'])
  })

  it('the lane of a key that took over is stored only if it begins with the word of both', async () => {
    const [heir, other] = [kit(3), kit(2)]
    const old = signerOf(1)
    const peer = await other.open({
      predecessorOf: (lane) => (lane === heir.lane ? old.nodeId : null)
    })
    const bare = await heir.open()
    await bare.append([draft(1)])
    const refused = await peer.accept(heir.lane, await recordsOf(bare, heir.lane))
    assert(refused.kind === 'refused' && refused.code === 'CHAIN_ROTATION_MISSING')
    await bare.stop()
    const begun = await kit(3).open()
    await begun.append([rotationDraft(old, heir.signer), draft(1)])
    const stored = await peer.accept(heir.lane, await recordsOf(begun, heir.lane))
    assert.equal(stored.kind, 'extended')
    assert.deepEqual(places(await peer.verify()), [])
    await begun.stop()
    await peer.stop()
  })

  it('keeps its payload: nobody can redact it', async () => {
    const own = kit(1)
    const chain = await own.open()
    await chain.append([draft(1), rotationDraft(own.signer, signerOf(3))])
    const [record] = await recordsOf(chain, own.lane)
    assert(record !== undefined)
    assert.equal(withoutPayloads(record, new Set([1])), null)
    const less = withoutPayloads(record, new Set([0, 1]))
    assert(less !== null)
    const codes = checkRecord(own.lane, less, 1).problems.map(({ code, entry }) => [code, entry])
    assert.deepEqual(codes, [['CHAIN_PAYLOAD_MISSING', 0]])
    await chain.stop()
  })
})
