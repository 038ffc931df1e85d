// A plain libp2p host with none of our code: what anybody can run against a listening port.

import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

const PROTOCOLS = [
  '/ipfs/id/1.0.0',
  '/ipfs/ping/1.0.0',
  '/weft/join/1',
  '/weft/hello/1',
  '/anything/1'
]

export interface Stranger {
  /** Dials, opens every protocol it can think of, and says what came of it. */
  knock(addresses: readonly string[]): Promise<{ streams: number; bytes: number }>
  stop(): Promise<void>
}

export async function stranger(): Promise<Stranger> {
  const host = await createLibp2p({
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()]
  })
  return {
    knock: async (addresses) => {
      let streams = 0
      let bytes = 0
      for (const address of addresses) {
        for (const protocol of PROTOCOLS) {
          try {
            const stream = await host.dialProtocol(multiaddr(address), protocol)
            stream.addEventListener('message', (event) => (bytes += event.data.byteLength))
            await new Promise((resolve) => stream.addEventListener('close', resolve))
            if (bytes > 0) streams += 1
          } catch {
            // Closed, as it should be.
          }
        }
      }
      return { streams, bytes }
    },
    stop: async () => {
      await host.stop()
    }
  }
}
