import assert from 'node:assert/strict'
import type { Chain, CosignAnswer } from '../../../chain/index.ts'
import { millis } from '../../../core/index.ts'
import type { NodeId } from '../../../core/index.ts'
import { readEvidence } from '../../../chain/offline/evidence.ts'
import { nodePrimitives } from '../../../chain/offline/node-primitives.ts'
import { appendBlocks, draft, kit, recordsOf } from './kit.ts'
import type { Kit } from './kit.ts'

const everybody = (): boolean => true

async function ask(owner: Chain, witness: Chain, oldSize: number): Promise<CosignAnswer> {
  await owner.proofs.checkpoint()
  const request = await owner.proofs.request(oldSize)
  assert(request !== null)
  return witness.proofs.cosign(request, everybody)
}

function stateOf(chain: Chain, lane: NodeId): string | undefined {
  return chain.status().find((status) => status.lane === lane)?.state
}

/** Two homes with one key: a copied or rewritten lane. */
async function twins(): Promise<{
  one: Chain
  two: Chain
  lane: NodeId
  stop: () => Promise<void>
}> {
  const [a, b] = [kit(1), kit(1)]
  const [one, two] = [await a.open(), await b.open()]
  await appendBlocks(one, 1)
  await appendBlocks(two, 1)
  await one.append([draft(1)])
  await two.append([draft(2)])
  return {
    one,
    two,
    lane: a.lane,
    stop: async () => void (await Promise.all([one.stop(), two.stop()]))
  }
}

async function open(...kits: readonly Kit[]): Promise<Chain[]> {
  return Promise.all(kits.map((each) => each.open()))
}

describe('chain: witnessing', () => {
  it('answers as C2SP tlog-witness demands, and remembers across a restart (N1, W2)', async () => {
    const [writer, reader] = [kit(1), kit(2)]
    const [owner, witness] = await open(writer, reader)
    assert(owner !== undefined && witness !== undefined)
    await appendBlocks(owner, 1, 1, 1)
    assert.equal((await ask(owner, witness, 0)).status, 200)
    assert.equal((await ask(owner, witness, 3)).status, 200, 'the same once more')
    await appendBlocks(owner, 1, 1)
    assert.deepEqual(await ask(owner, witness, 0), { status: 409, size: 3 })
    assert.deepEqual(await ask(owner, witness, 2), { status: 409, size: 3 })
    const good = await owner.proofs.request(3)
    assert(good !== null)
    const asked = (change: Partial<typeof good>): Promise<CosignAnswer> =>
      witness.proofs.cosign({ ...good, ...change }, everybody)
    assert.deepEqual(await asked({ path: [] }), { status: 422 })
    assert.deepEqual(await asked({ path: good.path.toReversed() }), { status: 422 })
    assert.deepEqual(await asked({ oldSize: 6 }), { status: 400 })
    assert.deepEqual(await asked({ path: Array.from({ length: 64 }, () => new Uint8Array(32)) }), {
      status: 400
    })
    const forged = good.note.slice()
    forged[forged.length - 9] = (forged[forged.length - 9] ?? 0) ^ 1
    assert.deepEqual(await asked({ note: forged }), { status: 403 })
    assert.deepEqual(await witness.proofs.cosign(good, () => false), { status: 404 })
    await witness.stop()
    const again = await reader.open()
    assert.deepEqual(await ask(owner, again, 0), { status: 409, size: 3 })
    assert.equal((await ask(owner, again, 3)).status, 200)
    await owner.stop()
    await again.stop()
  })

  it('does not answer when it cannot store what it cosigned (W2)', async () => {
    const [writer, reader] = [kit(1), kit(2)]
    const [owner, witness] = await open(writer, reader)
    assert(owner !== undefined && witness !== undefined)
    await appendBlocks(owner, 1)
    reader.disk.failNext({ action: 'sync', error: 'io', name: '.witness' })
    await assert.rejects(ask(owner, witness, 0))
    assert.equal((await ask(owner, witness, 0)).status, 200)
    await owner.stop()
    await witness.stop()
  })

  it('keeps two checkpoints of one size as evidence that convinces others (attack 20: split view)', async () => {
    const { one, two, lane, stop } = await twins()
    const [first, second] = await open(kit(5), kit(6))
    assert(first !== undefined && second !== undefined)
    await first.accept(lane, await recordsOf(one, lane))
    await second.accept(lane, await recordsOf(two, lane))
    assert.equal((await ask(one, first, 0)).status, 200)
    const told: NodeId[] = []
    first.proofs.onEvidence((each) => told.push(each))
    assert.equal((await ask(two, first, 2)).status, 422)
    assert.deepEqual([told, stateOf(first, lane)], [[lane], 'forked'])
    const evidence = await first.proofs.evidence(lane)
    assert(evidence !== null)
    assert.equal(stateOf(second, lane), 'ok')
    assert.equal((await second.proofs.acceptEvidence(evidence))?.kind, 'checkpoints')
    assert.equal(stateOf(second, lane), 'forked')
    assert.equal((await ask(two, second, 0)).status, 422, 'a convicted lane is cosigned no more')
    const bent = evidence.slice()
    bent[200] = (bent[200] ?? 0) ^ 1
    assert.throws(() => readEvidence(nodePrimitives, bent))
    await stop()
    await first.stop()
    await second.stop()
  })

  it('makes evidence of the two blocks that accept() has found, either way', async () => {
    for (const isLater of [false, true]) {
      const { one, two, lane, stop } = await twins()
      const [peer] = await open(kit(5))
      assert(peer !== undefined)
      await peer.accept(lane, await recordsOf(one, lane))
      await appendBlocks(two, 1)
      const other = await recordsOf(two, lane)
      const outcome = await peer.accept(lane, isLater ? other.slice(2) : other)
      assert.equal(outcome.kind === 'refused' && outcome.code, 'CHAIN_LANE_FORKED')
      const evidence = await peer.proofs.evidence(lane)
      assert(evidence !== null)
      assert.equal(readEvidence(nodePrimitives, evidence).kind, 'blocks')
      await stop()
      await peer.stop()
    }
  })

  it('catches an owner that calls a shorter lane its largest later (attack 20: truncation)', async () => {
    const [long, short] = [kit(1), kit(1)]
    const [owner, cut, witness] = await open(long, short, kit(2))
    assert(owner !== undefined && cut !== undefined && witness !== undefined)
    await appendBlocks(owner, 1, 1, 1)
    await appendBlocks(cut, 1)
    assert.equal((await ask(owner, witness, 0)).status, 200)
    short.clock.advanceTo(millis(short.clock.now() + 5000))
    await cut.proofs.checkpoint()
    const request = await cut.proofs.request(0)
    assert(request !== null)
    assert.deepEqual(await witness.proofs.cosign(request, everybody), { status: 422 })
    await witness.accept(long.lane, await recordsOf(owner, long.lane))
    assert.equal(stateOf(witness, long.lane), 'truncated')
    const evidence = await witness.proofs.evidence(long.lane)
    assert(evidence !== null)
    assert.equal(readEvidence(nodePrimitives, evidence).kind, 'truncation')
    for (const chain of [owner, cut, witness]) await chain.stop()
  })

  it('refuses captured checkpoints of another lane, and old ones prove nothing (attack 19: replay)', async () => {
    const [owner, other, witness] = await open(kit(1), kit(3), kit(2))
    assert(owner !== undefined && other !== undefined && witness !== undefined)
    await appendBlocks(owner, 1)
    await appendBlocks(other, 1)
    await owner.proofs.checkpoint()
    const captured = await owner.proofs.request(0)
    assert(captured !== null)
    assert.equal((await witness.proofs.cosign(captured, everybody)).status, 200)
    await appendBlocks(owner, 1)
    assert.equal((await ask(owner, witness, 1)).status, 200)
    assert.deepEqual(await witness.proofs.cosign(captured, everybody), { status: 409, size: 2 })
    assert.deepEqual(await witness.proofs.cosign(captured, everybody), { status: 409, size: 2 })
    assert.equal(stateOf(witness, kit(1).lane), undefined)
    await other.proofs.checkpoint()
    const mixed = { ...captured, laneKey: (await other.proofs.request(0))?.laneKey ?? null }
    assert.deepEqual(await witness.proofs.cosign(mixed, everybody), { status: 403 })
    for (const chain of [owner, other, witness]) await chain.stop()
  })
})
