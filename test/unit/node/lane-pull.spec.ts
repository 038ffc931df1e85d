import assert from 'node:assert/strict'
import { signerFromSeed } from '../../../core/index.ts'
import { CHAIN_ASKS_MAX, CHAIN_BATCH_BYTES } from '../../../node/limits.ts'
import { pullRecords } from '../../../node/lane-pull.ts'
import type { AskRecords } from '../../../node/lane-pull.ts'

const lane = signerFromSeed(new Uint8Array(32).fill(1)).nodeId

/** A peer that holds heights 1 to `height`; the first byte of a record is its height modulo 256. */
function peerWith(height: number, bytesOf: (height: number) => number): PeerDouble {
  const peer: PeerDouble = {
    asked: [],
    underWay: 0,
    underWayMax: 0,
    ask: async (_lane, { from, to }) => {
      peer.asked.push([from, to])
      peer.underWay += 1
      peer.underWayMax = Math.max(peer.underWayMax, peer.underWay)
      await Promise.resolve()
      peer.underWay -= 1
      const records: Uint8Array[] = []
      let left = CHAIN_BATCH_BYTES
      for (let at = from; at <= Math.min(to, height); at += 1) {
        left -= bytesOf(at)
        if (left < 0 && records.length > 0) break
        records.push(new Uint8Array(bytesOf(at)).fill(at % 256, 0, 1))
      }
      return records
    }
  }
  return peer
}

interface PeerDouble {
  readonly asked: (readonly [number, number])[]
  underWay: number
  underWayMax: number
  readonly ask: AskRecords
}

async function pulled(ask: AskRecords, toHeight: number): Promise<readonly number[]> {
  const heights: number[] = []
  for await (const records of pullRecords({ lane, fromHeight: 1, toHeight }, ask)) {
    for (const record of records) heights.push(record[0] ?? -1)
  }
  return heights
}

const upTo = (height: number): readonly number[] =>
  Array.from({ length: height }, (_, index) => (index + 1) % 256)

describe('node: pulling a lane', () => {
  it('brings every record once, in order, with several calls under way (L1, L2)', async () => {
    const peer = peerWith(1000, () => 20_000)
    assert.deepEqual(await pulled(peer.ask, 1000), upTo(1000))
    assert.equal(peer.underWayMax, CHAIN_ASKS_MAX)
  })

  it('asks again for what did not fit, where blocks grow (L1)', async () => {
    const peer = peerWith(300, (height) => 1000 + height * 300)
    assert.deepEqual(await pulled(peer.ask, 300), upTo(300))
    assert(peer.asked.length > 10)
  })

  it('takes a lane of one call in one call', async () => {
    const peer = peerWith(5, () => 100)
    assert.deepEqual(await pulled(peer.ask, 5), upTo(5))
    assert.deepEqual(peer.asked, [[1, 5]])
  })

  it('ends where the peer holds less than it said', async () => {
    const peer = peerWith(100, () => 20_000)
    assert.deepEqual(await pulled(peer.ask, 10_000), upTo(100))
  })

  it('leaves aside what a peer sends beyond what was asked for', async () => {
    const peer = peerWith(500, () => 20_000)
    const generous: AskRecords = (id, { from }) => peer.ask(id, { from, to: from + 1000 })
    assert.deepEqual(await pulled(generous, 500), upTo(500))
  })

  it('throws what a call throws', async () => {
    const broken: AskRecords = () => Promise.reject(new Error('gone'))
    await assert.rejects(pulled(broken, 5), /gone/)
  })
})
