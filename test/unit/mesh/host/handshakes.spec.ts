import assert from 'node:assert/strict'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import process from 'node:process'
import { systemClock } from '../../../../core/system.ts'
import { HANDSHAKES_PER_ADDRESS_MAX, PENDING_INBOUND_MAX } from '../../../../mesh/host-limits.ts'
import { Handshakes } from '../../../../mesh/handshakes.ts'
import { libp2pNetwork } from '../../../../mesh/libp2p-host.ts'
import type { ConnectionAcceptor, Network } from '../../../../mesh/ports.ts'
import { silentLog } from '../../../doubles/silent-log.ts'
import { untilQuiet } from '../../../sim/world/quiet.ts'

const anybody: ConnectionAcceptor = {
  admits: () => true,
  admitsStream: () => true,
  connected: () => undefined
}

describe('Handshakes', () => {
  it('gives one address so much room, and takes each place back once', () => {
    const handshakes = new Handshakes({ perAddressMax: 2 })
    const first = handshakes.begin('/ip4/10.0.0.1/tcp/1')
    assert.ok(handshakes.begin('/ip4/10.0.0.1/tcp/2') !== null)
    assert.equal(handshakes.begin('/ip4/10.0.0.1/tcp/3'), null)
    assert.ok(handshakes.begin('/ip4/10.0.0.2/tcp/1') !== null)
    first?.()
    first?.()
    assert.ok(handshakes.begin('/ip4/10.0.0.1/tcp/4') !== null)
    assert.equal(handshakes.begin('/ip4/10.0.0.1/tcp/5'), null)
  })

  it('takes an IPv6 network for one address, however it is written', () => {
    const handshakes = new Handshakes({ perAddressMax: 3 })
    const network = ['2001:db8:0:1::1', '2001:db8::1:0:0:0:2', '2001:db8:0:1:ffff:1:2:3']
    for (const host of network) assert.ok(handshakes.begin(`/ip6/${host}/tcp/1`) !== null)
    assert.equal(handshakes.begin('/ip6/2001:db8:0:1:9::9/tcp/1'), null)
    assert.ok(handshakes.begin('/ip6/2001:db8:0:2::1/tcp/1') !== null)
    assert.ok(handshakes.begin('/ip6/::1/tcp/1') !== null)
  })

  it('forgets addresses with none under way', () => {
    const handshakes = new Handshakes({ perAddressMax: 3 })
    for (let host = 0; host < 1000; host += 1) handshakes.begin(`/ip4/10.0.0.${host}/tcp/1`)?.()
    assert.equal(handshakes.origins, 0)
  })
})

describe('a host whose handshakes stall', () => {
  const open: { stop(): Promise<void> }[] = []

  afterEach(async () => {
    await Promise.all(open.splice(0).map((one) => one.stop()))
  })

  async function listening(seed: number): Promise<Network> {
    const deps = { seed: new Uint8Array(32).fill(seed), clock: systemClock, log: silentLog }
    const network = libp2pNetwork(deps, { listen: ['/ip4/127.0.0.1/tcp/0'] })
    open.push(network)
    await network.start(anybody)
    return network
  }

  /** Connects from `host` and says nothing. Resolves when it is there, or refused. */
  function stall(port: number, host: string): Promise<Socket> {
    const socket = connect({ port, host: '127.0.0.1', localAddress: host })
    socket.on('error', () => undefined)
    open.push({ stop: async () => void socket.destroy() })
    const { promise, resolve } = Promise.withResolvers<Socket>()
    socket.once('connect', () => resolve(socket))
    socket.once('close', () => resolve(socket))
    return promise
  }

  it('has room for others, whatever two addresses stall', async function () {
    if (process.platform !== 'linux') {
      console.log('      skipped: other systems have one loopback address')
      this.skip()
    }
    const network = await listening(1)
    const [address] = network.addresses()
    const port = Number(/\/tcp\/(\d+)/.exec(address ?? '')?.[1])
    const stalled = await Promise.all(
      Array.from({ length: PENDING_INBOUND_MAX + 16 }, (_, index) =>
        // A few at a time, as a host takes so many a second from one address.
        stall(port, `127.0.0.${2 + (index % 2)}`)
      )
    )
    const other = await listening(2)
    const target = { nodeId: network.self, addresses: network.addresses() }
    const connection = await other.dial(target, new AbortController().signal)
    assert.equal(connection.peer, network.self)
    const kept = (): number => stalled.filter(({ readyState }) => readyState === 'open').length
    while (kept() > 2 * HANDSHAKES_PER_ADDRESS_MAX) await untilQuiet()
    assert.ok(kept() > 0)
  })
})
