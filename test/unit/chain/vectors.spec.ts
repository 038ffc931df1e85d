import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { shake256 as nobleShake256 } from '@noble/hashes/sha3.js'
import { z } from 'zod'
import { concatBytes, decodeCbor, fromHex, isSignedBy, toHex, utf8 } from '../../../core/index.ts'
import type { NodeId } from '../../../core/index.ts'
import { headerBytesOf, parseFrameHead, rowsOf, signatureOf } from '../../../chain/record.ts'
import { kit, recordsOf } from './kit.ts'

const Hex = z.string().regex(/^(?:[0-9a-f]{2})*$/)
const Vectors = z.object({
  about: z.string(),
  wallMs: z.number(),
  lanes: z.array(
    z.object({
      seed: Hex,
      nodeId: z.string(),
      blocks: z.array(
        z.object({
          record: Hex,
          header: Hex,
          hash: Hex,
          signature: Hex,
          root: Hex,
          entries: z.array(z.object({ entry: Hex, leaf: Hex, payload: Hex, payloadHash: Hex }))
        })
      )
    })
  )
})
type LaneVector = z.infer<typeof Vectors>['lanes'][number]

const file = new URL('../../vectors/chain/lanes.json', import.meta.url)

/** Two lanes: the second is written first, and the first links to it. */
async function write(): Promise<z.infer<typeof Vectors>> {
  const [first, second] = [kit(1), kit(2)]
  const [a, b] = [await first.open(), await second.open()]
  const actor = `node:${second.lane}`
  await b.append([{ kind: 'kernel.started', actor, subject: actor, payload: { version: '0.1.0' } }])
  const task = { actor: 'user:local', subject: 'task:0123456789abcdef' }
  await a.append([
    { ...task, kind: 'policy.decision', payload: { action: 'task.submit', decision: 'allow' } },
    { ...task, kind: 'task.submitted', payload: { command: ['sh', '-c', 'true'], epoch: 1 } }
  ])
  await a.accept(second.lane, await recordsOf(b, second.lane))
  await a.append([
    { ...task, kind: 'task.started', payload: null },
    { ...task, kind: 'process.exited', payload: { code: -1, signal: 'SIGKILL' } },
    { ...task, kind: 'task.finished', payload: [true, 2n ** 40n, Uint8Array.of(1, 2, 3), 'grüße'] }
  ])
  const lanes = [
    vectorOf(1, first.lane, await recordsOf(a, first.lane)),
    vectorOf(2, second.lane, await recordsOf(b, second.lane))
  ]
  await a.stop()
  await b.stop()
  return { about: 'See docs/chain-format.md', wallMs: Number(first.clock.wall()), lanes }
}

function shake(domain: string, ...parts: readonly Uint8Array[]): Uint8Array {
  const name = utf8(domain)
  const input = concatBytes(Uint8Array.of(name.length), name, ...parts)
  return nobleShake256(input, { dkLen: 32 })
}

/** All values by the independent library, from the stored bytes. */
function vectorOf(seed: number, nodeId: NodeId, records: readonly Uint8Array[]): LaneVector {
  const blocks = records.map((record) => {
    const head = parseFrameHead(record)
    assert(head !== null)
    const header = headerBytesOf(record, head)
    const signature = signatureOf(record, head)
    assert(isSignedBy(nodeId, 'weft/block-signature/1', header, signature))
    const rows = rowsOf(record, head)
    const leaves = rows.map((row) => shake('weft/leaf/1', row.entry))
    return {
      record: toHex(record),
      header: toHex(header),
      hash: toHex(shake('weft/block/1', header)),
      signature: toHex(signature),
      root: toHex(rootOf(leaves)),
      entries: rows.map((row) => ({
        entry: toHex(row.entry),
        leaf: toHex(shake('weft/leaf/1', row.entry)),
        payload: toHex(row.payload),
        payloadHash: toHex(shake('weft/payload/1', row.payload))
      }))
    }
  })
  return { seed: toHex(new Uint8Array(32).fill(seed)), nodeId, blocks }
}

function rootOf(leaves: readonly Uint8Array[]): Uint8Array {
  const [first] = leaves
  if (first !== undefined && leaves.length === 1) return first
  let split = 1
  while (split * 2 < leaves.length) split *= 2
  return shake('weft/node/1', rootOf(leaves.slice(0, split)), rootOf(leaves.slice(split)))
}

describe('chain: vectors', () => {
  it('the same keys, times and drafts make the bytes that were published (B3)', async () => {
    const published = Vectors.parse(JSON.parse(await readFile(file, 'utf8')))
    assert.deepEqual(await write(), published)
  })

  it('the published headers carry the hashes that belong to them', async () => {
    const { lanes } = Vectors.parse(JSON.parse(await readFile(file, 'utf8')))
    for (const { blocks } of lanes) {
      let previous = '00'.repeat(32)
      for (const { header, hash, root, entries } of blocks) {
        const fields = z.array(z.unknown()).parse(decodeCbor(fromHex(header) ?? new Uint8Array(0)))
        const [before, merkle] = [fields[3], fields[6]]
        assert(before instanceof Uint8Array && merkle instanceof Uint8Array)
        assert.deepEqual([toHex(before), toHex(merkle)], [previous, root])
        for (const { entry, payloadHash } of entries) assert(entry.endsWith(payloadHash))
        previous = hash
      }
    }
  })
})
