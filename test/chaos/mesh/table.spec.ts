// Goal: a member at a new address, and whoever has a blob, are found through the members' hash table alone.
// Method: whole meshes on real hosts on loopback. Every other way is closed: no documents (which carry
// addresses), no circuits through the third member, no multicast; and where a member moves, the one who looks
// for it has moved too, so that neither knows where to dial.

import assert from 'node:assert/strict'
import process from 'node:process'
import { millis, signerFromSeed, WeaverError } from '../../../core/index.ts'
import type { NodeId } from '../../../core/index.ts'
import { systemClock, systemEntropy } from '../../../core/system.ts'
import { BLOB_ASK_PEERS_MAX } from '../../../mesh/blobs/limits.ts'
import { Blobs } from '../../../mesh/index.ts'
import { MemoryBlobDisk } from '../../doubles/blob-disk.ts'
import { MemoryStore } from '../../doubles/memory-store.ts'
import { silentLog } from '../../doubles/silent-log.ts'
import { RealNode } from '../../soak/real-node.ts'
import { until } from '../kernel/lab.ts'

const never = (): AbortSignal => new AbortController().signal

describe('the hash table alone', function () {
  this.timeout('90s')
  const nodes: RealNode[] = []

  before(function () {
    if (process.platform !== 'linux') {
      console.log('      skipped: other systems have one loopback address')
      this.skip()
    }
  })

  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.stop()))
  })

  /** The first has founded the mesh, and all are connected with each other. */
  async function mesh(refuses: (protocol: string) => boolean): Promise<readonly RealNode[]> {
    for (const [index, name] of ['server', 'laptop', 'tablet'].entries()) {
      const node = new RealNode(name, `127.0.1.${index + 1}`)
      node.refuses = refuses
      nodes.push(node)
      await node.start()
    }
    const [server, ...others] = nodes
    assert(server !== undefined)
    await server.mesh.found()
    for (const { mesh: joining } of others) {
      const terms = { ttlMs: millis(600_000), uses: 1, role: 'member' } as const
      const { line } = await server.mesh.invite(terms)
      await joining.join(line, never())
    }
    await untilConnected(nodes)
    return nodes
  }

  async function untilConnected(all: readonly RealNode[]): Promise<void> {
    const isWhole = (): boolean =>
      all.every((node) => node.mesh.status().connected === nodes.length - 1)
    await until(isWhole, 60_000)
  }

  /** Both start again elsewhere: they know where the server is, and not where the other one is. */
  async function bothMove(host: number): Promise<void> {
    const [, laptop, tablet] = nodes
    assert(laptop !== undefined && tablet !== undefined)
    await Promise.all([laptop.stop(), tablet.stop()])
    await laptop.move(`127.0.2.${host}`)
    await tablet.move(`127.0.3.${host}`)
  }

  const isOtherWay = (protocol: string): boolean =>
    protocol.includes('/documents/') || protocol.includes('/circuit/relay/')

  it('leads a member that has moved to another one that has moved as well', async () => {
    await mesh(isOtherWay)
    const [, laptop, tablet] = nodes
    assert(laptop !== undefined && tablet !== undefined)
    const found: string[] = []
    for (const node of [laptop, tablet]) {
      node.onFound = (_, addresses) => void found.push(...addresses)
    }
    await bothMove(1)
    await untilConnected(nodes)
    const paths = [
      laptop.mesh.paths.of(tablet.mesh.nodeId),
      tablet.mesh.paths.of(laptop.mesh.nodeId)
    ]
    assert.deepEqual(
      paths.map((path) => path?.isDirect),
      [true, true]
    )
    const reached = paths.map((path) => path?.address.replace(/\/p2p\/.*/, '') ?? '')
    const told = JSON.stringify({ reached, found })
    assert.ok(
      found.some((address) => reached.includes(address.replace(/\/p2p\/.*/, ''))),
      told
    )
  })

  it('is what led them there: without it they do not meet', async () => {
    await mesh((protocol) => isOtherWay(protocol) || protocol.includes('/kad/'))
    const [server, laptop, tablet] = nodes
    assert(server !== undefined && laptop !== undefined && tablet !== undefined)
    await bothMove(2)
    await until(() => server.mesh.status().connected === 2, 30_000)
    const searches: unknown[] = []
    const missing = tablet.mesh.nodeId
    // Two searches of each have come to nothing: the table has been asked, and could say nothing.
    laptop.onFound = (peer, found) => {
      if (peer === missing) searches.push(found)
    }
    await until(() => searches.length >= 2, 40_000)
    assert.deepEqual(searches.flat(), [])
    assert.equal(laptop.mesh.status().connected, 1)
    assert.equal(tablet.mesh.status().connected, 1)
  })

  it('leads to the member that has a blob, in a mesh too large to ask everybody', async () => {
    const [server, laptop, tablet] = await mesh(() => false)
    assert(server !== undefined && laptop !== undefined && tablet !== undefined)
    // A table begins a while after its node has met somebody.
    for (const node of [server, laptop, tablet]) await until(() => hasTable(node), 30_000)
    // So many more that are connected, as far as the one who looks knows; none of them is ever asked.
    const crowd = Array.from({ length: BLOB_ASK_PEERS_MAX + 1 }, (_, index) => {
      return signerFromSeed(new Uint8Array(32).fill(100 + index)).nodeId
    })
    const asked: NodeId[] = []
    const blobsOf = (node: RealNode): Blobs => {
      const { rpc } = node.mesh
      const blobs = new Blobs({
        disk: new MemoryBlobDisk(),
        store: new MemoryStore(),
        clock: systemClock,
        entropy: systemEntropy,
        log: silentLog,
        rpc: {
          open: (...call) => rpc.open(...call),
          notify: (...call) => rpc.notify(...call),
          call: (...call) => {
            asked.push(call[0])
            return rpc.call(...call)
          }
        },
        gate: { authorizeServe: async () => undefined },
        peers: () => [...crowd, server.mesh.nodeId, tablet.mesh.nodeId, laptop.mesh.nodeId],
        routing: () => node.mesh.paths.routing
      })
      node.mesh.serve(blobs.service)
      return blobs
    }
    const [, holder, seeker] = [blobsOf(server), blobsOf(tablet), blobsOf(laptop)]
    const bytes = new Uint8Array(systemEntropy.bytes(300_000))
    const { id } = await holder.put(once(bytes), {
      isPinned: false,
      signal: never()
    })
    const isKnown = async (): Promise<boolean> => {
      const { routing } = laptop.mesh.paths
      const key = new Uint8Array(Buffer.from(id, 'hex'))
      for await (const node of routing?.providers(key, never()) ?? []) {
        if (node === tablet.mesh.nodeId) return true
      }
      return false
    }
    await until(isKnown, 20_000)
    await seeker.get(id, { signal: never() })
    assert.ok(seeker.has(id))
    assert.deepEqual([...new Set(asked)], [tablet.mesh.nodeId], 'nobody else was asked')
    await Promise.all([holder.stop(), seeker.stop()])
  })
})

async function hasTable({ mesh }: RealNode): Promise<boolean> {
  try {
    for await (const _ of mesh.paths.routing?.providers(new Uint8Array(32), never()) ?? []) break
    return true
  } catch (error) {
    if (error instanceof WeaverError && error.code === 'MESH_ROUTING_UNAVAILABLE') return false
    throw error
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
