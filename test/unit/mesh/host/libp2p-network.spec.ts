import assert from 'node:assert/strict'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { systemClock } from '../../../../core/system.ts'
import { signerFromSeed, WeaverError } from '../../../../core/index.ts'
import { libp2pNetwork } from '../../../../mesh/libp2p-host.ts'
import type { ByteStream, Connection, ConnectionAcceptor, Network } from '../../../../mesh/ports.ts'
import { describeNetwork } from '../../../conformance/network.ts'
import { silentLog } from '../../../doubles/silent-log.ts'
import { untilQuiet } from '../../../sim/world/quiet.ts'

const LOOPBACK = ['/ip4/127.0.0.1/tcp/0']

const never = (): AbortSignal => new AbortController().signal

function loopback(seed: number, listen: readonly string[] = LOOPBACK): Network {
  const deps = { seed: new Uint8Array(32).fill(seed), clock: systemClock, log: silentLog }
  return libp2pNetwork(deps, { listen })
}

describeNetwork('libp2p on loopback', () => {
  const networks: Network[] = []
  return {
    create: () => {
      const network = loopback(networks.length + 1)
      networks.push(network)
      return network
    },
    settle: (done) => done,
    stop: async () => {
      await Promise.all(networks.map((network) => network.stop()))
    }
  }
})

describe('libp2pNetwork()', () => {
  const open: { stop(): Promise<void> }[] = []
  const cut = Promise.withResolvers<void>()
  const nobody: ConnectionAcceptor = {
    admits: () => true,
    admitsStream: () => true,
    connected: () => undefined
  }

  afterEach(async () => {
    await Promise.all(open.splice(0).map((one) => one.stop()))
  })

  function opened(network: Network): Network {
    open.push(network)
    return network
  }

  async function listening(): Promise<{ server: Server; port: number }> {
    // It reads, so that `close` below proves that whoever dialled has let go of the socket.
    const server = createServer((socket) => socket.on('error', () => undefined).resume())
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    open.push({ stop: () => new Promise((resolve) => server.close(() => resolve())) })
    const address = server.address() as AddressInfo
    return { server, port: address.port }
  }

  it('has the node id of its seed as its peer id', async () => {
    const network = opened(loopback(1))
    assert.equal(network.self, signerFromSeed(new Uint8Array(32).fill(1)).nodeId)
    assert.deepEqual(network.addresses(), [])
    await network.start(nobody)
    const [address] = network.addresses()
    assert.match(address ?? '', /^\/ip4\/127\.0\.0\.1\/tcp\/[1-9]\d*\/p2p\/12D3KooW/)
  })

  it('gives concrete addresses for a wildcard, loopback last', async () => {
    const network = opened(loopback(1, ['/ip4/0.0.0.0/tcp/0']))
    await network.start(nobody)
    const addresses = network.addresses()
    assert.ok(addresses.length > 0)
    assert.ok(addresses.every((address) => !address.includes('0.0.0.0')))
    assert.match(addresses.at(-1) ?? '', /^\/ip4\/127\./)
  })

  it('names the address whose port is in use, and leaves nothing open', async () => {
    const { port } = await listening()
    const taken = `/ip4/127.0.0.1/tcp/${port}`
    const network = opened(loopback(1, [...LOOPBACK, taken]))
    await assert.rejects(network.start(nobody), (error) => {
      assert.ok(error instanceof WeaverError)
      assert.equal(error.code, 'MESH_LISTEN_FAILED')
      assert.equal(error.message, `Cannot listen on ${taken}: the port is in use`)
      return true
    })
    assert.deepEqual(network.addresses(), [])
  })

  it('refuses to listen on what is no address for TCP', async () => {
    for (const address of ['nonsense', '/ip4/127.0.0.1/udp/4001', '/ip4/203.0.113.1/tcp/0']) {
      const network = opened(loopback(1, [address]))
      await assert.rejects(network.start(nobody), { code: 'MESH_LISTEN_FAILED' })
    }
  })

  it('reaches a peer of which only one address answers', async () => {
    const there = opened(loopback(2))
    await there.start(nobody)
    const here = opened(loopback(1))
    await here.start(nobody)
    const closed = await listening()
    closed.server.close()
    const addresses = [`/ip4/127.0.0.1/tcp/${closed.port}`, ...there.addresses()]
    const connection = await here.dial({ nodeId: there.self, addresses }, never())
    assert.equal(connection.peer, there.self)
  })

  it('does not wait for an address that accepts and stays silent', async () => {
    const silent = await listening()
    const there = opened(loopback(2))
    await there.start(nobody)
    const here = opened(loopback(1))
    await here.start(nobody)
    const addresses = [`/ip4/127.0.0.1/tcp/${silent.port}`, ...there.addresses()]
    const connection = await here.dial({ nodeId: there.self, addresses }, never())
    assert.equal(connection.peer, there.self)
    const given = new AbortController()
    const dialled = here.dial(
      { nodeId: there.self, addresses: addresses.slice(0, 1) },
      given.signal
    )
    given.abort(new Error('enough'))
    await assert.rejects(dialled, { code: 'MESH_DIAL_ABORTED' })
  })

  it('takes 64 MiB past a reader that stops and goes on, with bounded buffers (B1)', async () => {
    const { stream, served } = await streamPair()
    const chunk = new Uint8Array(64 * 1024)
    const chunks = 1024
    let sent = 0
    let ahead = 0
    let received = 0
    const writing = (async () => {
      for (let i = 0; i < chunks; i++) {
        chunk.fill(i)
        await stream.write(chunk.slice())
        sent += chunk.length
        ahead = Math.max(ahead, sent - received)
      }
      await stream.end()
    })()
    for await (const bytes of served.chunks) {
      for (const at of [0, bytes.length - 1]) {
        assert.equal(bytes[at], Math.floor((received + at) / chunk.length) % 256)
      }
      received += bytes.length
      // A slow reader: it lets everything that can happen happen before it goes on.
      if (received % 7 === 0) await untilQuiet()
    }
    await writing
    assert.equal(received, chunks * chunk.length)
    assert.ok(ahead < 12 * 1024 * 1024, `${ahead} bytes were under way`)
  })

  it('reports a stream whose connection just ends as cut, never as ended (B2)', async () => {
    // As when the peer's process dies: TCP says goodbye for it, yamux does not.
    const proxy = await listening()
    const { stream, served } = await streamPair((there) => {
      const port = Number(/tcp\/(\d+)/.exec(there.addresses()[0] ?? '')?.[1])
      proxy.server.on('connection', (socket) => {
        const onward = connect(port, '127.0.0.1')
        socket.pipe(onward)
        onward.pipe(socket)
        open.push({ stop: async () => void [socket, onward].map((one) => one.destroy()) })
        cut.promise.then(
          () => onward.end(),
          () => undefined
        )
      })
      return [`/ip4/127.0.0.1/tcp/${proxy.port}`]
    })
    await stream.write(Uint8Array.of(1))
    const reading = (async () => {
      for await (const bytes of served.chunks) if (bytes.length > 0) cut.resolve()
    })()
    await assert.rejects(reading, { code: 'MESH_STREAM_CLOSED' })
  })

  async function streamPair(
    addressesOf: (network: Network) => readonly string[] = (network) => network.addresses()
  ): Promise<{ stream: ByteStream; served: ByteStream }> {
    const arrived = Promise.withResolvers<ByteStream>()
    const there = opened(loopback(2))
    there.handle(['/test/1'])
    await there.start({
      ...nobody,
      connected: (connection: Connection) =>
        connection.onStream((_, stream) => arrived.resolve(stream))
    })
    const here = opened(loopback(1))
    await here.start(nobody)
    const target = { nodeId: there.self, addresses: addressesOf(there) }
    const connection = await here.dial(target, never())
    const stream = await connection.openStream('/test/1', never())
    return { stream, served: await arrived.promise }
  }
})
