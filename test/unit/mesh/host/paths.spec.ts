// Circuits, WebSockets, libp2p's own services and a restart, over real hosts on loopback.

import assert from 'node:assert/strict'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { signerFromSeed } from '../../../../core/index.ts'
import { systemClock } from '../../../../core/system.ts'
import { libp2pNetwork } from '../../../../mesh/libp2p-host.ts'
import type { ByteStream, Connection, Network } from '../../../../mesh/ports.ts'
import { silentLog } from '../../../doubles/silent-log.ts'

const PROTOCOL = '/test/1'
const HOP = '/libp2p/circuit/relay/0.2.0/hop'
const never = (): AbortSignal => new AbortController().signal
const seedOf = (number: number): Uint8Array => new Uint8Array(32).fill(number)

interface Node {
  readonly network: Network
  readonly connections: Connection[]
  readonly strangers: Set<string>
}

async function echo(stream: ByteStream): Promise<void> {
  try {
    for await (const chunk of stream.chunks) await stream.write(chunk)
    await stream.end()
  } catch {
    // Cut by the other side, which looks at it.
  }
}

async function echoed(connection: Connection, bytes: number): Promise<number> {
  const stream = await connection.openStream(PROTOCOL, never())
  const sending = (async () => {
    for (let sent = 0; sent < bytes; sent += 65_536) await stream.write(new Uint8Array(65_536))
    await stream.end()
  })()
  let received = 0
  for await (const chunk of stream.chunks) received += chunk.length
  await sending
  return received
}

const dial = (
  { network }: Node,
  to: Node,
  addresses = to.network.addresses()
): Promise<Connection> => network.dial({ nodeId: to.network.self, addresses }, never())

describe('paths of libp2pNetwork()', () => {
  const open: { stop(): unknown }[] = []
  afterEach(async () => {
    await Promise.all(open.splice(0).map((each) => each.stop()))
  })

  /** Admits everybody; whoever is in `strangers` may open nothing. Echoes. */
  async function node(
    number: number,
    listen: readonly string[] = ['/ip4/127.0.0.1/tcp/0']
  ): Promise<Node> {
    const network = libp2pNetwork(
      { seed: seedOf(number), clock: systemClock, log: silentLog },
      { listen }
    )
    const connections: Connection[] = []
    const strangers = new Set<string>()
    network.handle([PROTOCOL])
    open.push(network)
    await network.start({
      admits: () => true,
      admitsStream: (peer) => !strangers.has(peer),
      connected: (connection) => {
        connections.push(connection)
        connection.onStream((_, stream) => void echo(stream))
      }
    })
    return { network, connections, strangers }
  }

  it('carries four mebibytes through a member that relays, each way, without libp2p’s limits', async () => {
    const [relay, a, b] = [await node(1), await node(2), await node(3, [])]
    const toRelay = await dial(b, relay)
    await b.network.paths?.reserve(toRelay, never())
    await dial(a, relay)
    const circuit = `/p2p/${relay.network.self}/p2p-circuit`
    const connection = await dial(a, b, [circuit])
    assert.equal(connection.peer, b.network.self)
    assert.match(connection.remoteAddress, /\/p2p-circuit\/p2p\//)
    assert.equal(await echoed(connection, 4 * 1024 * 1024), 4 * 1024 * 1024)
    const inbound = b.connections.find(({ peer }) => peer === a.network.self)
    assert.match(inbound?.remoteAddress ?? '', /p2p-circuit/)
  })

  it('relays neither for nor to a stranger, nor to who has not asked for it', async () => {
    const [relay, a, b] = [await node(1), await node(2), await node(3, [])]
    const circuit = `/p2p/${relay.network.self}/p2p-circuit`
    const toRelay = await dial(b, relay)
    await dial(a, relay)
    await assert.rejects(dial(a, b, [circuit]), { message: /no reservation/ })
    await b.network.paths?.reserve(toRelay, never())
    relay.strangers.add(a.network.self)
    await assert.rejects(dial(a, b, [circuit]), { code: 'MESH_DIAL_FAILED' })
    relay.strangers.add(b.network.self)
    await assert.rejects(async () => b.network.paths?.reserve(toRelay, never()), {
      code: 'MESH_RELAY_FAILED'
    })
  })

  it('speaks WebSockets where it is told to listen so', async () => {
    const there = await node(1, ['/ip4/127.0.0.1/tcp/0/ws'])
    const here = await node(2)
    assert.match(there.network.addresses()[0] ?? '', /\/tcp\/\d+\/ws\/p2p\//)
    const connection = await dial(here, there)
    assert.equal(await echoed(connection, 1024 * 1024), 1024 * 1024)
  })

  it('answers identify and ping of a plain libp2p member, and nothing of a stranger', async () => {
    const ours = await node(1)
    const client = await createLibp2p({
      privateKey: await generateKeyPairFromSeed('Ed25519', seedOf(9)),
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: { identify: identify({ runOnConnectionOpen: false }), ping: ping() }
    })
    open.push(client)
    const connection = await client.dial(multiaddr(ours.network.addresses()[0] ?? ''))
    const { protocols } = await client.services.identify.identify(connection)
    assert.ok(protocols.includes('/ipfs/ping/1.0.0'))
    assert.ok((await client.services.ping.ping(connection.remotePeer)) >= 0)
    assert.ok((await client.services.ping.ping(connection.remotePeer)) >= 0)
    for (const protocol of [
      '/ipfs/id/push/1.0.0',
      '/ipfs/kad/1.0.0',
      '/meshsub/1.1.0',
      '/libp2p/dcutr'
    ]) {
      await assert.rejects(connection.newStream(protocol), protocol)
    }
    ours.strangers.add(signerFromSeed(seedOf(9)).nodeId)
    await assert.rejects(client.services.identify.identify(connection))
    await assert.rejects(client.services.ping.ping(connection.remotePeer))
    let bytes = 0
    const hop = await connection.newStream(HOP).catch(() => null)
    for await (const chunk of hop ?? []) bytes += chunk.byteLength
    assert.equal(bytes, 0)
  })

  it('restarts its host on the same port when an address to listen on is back (H4)', async function () {
    if (process.platform !== 'linux') {
      process.stderr.write('skipped: other systems have one loopback address\n')
      this.skip()
    }
    let machine = '127.0.0.2/8'
    const network = libp2pNetwork(
      { seed: seedOf(1), clock: systemClock, log: silentLog, machineAddresses: () => machine },
      { listen: ['/ip4/127.0.0.2/tcp/0'] }
    )
    open.push(network)
    network.handle([PROTOCOL])
    await network.start({
      admits: () => true,
      admitsStream: () => true,
      connected: (connection) => connection.onStream((_, stream) => void echo(stream))
    })
    const addresses = network.addresses()
    const here = await node(2)
    const again = (): Promise<Connection> =>
      here.network.dial({ nodeId: network.self, addresses }, never())
    const first = await again()
    assert.equal(network.paths?.refresh(), false)
    machine = ''
    assert.equal(network.paths?.refresh(), true)
    assert.equal(await echoed(first, 1), 65_536)
    machine = '127.0.0.2/8'
    assert.equal(network.paths?.refresh(), true)
    await first.closed
    let second: Connection | null = null
    while (second === null) second = await again().catch(() => null)
    assert.equal(await echoed(second, 1), 65_536)
    assert.deepEqual(network.addresses(), addresses)
  })
})
