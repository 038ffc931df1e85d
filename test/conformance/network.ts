// What every Network does: run over the real one on loopback and over the simulated one.

import assert from 'node:assert/strict'
import { nodeIdOf, WeaverError } from '../../core/index.ts'
import type { NodeId } from '../../core/index.ts'
import type {
  ByteStream,
  Connection,
  ConnectionAcceptor,
  DialTarget,
  Network
} from '../../mesh/ports.ts'

export interface NetworkFixture {
  /** A network that has not started; each call gives another node. Stopped by the fixture's `stop`. */
  create(): Network
  /** Lets time pass where time is virtual, until `done` has settled. */
  settle<T>(done: Promise<T>): Promise<T>
  stop(): Promise<void>
}

const ECHO = '/test/echo/1'
const OTHER = '/test/other/1'
const STRANGER: NodeId = nodeIdOf(new Uint8Array(32).fill(9))
const never = (): AbortSignal => new AbortController().signal

/** Admits everybody unless told otherwise, and echoes. */
class Acceptor implements ConnectionAcceptor {
  readonly connections: Connection[] = []
  readonly streams: ByteStream[] = []
  isAdmitting: (peer: NodeId) => boolean = () => true
  isAdmittingStream: (peer: NodeId, protocol: string) => boolean = () => true
  onStream: (protocol: string, stream: ByteStream) => void = (_, stream) => {
    void echo(stream)
  }
  #connected = Promise.withResolvers<Connection>()

  admits(peer: NodeId): boolean {
    return this.isAdmitting(peer)
  }

  admitsStream(peer: NodeId, protocol: string): boolean {
    return this.isAdmittingStream(peer, protocol)
  }

  connected(connection: Connection): void {
    this.connections.push(connection)
    connection.onStream((protocol, stream) => {
      this.streams.push(stream)
      this.onStream(protocol, stream)
    })
    this.#connected.resolve(connection)
  }

  get first(): Promise<Connection> {
    return this.#connected.promise
  }
}

async function echo(stream: ByteStream): Promise<void> {
  try {
    for await (const chunk of stream.chunks) await stream.write(chunk)
    await stream.end()
  } catch {
    // The other side cut it: these tests look at the other side.
  }
}

async function readAll(stream: ByteStream): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const chunk of stream.chunks) parts.push(chunk)
  return new Uint8Array(Buffer.concat(parts))
}

function failsWith(...codes: readonly string[]): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof WeaverError, `not a WeaverError: ${String(error)}`)
    assert.ok(codes.includes(error.code), `${error.code} is not one of ${codes.join(', ')}`)
    return true
  }
}

function targetOf(network: Network): DialTarget {
  return { nodeId: network.self, addresses: network.addresses() }
}

/** Time for two ends to exchange whatever they would: nobody answers, so the stream is cut. */
async function roundTrip(stream: ByteStream): Promise<void> {
  await stream.write(Uint8Array.of(1))
  stream.abort(new WeaverError('TEST_DONE', 'done'))
}

export function describeNetwork(name: string, open: () => NetworkFixture): void {
  describe(`${name} as a Network`, () => {
    let fixture: NetworkFixture
    beforeEach(() => {
      fixture = open()
    })
    afterEach(() => fixture.stop())

    const settle = <T>(done: Promise<T>): Promise<T> => fixture.settle(done)

    async function node(): Promise<{ network: Network; acceptor: Acceptor }> {
      const network = fixture.create()
      const acceptor = new Acceptor()
      network.handle([ECHO])
      await settle(network.start(acceptor))
      return { network, acceptor }
    }

    async function connectedPair(): Promise<{
      here: { network: Network; acceptor: Acceptor }
      there: { network: Network; acceptor: Acceptor }
      connection: Connection
    }> {
      const here = await node()
      const there = await node()
      const connection = await settle(here.network.dial(targetOf(there.network), never()))
      await settle(there.acceptor.first)
      return { here, there, connection }
    }

    it('names both ends of a connection and tells both acceptors once', async () => {
      const { here, there, connection } = await connectedPair()
      assert.equal(connection.peer, there.network.self)
      assert.equal(connection.direction, 'outbound')
      assert.ok(connection.remoteAddress.endsWith(`/p2p/${there.network.self}`))
      assert.deepEqual(here.acceptor.connections, [connection])
      assert.equal(there.acceptor.connections.length, 1)
      const inbound = await there.acceptor.first
      assert.equal(inbound.peer, here.network.self)
      assert.equal(inbound.direction, 'inbound')
    })

    it('gives addresses that end in its own id', async () => {
      const { network } = await node()
      assert.ok(network.addresses().length > 0)
      for (const address of network.addresses()) {
        assert.ok(address.endsWith(`/p2p/${network.self}`), address)
      }
    })

    it('carries bytes both ways on a stream, and ends it in good order', async () => {
      const { connection } = await connectedPair()
      const stream = await settle(connection.openStream(ECHO, never()))
      await settle(stream.write(Uint8Array.of(1, 2, 3)))
      await settle(stream.write(Uint8Array.of(4)))
      await settle(stream.end())
      assert.deepEqual(await settle(readAll(stream)), Uint8Array.of(1, 2, 3, 4))
    })

    it('lets the side that was dialled open streams too', async () => {
      const { there } = await connectedPair()
      const stream = await settle((await there.acceptor.first).openStream(ECHO, never()))
      await settle(stream.write(Uint8Array.of(7)))
      await settle(stream.end())
      assert.deepEqual(await settle(readAll(stream)), Uint8Array.of(7))
    })

    it('reports a reader that stays away as backpressure, and loses nothing', async () => {
      const { there, connection } = await connectedPair()
      there.acceptor.onStream = () => undefined
      const stream = await settle(connection.openStream(ECHO, never()))
      const chunk = new Uint8Array(64 * 1024).fill(1)
      let written = 0
      const enough = new AbortController()
      const writing = (async () => {
        while (!enough.signal.aborted) {
          await stream.write(chunk)
          written += chunk.length
        }
        await stream.end()
      })()
      // 64 MiB would be far more than any bounded pair of buffers takes.
      const stalled = async (): Promise<number> => {
        for (let last = -1; last !== written;) {
          last = written
          await settle(connection.openStream(ECHO, never()).then((other) => roundTrip(other)))
        }
        return written
      }
      const before = await stalled()
      assert.ok(before < 16 * 1024 * 1024, `${before} bytes went to nobody`)
      enough.abort()
      const [served] = there.acceptor.streams
      assert.ok(served !== undefined)
      const received = await settle(readAll(served))
      await settle(writing)
      assert.equal(received.length, written)
    })

    it('fails both ends of a stream that one end aborts', async () => {
      const { there, connection } = await connectedPair()
      const arrived = Promise.withResolvers<ByteStream>()
      there.acceptor.onStream = (_, stream) => arrived.resolve(stream)
      const stream = await settle(connection.openStream(ECHO, never()))
      const remote = await settle(arrived.promise)
      stream.abort(new WeaverError('TEST_ABORTED', 'enough'))
      stream.abort(new WeaverError('TEST_ABORTED', 'twice is once'))
      await assert.rejects(settle(readAll(remote)), failsWith('MESH_STREAM_CLOSED'))
      await assert.rejects(settle(readAll(stream)), failsWith('MESH_STREAM_CLOSED'))
      await assert.rejects(settle(stream.write(Uint8Array.of(1))), failsWith('MESH_STREAM_CLOSED'))
    })

    it('fails open streams on both sides when the connection is aborted', async () => {
      const { there, connection } = await connectedPair()
      const arrived = Promise.withResolvers<ByteStream>()
      there.acceptor.onStream = (_, stream) => arrived.resolve(stream)
      const stream = await settle(connection.openStream(ECHO, never()))
      const remote = await settle(arrived.promise)
      connection.abort(new WeaverError('TEST_ABORTED', 'enough'))
      await assert.rejects(settle(readAll(stream)), failsWith('MESH_STREAM_CLOSED'))
      await assert.rejects(settle(readAll(remote)), failsWith('MESH_STREAM_CLOSED'))
      await settle(connection.closed)
      await settle((await there.acceptor.first).closed)
      const late = settle(connection.openStream(ECHO, never()))
      await assert.rejects(late, failsWith('MESH_CONNECTION_CLOSED'))
    })

    it('delivers what was written before a close', async () => {
      const { there, connection } = await connectedPair()
      const read = Promise.withResolvers<Uint8Array>()
      there.acceptor.onStream = (_, stream) => {
        readAll(stream).then(read.resolve, read.reject)
      }
      const stream = await settle(connection.openStream(ECHO, never()))
      await settle(stream.write(Uint8Array.of(5, 6)))
      await settle(stream.end())
      await settle(connection.close())
      assert.deepEqual(await settle(read.promise), Uint8Array.of(5, 6))
      await settle(connection.closed)
    })

    it('refuses a stream of a protocol that the peer does not handle', async () => {
      const { there, connection } = await connectedPair()
      const opened = settle(connection.openStream(OTHER, never()))
      await assert.rejects(opened, failsWith('MESH_STREAM_REFUSED'))
      assert.equal(there.acceptor.streams.length, 0)
    })

    it('answers protocols that are added while it runs, and stops where they are taken back', async () => {
      const { there, connection } = await connectedPair()
      there.network.handle([OTHER])
      const stream = await settle(connection.openStream(OTHER, never()))
      await settle(stream.end())
      assert.deepEqual(await settle(readAll(stream)), new Uint8Array())
      there.network.unhandle([OTHER])
      const opened = settle(connection.openStream(OTHER, never()))
      await assert.rejects(opened, failsWith('MESH_STREAM_REFUSED'))
    })

    it('gives no byte of a stream that the acceptor does not admit to anybody', async () => {
      const { there, connection } = await connectedPair()
      there.acceptor.isAdmittingStream = () => false
      const use = async (): Promise<Uint8Array> => {
        const stream = await connection.openStream(ECHO, never())
        await stream.write(Uint8Array.of(1))
        return readAll(stream)
      }
      const refused = failsWith('MESH_STREAM_REFUSED', 'MESH_STREAM_CLOSED')
      await assert.rejects(settle(use()), refused)
      assert.equal(there.acceptor.streams.length, 0)
    })

    it('gives a stranger nothing but a closed connection', async () => {
      const here = await node()
      const there = await node()
      const asked: NodeId[] = []
      there.acceptor.isAdmitting = (peer) => {
        asked.push(peer)
        return false
      }
      const use = async (): Promise<void> => {
        const connection = await here.network.dial(targetOf(there.network), never())
        await connection.openStream(ECHO, never())
      }
      const cut = failsWith('MESH_DIAL_FAILED', 'MESH_CONNECTION_CLOSED', 'MESH_STREAM_REFUSED')
      await assert.rejects(settle(use()), cut)
      assert.deepEqual(asked, [here.network.self])
      assert.equal(there.acceptor.connections.length, 0)
      assert.equal(there.acceptor.streams.length, 0)
    })

    it('asks its own acceptor about the peer it dials', async () => {
      const here = await node()
      const there = await node()
      here.acceptor.isAdmitting = () => false
      const dialled = settle(here.network.dial(targetOf(there.network), never()))
      await assert.rejects(dialled, failsWith('MESH_DIAL_FAILED'))
      assert.equal(here.acceptor.connections.length, 0)
    })

    it('refuses another node at the address that it dialled', async () => {
      const here = await node()
      const there = await node()
      const addresses = there.network.addresses().map((address) => address.replace(/\/p2p\/.*/, ''))
      const dialled = settle(here.network.dial({ nodeId: STRANGER, addresses }, never()))
      await assert.rejects(dialled, failsWith('MESH_DIAL_FAILED'))
      assert.equal(here.acceptor.connections.length, 0)
    })

    it('fails a dial without a usable address', async () => {
      const here = await node()
      for (const addresses of [[], ['not an address'], ['/unix/%2Ftmp%2Fsocket']]) {
        const dialled = settle(here.network.dial({ nodeId: STRANGER, addresses }, never()))
        await assert.rejects(dialled, failsWith('MESH_DIAL_FAILED'))
      }
    })

    it('gives up a dial when its signal aborts', async () => {
      const here = await node()
      const there = await node()
      const controller = new AbortController()
      controller.abort(new WeaverError('TEST_ABORTED', 'enough'))
      const dialled = settle(here.network.dial(targetOf(there.network), controller.signal))
      await assert.rejects(dialled, failsWith('MESH_DIAL_ABORTED'))
      assert.equal(here.acceptor.connections.length, 0)
    })

    it('makes a second connection to the same peer when asked to', async () => {
      const { here, there, connection } = await connectedPair()
      const second = await settle(here.network.dial(targetOf(there.network), never()))
      assert.notEqual(second, connection)
      await settle(connection.close())
      const stream = await settle(second.openStream(ECHO, never()))
      await settle(stream.end())
      assert.deepEqual(await settle(readAll(stream)), new Uint8Array())
    })

    it('closes its connections when it stops, and stops twice without harm', async () => {
      const { there, connection } = await connectedPair()
      await settle(there.network.stop())
      await settle(there.network.stop())
      await settle(connection.closed)
      assert.deepEqual(there.network.addresses(), [])
    })
  })
}
