import assert from 'node:assert/strict'
import { blobId } from '../../../../core/index.ts'
import type { NodeId } from '../../../../core/index.ts'
import { findBlob, provideBlob } from '../../../../mesh/blobs/find.ts'
import { BLOB_ASK_PEERS_MAX } from '../../../../mesh/blobs/limits.ts'
import type { ContentRouting, RpcClient } from '../../../../mesh/index.ts'
import { silentLog } from '../../../doubles/silent-log.ts'
import { VirtualClock } from '../../../sim/world/virtual-clock.ts'
import { testSigner } from '../lab.ts'

const id = blobId('0b'.repeat(32))
const all = Array.from({ length: 60 }, (_, n) => testSigner(`node ${n}`).nodeId)
const stranger = testSigner('stranger').nodeId

describe('findBlob()', () => {
  let asked: NodeId[]
  let searched: Uint8Array[]
  let holders: Set<NodeId>

  beforeEach(() => {
    asked = []
    searched = []
    holders = new Set([all[3], all[55]].flatMap((node) => node ?? []))
  })

  function deps(peers: readonly NodeId[], routing: ContentRouting | null) {
    const rpc = {
      call: async (peer: NodeId) => {
        asked.push(peer)
        return { v: 1, has: holders.has(peer) }
      }
    } as unknown as RpcClient
    return {
      rpc,
      clock: new VirtualClock(),
      log: silentLog,
      peers: () => peers,
      routing: () => routing
    }
  }

  function table(named: readonly NodeId[], fails = false): ContentRouting {
    return {
      provide: async (key) => void searched.push(key),
      withdraw: async () => undefined,
      providers: async function* (key) {
        searched.push(key)
        yield* named
        if (fails) throw new Error('the table is gone')
      }
    }
  }

  it('asks every connected member of a small mesh, and no table', async () => {
    const found = await findBlob(deps(all.slice(0, 40), table([])), id)
    assert.deepEqual(found, { sources: [all[3]], asked: 40 })
    assert.equal(searched.length, 0)
  })

  it('asks those alone that the table names in a large one, if they are connected', async () => {
    const named = [all[55], all[7], stranger].flatMap((node) => node ?? [])
    const found = await findBlob(deps(all, table(named)), id)
    assert.deepEqual(found, { sources: [all[55]], asked: 2 })
    assert.deepEqual(searched, [new Uint8Array(32).fill(0x0b)])
  })

  it('goes on with those that were named before the table failed', async () => {
    const named = [all[55]].flatMap((node) => node ?? [])
    assert.deepEqual((await findBlob(deps(all, table(named, true)), id)).sources, [all[55]])
  })

  it('asks a bounded number of a large mesh without a table', async () => {
    const found = await findBlob(deps(all, null), id)
    assert.equal(found.asked, BLOB_ASK_PEERS_MAX)
  })

  it('tells the table, where there is one, and fails nobody where there is none', async () => {
    const { signal } = new AbortController()
    await provideBlob(deps(all, table([])), id, signal)
    assert.equal(searched.length, 1)
    await provideBlob(deps(all, null), id, signal)
  })
})
