import assert from 'node:assert/strict'
import { inlineChecker } from '../../../chain/check-batch.ts'
import { runOf } from '../../../chain/run.ts'
import { millis, signerFromSeed } from '../../../core/index.ts'
import { systemClock } from '../../../core/system.ts'
import { threadedChecker } from '../../../node/chain-checker.ts'
import { CHECKER_THREADS_FROM_BYTES } from '../../../node/limits.ts'
import type { CheckBatch } from '../../../chain/index.ts'
import { appendBlocks, kit, recordsOf } from '../chain/kit.ts'

const lane = signerFromSeed(new Uint8Array(32).fill(1)).nodeId
const codes = ['CHAIN_FRAME_DAMAGED']

function batch(size: number): CheckBatch {
  return { lane, bytes: new Uint8Array(size), records: [{ height: 7, size }] }
}

describe('node: checking on other cores', () => {
  it('gives the same verdicts on the spot and on a thread, and takes the bytes over only there', async () => {
    const checker = threadedChecker({ clock: systemClock })
    const small = batch(100)
    const [onTheSpot] = await checker.check(small)
    assert.deepEqual(
      onTheSpot?.problems.map(({ code }) => code),
      codes
    )
    assert.equal(small.bytes.length, 100)
    const large = batch(CHECKER_THREADS_FROM_BYTES)
    await checker.check(large)
    // A thread says that it is ready by a message; until then checks are made here.
    for (let sent = batch(100); ; sent = batch(100)) {
      const [verdict] = await checker.check(sent)
      assert.deepEqual(verdict, onTheSpot)
      if (sent.bytes.length === 0) break
      await systemClock.sleep(millis(0))
    }
    await checker.stop()
    await checker.stop()
  })

  it('a run comes back with its bytes, and threads are there before it when so much was announced', async () => {
    const { open, lane: id } = kit(1)
    const chain = await open()
    await appendBlocks(chain, 3, 1, 2)
    const run = runOf(await recordsOf(chain, id))
    assert(run !== null)
    const checker = threadedChecker({ clock: systemClock })
    checker.expect(CHECKER_THREADS_FROM_BYTES + 1)
    const here = await inlineChecker.checkRun({ lane: id, ...run })
    assert.equal(here.plain?.tip.height, 3)
    for (;;) {
      const sent = run.bytes.slice()
      const there = await checker.checkRun({ lane: id, records: run.records, bytes: sent })
      assert.deepEqual(there, here)
      if (sent.length === 0) break
      await systemClock.sleep(millis(0))
    }
    const shared = new Uint8Array(new SharedArrayBuffer(run.bytes.length))
    shared.set(run.bytes)
    const { plain } = await checker.checkRun({ lane: id, records: run.records, bytes: shared })
    assert.deepEqual(plain, here.plain)
    assert.deepEqual(shared, run.bytes) // It was checked where it lies, and is here still.
    shared.fill(0)
    assert.deepEqual(plain, here.plain) // What was found is no view of it.
    await checker.stop()
    await chain.stop()
  })
})
