// The members' hash table over real hosts on loopback: asked for members and for content, for members only,
// and never dialling by itself.

import assert from 'node:assert/strict'
import { millis } from '../../../../core/index.ts'
import { systemClock } from '../../../../core/system.ts'
import { libp2pNetwork } from '../../../../mesh/libp2p-host.ts'
import type { Connection, ContentRouting, NetworkPaths } from '../../../../mesh/ports.ts'
import { silentLog } from '../../../doubles/silent-log.ts'
import type { Network } from '../../../../mesh/ports.ts'

const TABLE = '/weft/0123456789abcdef/kad/1'
const KEY = new Uint8Array(32).fill(5)
const never = (): AbortSignal => new AbortController().signal

interface Node {
  readonly network: Network
  readonly paths: NetworkPaths
  readonly connections: Connection[]
  readonly strangers: Set<string>
}

describe('the members’ hash table', () => {
  const open: Network[] = []
  afterEach(async () => {
    await Promise.all(open.splice(0).map((each) => each.stop()))
  })

  async function node(number: number): Promise<Node> {
    const network = libp2pNetwork(
      { seed: new Uint8Array(32).fill(number), clock: systemClock, log: silentLog },
      { listen: ['/ip4/127.0.0.1/tcp/0'] }
    )
    open.push(network)
    const connections: Connection[] = []
    const strangers = new Set<string>()
    await network.start({
      admits: () => true,
      admitsStream: (peer) => !strangers.has(peer),
      connected: (connection) => {
        connections.push(connection)
      }
    })
    const { paths } = network
    assert(paths !== undefined)
    paths.joinTable(TABLE)
    return { network, paths, connections, strangers }
  }

  async function connect(from: Node, to: Node): Promise<void> {
    const target = { nodeId: to.network.self, addresses: to.network.addresses() }
    await from.network.dial(target, never())
    from.paths.met(to.network.self, to.network.addresses())
    to.paths.met(from.network.self, from.network.addresses())
  }

  /** The table takes a member in when it has heard of it, which nothing tells of. */
  async function found(by: Node, whom: Node): Promise<readonly string[]> {
    for (;;) {
      const addresses = await by.paths.find(whom.network.self, never())
      if (addresses.length > 0) return addresses
      await systemClock.sleep(millis(10), never())
    }
  }

  async function providersOf(routing: ContentRouting, key: Uint8Array): Promise<string[]> {
    const all: string[] = []
    for await (const each of routing.providers(key, never())) all.push(each)
    return all
  }

  it('finds a member through another, and dials nobody by itself (T1)', async () => {
    const [a, b, c] = [await node(1), await node(2), await node(3)]
    await assert.rejects(c.paths.find(a.network.self, never()), {
      code: 'MESH_ROUTING_UNAVAILABLE'
    })
    await connect(a, b)
    await connect(c, b)
    const addresses = await found(c, a)
    const bare = a.network.addresses().map((each) => each.replace(/\/p2p\/.*/, ''))
    assert.deepEqual(
      addresses.map((each) => each.replace(/\/p2p\/.*/, '')),
      bare
    )
    assert.equal(a.connections.length + c.connections.length, 2)
    assert.deepEqual(await c.paths.find((await node(9)).network.self, never()), [])
  })

  it('says who has what, and forgets nobody of several', async () => {
    const [a, b, c] = [await node(1), await node(2), await node(3)]
    await connect(a, b)
    await connect(c, b)
    await found(c, a)
    await found(a, c)
    assert.deepEqual(await providersOf(a.paths.routing, KEY), [])
    await a.paths.routing.provide(KEY, never())
    await b.paths.routing.provide(KEY, never())
    const providers = await providersOf(c.paths.routing, KEY)
    assert.deepEqual(providers.toSorted(), [a.network.self, b.network.self].toSorted())
    assert.deepEqual(await providersOf(c.paths.routing, new Uint8Array(64)), [])
  })

  it('tells a stranger nothing, and takes nothing from it', async () => {
    const [a, b, stranger] = [await node(1), await node(2), await node(3)]
    await connect(a, b)
    b.strangers.add(stranger.network.self)
    await connect(stranger, b)
    assert.deepEqual(await stranger.paths.find(a.network.self, never()), [])
    await stranger.paths.routing.provide(KEY, never())
    assert.deepEqual(await providersOf(b.paths.routing, KEY), [])
  })

  it('ends with its mesh, and may be entered again', async () => {
    const [a, b] = [await node(1), await node(2)]
    await connect(a, b)
    a.paths.joinTable(null)
    await assert.rejects(
      async () => {
        for (;;) await a.paths.find(b.network.self, never())
      },
      { code: 'MESH_ROUTING_UNAVAILABLE' }
    )
    a.paths.joinTable(TABLE)
    await connect(a, b)
    assert.deepEqual(await providersOf(a.paths.routing, KEY), [])
  })
})
