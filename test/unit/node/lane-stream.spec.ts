import assert from 'node:assert/strict'
import type { Chain, RecordRun, Want } from '../../../chain/index.ts'
import { channelPair, concatBytes, WeaverError } from '../../../core/index.ts'
import type { Cbor, NodeId } from '../../../core/index.ts'
import type { RpcCall, RpcClient, RpcRequest, RpcService } from '../../../mesh/index.ts'
import { ChainSync } from '../../../node/chain-sync.ts'
import { LaneStreams, streamRuns } from '../../../node/lane-stream.ts'
import {
  CHAIN_PIECE_BYTES,
  CHAIN_STREAM_BLOCKS_MIN,
  CHAIN_STREAMS_MAX
} from '../../../node/limits.ts'
import { silentLog } from '../../doubles/silent-log.ts'
import { appendBlocks, kit, recordsOf } from '../chain/kit.ts'

const OWNER = kit(1).lane
const BLOCKS = CHAIN_STREAM_BLOCKS_MIN + 40

interface Line {
  readonly rpc: RpcClient
  readonly methods: string[]
  /** Those of which something was wrong. */
  readonly cancelled: string[]
}

/** A way to one peer that serves `service`. */
function lineTo(service: Pick<RpcService, 'serve'>, peer: NodeId): Line {
  const methods: string[] = []
  const cancelled: string[] = []
  const open = (_peer: NodeId, _name: string, method: string, body: Cbor): RpcCall => {
    methods.push(method)
    const [near, far] = channelPair()
    const signal = new AbortController().signal
    const request: RpcRequest = { peer, method, body, signal, channel: far }
    const result = service.serve(request).then(
      (value) => {
        far.end()
        return value
      },
      (error: WeaverError) => {
        far.abort(error)
        throw error
      }
    )
    result.catch(() => undefined)
    const cancel = (reason: WeaverError): void => {
      cancelled.push(reason.code)
      near.abort(reason)
    }
    return { channel: near, result, cancel }
  }
  const rpc: RpcClient = {
    open,
    call: async (...args) => open(args[0], args[1], args[2], args[3]).result,
    notify: () => undefined
  }
  return { rpc, methods, cancelled }
}

async function ownerWith(blocks: number): Promise<Chain> {
  const chain = await kit(1).open()
  await appendBlocks(chain, ...Array.from({ length: blocks }, () => 1))
  return chain
}

function syncOf(self: NodeId, chain: Chain, rpc: RpcClient): ChainSync {
  return new ChainSync({
    self,
    chain,
    rpc,
    log: silentLog,
    meter: () => undefined,
    connectedPeers: () => [],
    isMember: () => true,
    onFailed: () => undefined,
    onForked: () => undefined,
    onHeads: () => undefined
  })
}

/** A member that held nothing, heard of the owner's lane, and now has it up to `height`. */
async function fetched(service: Pick<RpcService, 'serve'>, owner: Chain, height: number) {
  const reader = kit(2)
  const replica = await reader.open()
  const line = lineTo(service, reader.lane)
  const sync = syncOf(reader.lane, replica, line.rpc)
  const there = Promise.withResolvers<void>()
  replica.onAdvance((head) => {
    if (head.height >= height) there.resolve()
  })
  sync.heard(OWNER, owner.heads())
  await there.promise
  await sync.stop()
  return { replica, ...line }
}

async function runsOf(rpc: RpcClient, want: Want): Promise<readonly RecordRun[]> {
  const runs: RecordRun[] = []
  const deps = { rpc, meter: () => undefined, signal: new AbortController().signal }
  for await (const run of streamRuns(deps, OWNER, want)) runs.push(run)
  return runs
}

describe('node: the blocks of a lane as one stream', () => {
  it('brings many blocks in one call, each once and in order', async () => {
    const owner = await ownerWith(BLOCKS)
    const serving = syncOf(OWNER, owner, lineTo({ serve: () => Promise.reject(owner) }, OWNER).rpc)
    const { methods, replica, cancelled } = await fetched(serving.service(), owner, BLOCKS)
    assert.deepEqual(methods, ['stream'])
    assert.deepEqual(cancelled, [])
    assert.deepEqual(await recordsOf(replica, OWNER), await recordsOf(owner, OWNER))
    await Promise.all([replica.stop(), serving.stop(), owner.stop()])
  })

  it('few blocks come in the answer of a call', async () => {
    const owner = await ownerWith(5)
    const serving = syncOf(OWNER, owner, lineTo({ serve: () => Promise.reject(owner) }, OWNER).rpc)
    const { methods, replica } = await fetched(serving.service(), owner, 5)
    assert.deepEqual(methods, ['read'])
    assert.equal(replica.heads()[0]?.height, 5)
    await Promise.all([replica.stop(), serving.stop(), owner.stop()])
  })

  it('a peer of an older version, which knows no streams, is asked by calls', async () => {
    const owner = await ownerWith(BLOCKS)
    const serving = syncOf(OWNER, owner, lineTo({ serve: () => Promise.reject(owner) }, OWNER).rpc)
    const service = serving.service()
    const old = {
      serve: (request: RpcRequest): Promise<Cbor> =>
        request.method === 'read'
          ? service.serve(request)
          : Promise.reject(new WeaverError('NODE_NO_SUCH_METHOD', 'Cannot serve that'))
    }
    const { methods, replica } = await fetched(old, owner, BLOCKS)
    assert.deepEqual(methods.slice(0, 2), ['stream', 'read'])
    assert.equal(replica.heads()[0]?.height, BLOCKS)
    await Promise.all([replica.stop(), serving.stop(), owner.stop()])
  })

  it('bytes that are no records end it, and what came before them is stored', async () => {
    const owner = await ownerWith(BLOCKS)
    const good = concatBytes(...(await recordsOf(owner, OWNER)).slice(0, 9))
    const liar = {
      serve: async ({ channel }: RpcRequest): Promise<Cbor> => {
        for (let sent = 0; sent < 400_000; sent += good.length) await channel.send(good)
        await channel.send(new Uint8Array(1000).fill(7))
        return { next: 2 }
      }
    }
    const { cancelled, replica } = await fetched(liar, owner, 9)
    assert.deepEqual(cancelled, ['NODE_CALL_DROPPED'])
    assert.equal(replica.heads()[0]?.height, 9)
    assert.equal((await replica.verify()).ok, true)
    await Promise.all([replica.stop(), owner.stop()])
  })

  it('no frame is larger than travels in one piece, and a peer has so many streams and no more (S2)', async () => {
    const owner = await kit(1).open()
    await appendBlocks(owner, ...Array.from({ length: 3 }, () => 400))
    const streams = new LaneStreams({ chain: owner, meter: () => undefined })
    const want: Want = { lane: OWNER, fromHeight: 1, toHeight: 3 }
    const held = Promise.withResolvers<void>()
    const sizes: number[] = []
    const send = async (frame: Uint8Array): Promise<void> => {
      sizes.push(frame.length)
      await held.promise
    }
    const serve = (): Promise<number> => streams.serve({ peer: OWNER, channel: { send }, want })
    const underWay = Array.from({ length: CHAIN_STREAMS_MAX }, serve)
    await assert.rejects(serve, { code: 'NODE_BUSY', retry: 'later' })
    held.resolve()
    assert.deepEqual(
      await Promise.all(underWay),
      underWay.map(() => 4)
    )
    assert.equal(await serve(), 4)
    assert(sizes.every((size) => size <= CHAIN_PIECE_BYTES))
    await owner.stop()
  })

  it('an answer that stops short brings what there was', async () => {
    const owner = await ownerWith(10)
    const records = await recordsOf(owner, OWNER)
    const bytes = concatBytes(...records)
    const peer = {
      serve: async ({ channel }: RpcRequest): Promise<Cbor> => {
        await channel.send(bytes.subarray(0, bytes.length - 1))
        return { next: 11 }
      }
    }
    const runs = await runsOf(lineTo(peer, OWNER).rpc, { lane: OWNER, fromHeight: 1, toHeight: 10 })
    assert.deepEqual(
      runs.flatMap((run) => run.records.map(({ height }) => height)),
      [1, 2, 3, 4, 5, 6, 7, 8, 9]
    )
    await owner.stop()
  })
})
