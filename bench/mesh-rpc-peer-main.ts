// The other process of the bench mesh-rpc: answers by our RPC, by libp2p alone, and by NATS.

import process from 'node:process'
import type { Cbor } from '../core/index.ts'
import { ECHO, SINK, startBare, startRpc } from './peers/echo-node.ts'
import { NatsClient } from './peers/nats.ts'
import { costMeter } from './peers/cost.ts'

const { network, rpc } = await startRpc(1)
rpc.serve({
  name: 'rpc',
  serve: async ({ method, body, channel }): Promise<Cbor> => {
    if (method === 'echo') return body instanceof Uint8Array ? body : null
    let bytes = 0
    for await (const frame of channel.frames) bytes += frame.length
    return bytes
  }
})

const bare = await startBare()
await bare.handle(ECHO, (stream) => {
  stream.addEventListener('message', ({ data }) => void stream.send(data))
})
await bare.handle(SINK, (stream, connection) => {
  const wanted = 8192 * 65_536
  let bytes = 0
  stream.addEventListener('message', ({ data }) => {
    bytes += data.byteLength
    if (bytes >= wanted) stream.send(Uint8Array.of(1))
  })
  connection.addEventListener('close', () => undefined)
})

const [port] = process.argv.slice(2)
if (port !== undefined) {
  const nats = await NatsClient.open(Number(port))
  nats.subscribe('echo', (payload, replyTo) => nats.publish(replyTo ?? '', payload))
}

process.send?.({
  nodeId: network.self,
  rpc: network.addresses(),
  bare: bare.getMultiaddrs().map((address) => address.toString())
})
const cost = costMeter()
process.on('message', () => process.send?.(cost()))
process.on('disconnect', () => process.exit())
