// The sending end of the bulk part of the bench mesh-rpc: once for each order, by our channel or by libp2p
// alone, to the process that the first argument tells of.

import process from 'node:process'
import { multiaddr } from '@multiformats/multiaddr'
import { nodeId } from '../core/index.ts'
import type { BulkOrder, BulkReport, Other } from './mesh-rpc.ts'
import { BULK_CHUNK_BYTES, BULK_CHUNKS } from './mesh-rpc.ts'
import { sendAll, SINK, startBare, startRpc } from './peers/echo-node.ts'
import { costMeter } from './peers/cost.ts'
import { timed } from './stats.ts'

const other = JSON.parse(process.argv[2] ?? '') as Other
const peer = nodeId(other.nodeId)
const { network, rpc } = await startRpc(3)
await network.dial({ nodeId: peer, addresses: other.rpc }, new AbortController().signal)
const bare = await startBare()
const connection = await bare.dial(multiaddr(other.bare[0]))
const chunk = new Uint8Array(BULK_CHUNK_BYTES)
const cost = costMeter()

async function byChannel(): Promise<void> {
  const call = rpc.open(peer, 'rpc', 'sink', null)
  for (let sent = 0; sent < BULK_CHUNKS; sent++) await call.channel.send(chunk)
  call.channel.end()
  await call.result
}

async function byStream(): Promise<void> {
  const sink = await connection.newStream(SINK)
  const done = new Promise<void>((resolve) => {
    sink.addEventListener('message', () => resolve(), { once: true })
  })
  await sendAll(sink, chunk, BULK_CHUNKS)
  await done
  await sink.close()
}

function tell(report: BulkReport): void {
  process.send?.(report)
}

process.on('message', (order: BulkOrder) => {
  cost()
  void timed(order === 'rpc' ? byChannel : byStream).then((tookMs) => {
    tell({ tookMs, cost: cost() })
    return order
  })
})
process.on('disconnect', () => process.exit())
tell({ tookMs: 0, cost: cost() })
