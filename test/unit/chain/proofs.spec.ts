import assert from 'node:assert/strict'
import { nodePrimitives } from '../../../chain/offline/node-primitives.ts'
import { verifyFile } from '../../../chain/offline/index.ts'
import type { OfflineReport, Primitives } from '../../../chain/offline/index.ts'
import type { Chain } from '../../../chain/index.ts'
import { concatBytes, utf8 } from '../../../core/index.ts'
import { appendBlocks, codeOf, draft, kit, laneFile, recordsOf, signerOf } from './kit.ts'
import { meshOf } from './mesh-kit.ts'

/** Each signature is checked once: thousands of variants of one file share all but one of them. */
const primitives: Primitives = {
  ...nodePrimitives,
  ed25519: remembered(nodePrimitives.ed25519),
  mlDsa44: remembered(nodePrimitives.mlDsa44)
}

function remembered(check: Primitives['ed25519']): Primitives['ed25519'] {
  const known = new Map<string, boolean>()
  return (...parts) => {
    const key = parts.map((part) => Buffer.from(part).toString('latin1')).join('|')
    const isGood = known.get(key) ?? check(...parts)
    known.set(key, isGood)
    return isGood
  }
}

const everybody = (): boolean => true

async function verified(bytes: Uint8Array): Promise<OfflineReport> {
  return verifyFile(primitives, one(bytes))
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000)
}

async function exported(chain: Chain, options: ReturnType<typeof meshOf>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  const lanes = chain.heads().map(({ lane }) => lane)
  for await (const part of chain.proofs.export(lanes, options)) parts.push(part)
  return concatBytes(...parts)
}

/** A writer whose checkpoint a witness has cosigned. */
async function witnessed(...counts: readonly number[]) {
  const writer = kit(1)
  const reader = kit(2)
  const chain = await writer.open()
  await appendBlocks(chain, ...counts)
  const peer = await reader.open()
  await peer.append([draft(0)])
  await peer.accept(writer.lane, await recordsOf(chain, writer.lane))
  await chain.proofs.checkpoint()
  const request = await chain.proofs.request(0)
  assert(request !== null)
  const answer = await peer.proofs.cosign(request, everybody)
  assert(answer.status === 200)
  assert(await chain.proofs.addCosignature(reader.lane, answer))
  const mesh = meshOf(writer.signer, reader.signer)
  const stop = async (): Promise<void> => {
    await chain.stop()
    await peer.stop()
  }
  return { writer, reader, chain, peer, mesh, stop, lane: writer.lane }
}

describe('chain: proofs and exports', () => {
  it('proves every entry of a lane to a verifier that has nothing but the file', async () => {
    const { chain, lane, mesh, stop } = await witnessed(1, 3, 1, 7, 2)
    for (const id of ['1.0', '2.2', '4.0', '4.6', '5.1']) {
      const proof = await chain.proofs.prove(`${id}@${lane}`, { ...mesh, withPayload: true })
      const report = await verified(utf8(proof))
      assert.deepEqual(report.problems, [])
      assert.equal(report.entry?.id, `${id}@${lane}`)
      assert.equal(report.mesh, mesh.mesh.id)
      assert.equal(report.entry?.payload?.length !== undefined, true)
      const [checkpoint] = report.checkpoints
      assert.deepEqual([checkpoint?.size, checkpoint?.hasMlDsa], [5, true])
      assert.deepEqual(
        checkpoint?.witnesses.map(({ name }) => name),
        ['node-0']
      )
      const bare = await chain.proofs.prove(`${id}@${lane}`, { ...mesh, withPayload: false })
      const bareReport = await verified(utf8(bare))
      assert.deepEqual([bareReport.ok, bareReport.entry?.payload], [true, null])
    }
    await stop()
  })

  it('proves entries of a lane that it only holds, by the checkpoint that its owner sent', async () => {
    const { chain, peer, lane, mesh, stop } = await witnessed(2, 2)
    const current = chain.proofs.current()
    assert(current !== null)
    assert.equal(await peer.proofs.learn(current, everybody), lane)
    const proof = await peer.proofs.prove(`2.1@${lane}`, { ...mesh, withPayload: true })
    const report = await verified(utf8(proof))
    assert.deepEqual([report.ok, report.checkpoints[0]?.witnesses.length], [true, 1])
    await appendBlocks(chain, 1)
    await peer.accept(lane, await recordsOf(chain, lane))
    const later = peer.proofs.prove(`3.0@${lane}`, { ...mesh, withPayload: true })
    assert.equal(await codeOf(later), 'CHAIN_NOT_PROVABLE')
    await stop()
  })

  it('leaves out cosignatures of nodes that are not members, and says so of lanes that are not', async () => {
    const { chain, writer, lane, stop } = await witnessed(1)
    const alone = meshOf(writer.signer)
    const report = await verified(
      utf8(await chain.proofs.prove(`1.0@${lane}`, { ...alone, withPayload: true }))
    )
    assert.deepEqual([report.ok, report.checkpoints[0]?.witnesses], [true, []])
    const foreign = meshOf(signerOf(8))
    const other = await verified(
      utf8(await chain.proofs.prove(`1.0@${lane}`, { ...foreign, withPayload: true }))
    )
    assert.deepEqual(
      other.problems.map(({ code }) => code),
      ['CHAIN_LANE_UNKNOWN']
    )
    await stop()
  })

  it('exports all lanes with their checkpoints, and a verifier finds nothing wrong', async () => {
    const { peer, chain, mesh, lane, stop } = await witnessed(1, 3, 1)
    await peer.proofs.checkpoint()
    const current = chain.proofs.current()
    assert(current !== null)
    await peer.proofs.learn(current, everybody)
    const report = await verified(await exported(peer, mesh))
    assert.deepEqual(report.problems, [])
    assert.deepEqual([report.lanes, report.blocks, report.entries], [2, 4, 6])
    const sizes = new Map(report.checkpoints.map((each) => [each.lane, each.size]))
    assert.equal(sizes.get(lane), 3)
    await stop()
  })

  it('each flipped byte of a proof is a problem', async () => {
    const { chain, lane, mesh, stop } = await witnessed(2, 3)
    const proof = utf8(await chain.proofs.prove(`2.1@${lane}`, { ...mesh, withPayload: true }))
    assert((await verified(proof)).ok)
    for (let at = 0; at < proof.length; at += 1) {
      const bytes = proof.slice()
      bytes[at] = (bytes[at] ?? 0) ^ (at % 3 === 0 ? 0x01 : at % 3 === 1 ? 0x20 : 0x04)
      assert(!(await verified(bytes)).ok, `byte ${at}`)
    }
    await stop()
  }).timeout(60_000)

  it('each flipped byte of an export is a problem, and so is each cut', async () => {
    const { chain, mesh, stop } = await witnessed(2, 1)
    const file = await exported(chain, mesh)
    assert((await verified(file)).ok)
    for (let at = 0; at < file.length; at += 1) {
      const bytes = file.slice()
      bytes[at] = (bytes[at] ?? 0) ^ 0x10
      assert(!(await verified(bytes)).ok, `byte ${at}`)
      if (at % 7 === 0) assert(!(await verified(file.subarray(0, at))).ok, `cut at ${at}`)
    }
    await stop()
  }).timeout(60_000)

  it('a checkpoint outlives a restart, and a lane that has become shorter than it does not open', async () => {
    const { writer, chain, stop, lane } = await witnessed(1, 1, 1)
    const before = chain.status()[0]?.checkpoint
    assert.deepEqual([before?.size, before?.witnesses], [3, [signerOf(2).nodeId]])
    await stop()
    const again = await writer.open()
    assert.deepEqual(again.status()[0]?.checkpoint, before)
    await again.stop()
    const file = laneFile(writer.disk, lane)
    const bytes = writer.disk.contents(file)
    writer.disk.put(file, bytes.subarray(0, 0))
    for (const name of writer.disk.names()) {
      if (name.endsWith('.head')) writer.disk.put(name, new Uint8Array(0))
    }
    assert.equal(await codeOf(writer.open()), 'CHAIN_LANE_TRUNCATED')
  })

  it('builds the tree anew where its files have rotted', async () => {
    const { writer, chain, mesh, stop, lane } = await witnessed(1, 1, 1, 1)
    await stop()
    for (const name of writer.disk.names()) {
      if (name.endsWith('.tree0')) writer.disk.flip(name, 40)
    }
    const again = await writer.open()
    const proof = await again.proofs.prove(`4.0@${lane}`, { ...mesh, withPayload: true })
    assert((await verified(utf8(proof))).ok)
    assert.equal((await again.proofs.checkpoint()).size, 4)
    await again.stop()
    await chain.stop()
  })
})
