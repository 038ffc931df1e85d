// Both ends of the comparison: our RPC over our host, and libp2p alone with the same transports.

import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { Libp2p, Stream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'
import { systemClock } from '../../core/system.ts'
import { libp2pNetwork } from '../../mesh/index.ts'
import type { Connection, Network } from '../../mesh/index.ts'
import { RpcNode } from '../../mesh/rpc/index.ts'
import { silentLog } from '../../test/doubles/silent-log.ts'

export const LISTEN = '/ip4/127.0.0.1/tcp/0'
export const ECHO = '/bench/echo/1'
export const SINK = '/bench/sink/1'
export const SOURCE = '/bench/source/1'

export interface RpcEnd {
  readonly network: Network
  readonly rpc: RpcNode
}

export async function startRpc(
  seed: number,
  services: readonly string[] = ['rpc']
): Promise<RpcEnd> {
  const deps = { seed: new Uint8Array(32).fill(seed), clock: systemClock, log: silentLog }
  const network = libp2pNetwork(deps, { listen: [LISTEN] })
  const protocolOf = (service: string): string => `/bench/${service}/1`
  const rpc = new RpcNode({ clock: systemClock, log: silentLog, protocolOf })
  network.handle(services.map(protocolOf))
  const connected = (connection: Connection): void => {
    connection.onStream((protocol, stream) => void rpc.accept(connection, protocol, stream))
    rpc.attach(connection)
  }
  await network.start({ admits: () => true, admitsStream: () => true, connected })
  return { network, rpc }
}

export async function startBare(): Promise<Libp2p> {
  return await createLibp2p({
    addresses: { listen: [LISTEN] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false }
  })
}

/** Sends, and waits where libp2p says so. */
export async function sendAll(stream: Stream, chunk: Uint8Array, count: number): Promise<void> {
  for (let sent = 0; sent < count; sent++) {
    if (stream.send(chunk)) continue
    await new Promise<void>((resolve) => {
      stream.addEventListener('drain', () => resolve(), { once: true })
    })
  }
}
