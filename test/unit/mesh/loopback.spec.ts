// Two meshes over real TCP on loopback: the same code as over the network in memory, once for real.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { millis, signerFromSeed } from '../../../core/index.ts'
import { systemClock, systemEntropy, systemPrng } from '../../../core/system.ts'
import { createMesh, libp2pNetwork } from '../../../mesh/index.ts'
import type { Mesh, Network } from '../../../mesh/index.ts'
import { MemoryStore } from '../../doubles/memory-store.ts'
import { silentLog } from '../../doubles/silent-log.ts'

interface Side {
  readonly mesh: Mesh
  readonly network: Network
}

async function started(name: string): Promise<Side> {
  const seed = new Uint8Array(createHash('sha256').update(name).digest())
  const clock = systemClock
  const listen = ['/ip4/127.0.0.1/tcp/0']
  const network = libp2pNetwork({ seed, clock, log: silentLog }, { listen })
  const mesh = createMesh(
    {
      network,
      clock,
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
  await mesh.start()
  return { mesh, network }
}

async function untilState(mesh: Mesh, name: string, state: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const look = (): void => {
    if (mesh.peers().some((peer) => peer.name === name && peer.state === state)) resolve()
  }
  const forget = mesh.onPeerChange(look)
  look()
  await promise
  forget()
}

describe('mesh: two nodes over TCP', () => {
  it('join, show rows, notice a broken connection, and refuse who comes too late', async function () {
    this.timeout('10s')
    const signal = new AbortController().signal
    const laptop = await started('laptop')
    const server = await started('server')
    const late = await started('late')
    try {
      await laptop.mesh.found()
      const terms = { ttlMs: millis(60_000), uses: 1, role: 'member' } as const
      const { line } = await laptop.mesh.invite(terms)
      await server.mesh.join(line, signal)
      await Promise.all([
        untilState(laptop.mesh, 'server', 'alive'),
        untilState(server.mesh, 'laptop', 'alive')
      ])
      await assert.rejects(late.mesh.join(line, signal), { code: 'MESH_INVITE_USED' })
      const seen = Promise.withResolvers<void>()
      server.mesh.rows.onChange((node) => {
        if (server.mesh.rows.of(node)['processes']?.['1'] === 'running') seen.resolve()
      })
      laptop.mesh.rows.put('processes', '1', 'running')
      await seen.promise
      await server.network.stop()
      await untilState(laptop.mesh, 'server', 'suspect')
    } finally {
      await Promise.all([laptop.mesh.stop(), server.mesh.stop(), late.mesh.stop()])
    }
  })
})
