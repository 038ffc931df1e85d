import assert from 'node:assert/strict'
import { blobId, fromHex, millis } from '../../../../core/index.ts'
import type { BlobId } from '../../../../core/index.ts'
import {
  BLOB_PROVIDE_INTERVAL_MS,
  BLOB_PROVIDE_LOOK_MS,
  BLOB_PROVIDE_PEERS_MIN,
  BLOB_PROVIDES_PER_LOOK
} from '../../../../mesh/blobs/limits.ts'
import { Provider } from '../../../../mesh/blobs/provide.ts'
import type { ContentRouting } from '../../../../mesh/index.ts'
import { silentLog } from '../../../doubles/silent-log.ts'
import { untilQuiet } from '../../../sim/world/quiet.ts'
import { VirtualClock } from '../../../sim/world/virtual-clock.ts'
import { testSigner } from '../lab.ts'

/** As kad-dht keeps them. */
const RECORD_LIFE_MS = 48 * 3_600_000
const all = Array.from({ length: BLOB_PROVIDE_PEERS_MIN }, (_, n) => testSigner(`p ${n}`).nodeId)

function idOf(number: number): BlobId {
  return blobId(number.toString(16).padStart(64, '0'))
}

describe('Provider', () => {
  let clock: VirtualClock
  let held: BlobId[]
  let peers: number
  let said: (readonly [at: number, id: string])[]
  let withdrawn: string[]
  let fails: boolean
  let ending: AbortController

  beforeEach(() => {
    clock = new VirtualClock()
    held = [idOf(1), idOf(2)]
    peers = all.length
    said = []
    withdrawn = []
    fails = false
    ending = new AbortController()
  })

  const nameOf = (key: Uint8Array): string => Buffer.from(key).toString('hex')

  async function start(): Promise<Provider> {
    const routing: ContentRouting = {
      provide: async (key) => {
        if (fails) throw new Error('no member of the table answers')
        said.push([clock.now(), nameOf(key)])
      },
      withdraw: async (key) => void withdrawn.push(nameOf(key)),
      providers: async function* () {}
    }
    const provider = new Provider({
      clock,
      log: silentLog,
      routing: () => routing,
      peers: () => all.slice(0, peers),
      held: () => held
    })
    void provider.run(ending.signal)
    await untilQuiet()
    return provider
  }

  async function pass(duration: number): Promise<void> {
    for (const end = clock.now() + duration; clock.now() < end;) {
      clock.advanceTo(millis(Math.min(end, clock.now() + BLOB_PROVIDE_LOOK_MS)))
      await untilQuiet()
    }
  }

  it('says at the start what is here, and again long before the records run out (A1)', async () => {
    await start()
    assert.deepEqual(said, [
      [0, held[0]],
      [0, held[1]]
    ])
    await pass(5 * BLOB_PROVIDE_INTERVAL_MS)
    for (const id of held) {
      const times: readonly number[] = said.filter(([, name]) => name === id).map(([at]) => at)
      assert.equal(times.length, 6)
      for (const [index, at] of times.entries()) {
        assert.ok(at - (times[index - 1] ?? 0) < RECORD_LIFE_MS / 2)
      }
    }
  })

  it('says no more what is gone, and withdraws it (A2)', async () => {
    await start()
    const [first, second] = [idOf(1), idOf(2)]
    held = [first]
    const before = said.length
    await pass(3 * BLOB_PROVIDE_INTERVAL_MS)
    assert.deepEqual([...new Set(said.slice(before).map(([, name]) => name))], [first])
    assert.deepEqual(withdrawn, [second])
  })

  it('says nothing in a mesh whose members are all asked, and all of it once it has grown (A1)', async () => {
    peers = all.length - 1
    const provider = await start()
    await pass(2 * BLOB_PROVIDE_INTERVAL_MS)
    assert.equal(said.length, 0)
    await provider.say(idOf(1), ending.signal)
    assert.equal(said.length, 1, 'but what has just come')
    peers = all.length
    await pass(BLOB_PROVIDE_LOOK_MS)
    assert.deepEqual(new Set(said.map(([, name]) => name)), new Set(held))
  })

  it('says it at the next look where nobody could be told', async () => {
    fails = true
    await start()
    assert.equal(said.length, 0)
    fails = false
    await pass(BLOB_PROVIDE_LOOK_MS)
    assert.equal(said.length, 2)
  })

  it('says a bounded number in one look, and each of a full shelf once in an interval (A3)', async () => {
    held = Array.from({ length: 3 * BLOB_PROVIDES_PER_LOOK }, (_, number) => idOf(number + 1))
    await start()
    assert.equal(said.length, BLOB_PROVIDES_PER_LOOK)
    await pass(2 * BLOB_PROVIDE_LOOK_MS)
    assert.equal(new Set(said.map(([, name]) => name)).size, held.length)
    assert.equal(said.length, held.length)
    assert.ok(said.every(([, name]) => fromHex(name) !== null))
  })

  it('ends when it is told to, and leaves no timer', async () => {
    await start()
    ending.abort()
    await untilQuiet()
    assert.equal(clock.nextAt(), null)
  })
})
