// The other process of the bench mesh-blobs: keeps one blob and serves it, by our fetch and by libp2p alone.

import { rm } from 'node:fs/promises'
import process from 'node:process'
import { openBlobs } from './peers/blob-node.ts'
import { SOURCE, startBare, startRpc, sendAll } from './peers/echo-node.ts'

const [folder = '', size = '0'] = process.argv.slice(2)
const { network, rpc } = await startRpc(1, ['rpc', 'blobs'])
rpc.serve({ name: 'rpc', serve: async ({ body }) => (body instanceof Uint8Array ? body : null) })
const blobs = await openBlobs(folder, rpc, () => [])
rpc.serve(blobs.service)

const chunk = new Uint8Array(65_536)
for (let at = 0; at < chunk.length; at += 1) chunk[at] = (at * 2_654_435_761) >>> 24
const pieces = Number(size) / chunk.length

async function* bytes(): AsyncGenerator<Uint8Array> {
  // A number in each piece: no two chunks of the blob are the same.
  for (let piece = 0; piece < pieces; piece += 1) {
    const own = chunk.slice()
    new DataView(own.buffer).setUint32(0, piece)
    yield own
  }
}
const { signal } = new AbortController()
const { id } = await blobs.put(bytes(), { isPinned: true, signal })

const bare = await startBare()
await bare.handle(SOURCE, (stream) => {
  stream.addEventListener('message', () => void sendAll(stream, chunk, pieces), { once: true })
})

process.send?.({
  id,
  nodeId: network.self,
  rpc: network.addresses(),
  bare: bare.getMultiaddrs().map((address) => address.toString())
})
process.on('message', () => {
  process.send?.({ residentBytes: process.memoryUsage().rss })
})
process.on('disconnect', () => {
  void rm(folder, { recursive: true, force: true }).then(() => process.exit())
})
