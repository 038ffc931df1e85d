// The mesh alone, over real TCP on loopback: no chain, no scheduler, nothing on disk.

import { millis, signerFromSeed } from '../../core/index.ts'
import { systemClock, systemEntropy, systemPrng } from '../../core/system.ts'
import { createMesh, libp2pNetwork } from '../../mesh/index.ts'
import type { Mesh, Network } from '../../mesh/index.ts'
import { MemoryStore } from '../../test/doubles/memory-store.ts'
import { silentLog } from '../../test/doubles/silent-log.ts'

export interface BareMesh {
  readonly mesh: Mesh
  readonly stop: () => Promise<void>
}

/** To be started: services are offered before. */
export function bareMesh(name: string): BareMesh {
  const seed = systemEntropy.bytes(32)
  const listen = ['/ip4/127.0.0.1/tcp/0']
  const network: Network = libp2pNetwork({ seed, clock: systemClock, log: silentLog }, { listen })
  const mesh = createMesh(
    {
      network,
      clock: systemClock,
      prng: systemPrng,
      entropy: systemEntropy,
      signer: signerFromSeed(seed),
      store: new MemoryStore(),
      log: silentLog,
      ledger: { record: async () => {} },
      pulse: { collect: () => null, receive: () => {} }
    },
    { name, incarnation: { generation: 1, bootId: name } }
  )
  return { mesh, stop: () => mesh.stop() }
}

export async function inviteLine(mesh: Mesh): Promise<string> {
  const { line } = await mesh.invite({ ttlMs: millis(600_000), uses: 1, role: 'member' })
  return line
}

/** Until somebody else is alive here. */
export async function untilConnected(mesh: Mesh): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const look = (): void => {
    if (mesh.peers().some(({ state }) => state === 'alive')) resolve()
  }
  const forget = mesh.onPeerChange(look)
  look()
  await promise
  forget()
}
