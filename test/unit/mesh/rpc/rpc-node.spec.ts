import assert from 'node:assert/strict'
import { millis, nodeIdOf, WeaverError } from '../../../../core/index.ts'
import type { Cbor, NodeId } from '../../../../core/index.ts'
import type { Connection } from '../../../../mesh/ports.ts'
import { RpcNode } from '../../../../mesh/rpc/index.ts'
import type { RpcRequest } from '../../../../mesh/rpc/index.ts'
import { CALL_TIMEOUT_MS } from '../../../../mesh/rpc/limits.ts'
import { MemoryHub } from '../../../doubles/network.ts'
import type { MemoryNetwork } from '../../../doubles/network.ts'
import { silentLog } from '../../../doubles/silent-log.ts'
import { untilQuiet } from '../../../sim/world/quiet.ts'
import { VirtualClock } from '../../../sim/world/virtual-clock.ts'
import { codeOf } from './session-pair.ts'

const protocolOf = (service: string): string => `/test/${service}/1`
const never = (): AbortSignal => new AbortController().signal

class Machine {
  readonly clock: VirtualClock
  readonly id: NodeId
  readonly network: MemoryNetwork
  readonly rpc: RpcNode
  readonly streams: string[] = []
  readonly connections: Connection[] = []

  constructor(hub: MemoryHub, number: number, clock: VirtualClock) {
    this.clock = clock
    this.id = nodeIdOf(new Uint8Array(32).fill(number))
    this.network = hub.network(this.id, `/ip4/10.0.0.${number}/tcp/1`)
    this.rpc = new RpcNode({ clock, log: silentLog, protocolOf })
  }

  async start(): Promise<this> {
    this.rpc.serve({ name: 'echo', serve: async ({ body }: RpcRequest) => body as Cbor })
    this.rpc.serve({ name: 'wait', serve: () => new Promise<Cbor>(() => undefined) })
    this.network.handle([...this.rpc.services, 'odd'].map(protocolOf))
    await this.network.start({
      admits: () => true,
      admitsStream: () => true,
      connected: (connection) => {
        this.connections.push(connection)
        this.rpc.attach(connection)
        connection.onStream((protocol, stream) => {
          this.streams.push(protocol)
          const isOurs = this.rpc.accept(connection, protocol, stream)
          if (!isOurs) stream.abort(new WeaverError('TEST_NOT_OURS', 'not ours'))
        })
      }
    })
    return this
  }

  dial(there: Machine): Promise<Connection> {
    const addresses = there.network.addresses()
    return this.network.dial({ nodeId: there.id, addresses }, never())
  }
}

async function machines(): Promise<{ hub: MemoryHub; here: Machine; there: Machine }> {
  const hub = new MemoryHub()
  const clock = new VirtualClock()
  const here = await new Machine(hub, 1, clock).start()
  const there = await new Machine(hub, 2, clock).start()
  return { hub, here, there }
}

describe('RpcNode', () => {
  it('knows when a peer was heard last, whatever it said', async () => {
    const { here, there } = await machines()
    assert.equal(here.rpc.heardAt(there.id), null)
    here.clock.advanceTo(millis(100))
    await here.dial(there)
    assert.equal(here.rpc.heardAt(there.id), 100, 'it has shaken hands')
    here.clock.advanceTo(millis(200))
    there.rpc.notify(here.id, 'echo', 'any', 1)
    await untilQuiet()
    assert.equal(here.rpc.heardAt(there.id), 200)
    here.clock.advanceTo(millis(300))
    const waits = here.rpc.call(there.id, 'wait', 'any', 1).catch(() => undefined)
    await untilQuiet()
    assert.equal(here.rpc.heardAt(there.id), 200, 'what we send proves nothing')
    here.rpc.stop()
    await waits
    assert.equal(here.rpc.heardAt(there.id), null)
  })

  it('refuses calls to a peer that is not connected, and drops notifications', async () => {
    const { here, there } = await machines()
    await assert.rejects(here.rpc.call(there.id, 'echo', 'any', 1), {
      code: 'MESH_PEER_UNREACHABLE',
      retry: 'later'
    })
    const { channel, result } = here.rpc.open(there.id, 'echo', 'any', 1)
    assert.equal(await codeOf(result), 'MESH_PEER_UNREACHABLE')
    assert.equal((await channel.closed)?.code, 'MESH_PEER_UNREACHABLE')
    assert.equal(await codeOf(channel.send(new Uint8Array(1))), 'MESH_PEER_UNREACHABLE')
    here.rpc.notify(there.id, 'echo', 'any', 1)
  })

  it('uses one stream per service and direction, whoever dialled (R1)', async () => {
    const { here, there } = await machines()
    await here.dial(there)
    const calls = Array.from({ length: 20 }, (_, n) => here.rpc.call(there.id, 'echo', 'any', n))
    assert.deepEqual(
      await Promise.all(calls),
      calls.map((_, n) => n)
    )
    assert.equal(await there.rpc.call(here.id, 'echo', 'any', 'back'), 'back')
    assert.deepEqual(there.streams, ['/test/echo/1'])
    assert.deepEqual(here.streams, ['/test/echo/1'])
  })

  it('fails calls under way when the connection breaks, and works after the next one', async () => {
    const { hub, here, there } = await machines()
    await here.dial(there)
    const code = codeOf(here.rpc.call(there.id, 'wait', 'any', null))
    await untilQuiet()
    hub.cut(here.id, there.id)
    assert.equal(await code, 'MESH_PEER_UNREACHABLE')
    assert.equal(await codeOf(here.rpc.call(there.id, 'echo', 'any', 1)), 'MESH_PEER_UNREACHABLE')
    hub.heal(here.id, there.id)
    await there.dial(here)
    assert.equal(await here.rpc.call(there.id, 'echo', 'any', 'again'), 'again')
  })

  it('moves to another connection when one of two breaks (R2)', async () => {
    const { here, there } = await machines()
    const first = await here.dial(there)
    assert.equal(await here.rpc.call(there.id, 'echo', 'any', 1), 1)
    await there.dial(here)
    const code = codeOf(here.rpc.call(there.id, 'wait', 'any', null))
    await untilQuiet()
    first.abort(new WeaverError('TEST_CUT', 'cut'))
    await untilQuiet()
    assert.equal(await here.rpc.call(there.id, 'echo', 'any', 2), 2)
    here.rpc.stop()
    assert.equal(await code, 'MESH_PEER_UNREACHABLE')
  })

  it('leaves a detached connection alone, but uses it no more', async () => {
    const { here, there } = await machines()
    const connection = await here.dial(there)
    here.rpc.detach(connection)
    here.rpc.detach(connection)
    assert.equal(await codeOf(here.rpc.call(there.id, 'echo', 'any', 1)), 'MESH_PEER_UNREACHABLE')
    const stream = await connection.openStream(protocolOf('echo'), never())
    assert.equal(here.rpc.accept(connection, protocolOf('echo'), stream), false)
  })

  it('says that a service is refused, and asks again for the next call', async () => {
    const { here, there } = await machines()
    await here.dial(there)
    assert.equal(await codeOf(here.rpc.call(there.id, 'none', 'any', 1)), 'MESH_STREAM_REFUSED')
    there.rpc.serve({ name: 'none', serve: async () => 'now' })
    there.network.handle([protocolOf('none')])
    assert.equal(await here.rpc.call(there.id, 'none', 'any', 1), 'now')
  })

  it('takes no stream of a protocol that is none of its services', async () => {
    const { here, there } = await machines()
    await here.dial(there)
    assert.equal(await codeOf(here.rpc.call(there.id, 'odd', 'any', 1)), 'MESH_PEER_UNREACHABLE')
  })

  it('puts a newer session of the same peer and service in the place of the older', async () => {
    const { here, there } = await machines()
    const connection = await here.dial(there)
    const code = codeOf(here.rpc.call(there.id, 'echo', 'any', 1).then(() => 'first'))
    assert.equal(await code, null)
    const stream = await connection.openStream(protocolOf('echo'), never())
    await stream.write(new Uint8Array())
    await untilQuiet()
    assert.equal(await here.rpc.call(there.id, 'echo', 'any', 2), 2)
  })

  it('gives up calls after 30 s by default, and no sooner', async () => {
    const { here, there } = await machines()
    await here.dial(there)
    let code: string | null = 'pending'
    const call = codeOf(here.rpc.call(there.id, 'wait', 'any', null)).then((is) => (code = is))
    await untilQuiet()
    here.clock.advanceTo(millis(CALL_TIMEOUT_MS - 1))
    await untilQuiet()
    assert.equal(code, 'pending')
    here.clock.advanceTo(CALL_TIMEOUT_MS)
    await call
    assert.equal(code, 'MESH_CALL_TIMED_OUT')
  })

  it('refuses a second service of one name', async () => {
    const { here } = await machines()
    const serve = (): void => here.rpc.serve({ name: 'echo', serve: async () => 1 })
    assert.throws(serve, { code: 'MESH_SERVICE_TAKEN' })
  })

  it('refuses what cannot be encoded, and drops it in a notification', async () => {
    const { here, there } = await machines()
    await here.dial(there)
    const odd = { not: (() => undefined) as unknown as Cbor }
    assert.equal(await codeOf(here.rpc.call(there.id, 'echo', 'any', odd)), 'MESH_CALL_INVALID')
    here.rpc.notify(there.id, 'echo', 'any', odd)
    assert.equal(await here.rpc.call(there.id, 'echo', 'any', 1), 1)
  })

  it('stops twice without harm, and takes no calls afterwards', async () => {
    const { here, there } = await machines()
    const connection = await here.dial(there)
    const code = codeOf(here.rpc.call(there.id, 'wait', 'any', null))
    await untilQuiet()
    here.rpc.stop()
    here.rpc.stop()
    assert.equal(await code, 'MESH_PEER_UNREACHABLE')
    here.rpc.attach(connection)
    assert.equal(await codeOf(here.rpc.call(there.id, 'echo', 'any', 1)), 'MESH_PEER_UNREACHABLE')
  })
})
