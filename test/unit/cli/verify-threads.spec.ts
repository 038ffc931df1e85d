import assert from 'node:assert/strict'
import { checkBlocks, nodePrimitives, verifyFile } from '../../../chain/offline/index.ts'
import type { BlockBatch, BlockChecker } from '../../../chain/offline/index.ts'
import { BlockThreads } from '../../../cli/actions/verify-threads.ts'
import { concatBytes, publicKeyOf } from '../../../core/index.ts'
import { smallFiles } from '../chain/proof-kit.ts'
import { appendBlocks, kit, recordsOf, signerOf } from '../chain/kit.ts'

async function* chunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

describe('cli: checking a file on all cores', () => {
  it('a thread finds in blocks what is found on the spot', async () => {
    const { open, lane } = kit(1)
    const chain = await open()
    await appendBlocks(chain, 3, 1)
    const records = await recordsOf(chain, lane)
    const bytes = concatBytes(...records)
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
    const batch = (): BlockBatch => ({
      lane,
      key: publicKeyOf(signerOf(1).nodeId),
      firstHeight: 1,
      bytes: bytes.slice(),
      sizes: records.map((record) => record.length)
    })
    const here = checkBlocks(nodePrimitives, batch())
    assert.deepEqual(
      here.map(({ complaints }) => complaints.map(([, code]) => code)),
      [[], ['CHAIN_PAYLOAD_DAMAGED']]
    )
    const threads = new BlockThreads()
    const first = batch()
    assert.deepEqual(await threads.check(first), here)
    assert(first.bytes.length > 0, 'so little is not worth a thread')
    const large = new Uint8Array(9 * 1024 * 1024)
    const [damaged] = await threads.check({ ...batch(), bytes: large, sizes: [large.length] })
    assert.deepEqual(
      damaged?.complaints.map(([, code]) => code),
      ['CHAIN_FRAME_DAMAGED']
    )
    const second = batch()
    assert.deepEqual(await threads.check(second), here)
    if (threads.width > 1) assert.equal(second.bytes.length, 0, 'a thread has taken them over')
    await threads.stop()
    await threads.stop()
  })

  it('the verdict is the same wherever blocks are checked, and in whatever order they are done', async () => {
    const { exported } = await smallFiles()
    const waiting: (() => void)[] = []
    const late: BlockChecker = {
      width: 2,
      check: async (batch) => {
        const facts = checkBlocks(nodePrimitives, batch)
        await new Promise<void>((resolve) => {
          waiting.unshift(resolve) // The last is done first.
          queueMicrotask(() => waiting.shift()?.())
        })
        return facts
      }
    }
    for (let offset = 0; offset < exported.length; offset += 97) {
      const changed = exported.with(offset, (exported[offset] ?? 0) ^ 0x40)
      assert.deepEqual(
        await verifyFile(nodePrimitives, chunks(changed), late),
        await verifyFile(nodePrimitives, chunks(changed)),
        `byte ${offset}`
      )
    }
  })
})
