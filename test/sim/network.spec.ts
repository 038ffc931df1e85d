// Goal: the simulated network keeps its port's contract, and its faults are real.
// Method: two to three machines whose kernels do nothing but hold connections.

import assert from 'node:assert/strict'
import { WeaverError } from '../../core/index.ts'
import type { ByteStream, Connection, Network } from '../../mesh/ports.ts'
import { seedsOf } from './seeds.ts'
import { World } from './world/world.ts'
import type { NodePorts } from './world/world.ts'

const PROTOCOL = '/echo/1'
const FOREVER = new AbortController().signal

/** Answers every stream with the bytes it gets. */
class Echo {
  readonly network: Network
  readonly connections: Connection[] = []
  readonly outcomes: string[] = []

  constructor(ports: NodePorts) {
    this.network = ports.network
    this.network.handle([PROTOCOL])
  }

  async start(): Promise<void> {
    await this.network.start({
      admits: () => true,
      admitsStream: (_peer, protocol) => protocol === PROTOCOL,
      connected: (connection) => {
        this.connections.push(connection)
        connection.onStream((_protocol, stream) => void this.#answer(stream))
      }
    })
  }

  async stop(): Promise<void> {
    await this.network.stop()
  }

  async #answer(stream: ByteStream): Promise<void> {
    try {
      for await (const chunk of stream.chunks) await stream.write(chunk)
      await stream.end()
      this.outcomes.push('ended')
    } catch (error) {
      this.outcomes.push(codeOf(error))
    }
  }
}

describe('sim: network', () => {
  for (const seed of seedsOf('network', 3)) {
    it(`carries bytes both ways, in order, whatever the losses, under seed ${seed}`, async () => {
      const world = await echoWorld(seed)
      await world.play(async () => {
        const sent = Buffer.alloc(600_000, 'weft')
        const received = await world.settle('the echo is back', echo(world, sent), 600_000)
        assert(received.equals(sent))
      })
      assert(world.network.counts.delivered > 10)
    })

    it(`has one trace for seed ${seed}, bit for bit`, async () => {
      const digests: string[] = []
      for (let turn = 0; turn < 2; turn++) {
        const world = await echoWorld(seed)
        await world.settle('the echo is back', echo(world, Buffer.alloc(100_000, 7)), 600_000)
        digests.push(world.trace.digest)
      }
      assert.equal(digests[0], digests[1])
    })
  }

  it('a cut connection fails both sides, and closes', async () => {
    const world = await echoWorld(1)
    const connection = await world.settle('dialled', dial(world), 60_000)
    const stream = await world.settle('opened', connection.openStream(PROTOCOL, FOREVER), 60_000)
    world.network.cut(world.machine('a').signer.nodeId, world.machine('b').signer.nodeId)
    await world.settle('closed', connection.closed, 1)
    await assert.rejects(stream.write(Uint8Array.of(1)), { code: 'MESH_STREAM_CLOSED' })
    assert.deepEqual(world.kernel('b').outcomes, ['MESH_STREAM_CLOSED'])
  })

  it('a stalled link delivers nothing until it heals, then everything', async () => {
    const world = await echoWorld(2)
    const connection = await world.settle('dialled', dial(world), 60_000)
    const stream = await world.settle('opened', connection.openStream(PROTOCOL, FOREVER), 60_000)
    const [a, b] = [world.machine('a').signer.nodeId, world.machine('b').signer.nodeId]
    world.network.link(a, b).stall()
    await stream.write(Uint8Array.of(1, 2, 3))
    await stream.end()
    await world.advance(60_000)
    assert.deepEqual(world.kernel('b').outcomes, [])
    world.network.link(a, b).heal()
    await world.until('it arrives', () => world.kernel('b').outcomes.includes('ended'), 60_000)
    assert(world.network.counts.held > 0)
  })

  it('a killed machine resets its connections; one without power says nothing until it is back', async () => {
    for (const ending of ['killed', 'power-lost'] as const) {
      const world = await echoWorld(3)
      const connection = await world.settle('dialled', dial(world), 60_000)
      const stream = await world.settle('opened', connection.openStream(PROTOCOL, FOREVER), 60_000)
      let isClosed = false
      void connection.closed.then(() => (isClosed = true))
      world.crash('b', ending)
      await stream.write(Uint8Array.of(1))
      await world.advance(30_000)
      assert.equal(isClosed, ending === 'killed')
      await assert.rejects(world.settle('refused', dial(world), 60_000), {
        code: 'MESH_DIAL_FAILED'
      })
      world.start('b')
      await world.until('the reset arrives', () => isClosed, 30_000)
    }
  })

  it('nobody connects who is not admitted, and no other protocol is answered', async () => {
    const world = await echoWorld(4)
    const connection = await world.settle('dialled', dial(world), 60_000)
    await assert.rejects(
      world.settle('refused', connection.openStream('/other/1', FOREVER), 60_000),
      { code: 'MESH_STREAM_REFUSED' }
    )
  })
})

async function echoWorld(seed: number): Promise<World<Echo>> {
  const world = new World<Echo>(
    {
      boot: async (ports) => {
        const echoing = new Echo(ports)
        await echoing.start()
        return echoing
      }
    },
    { seed, machines: ['a', 'b'], replay: 'npx mocha test/sim/network.spec.ts' }
  )
  for (const { name } of world.machines) world.start(name)
  await world.until(
    'both are up',
    () => world.machines.every(({ kernel }) => kernel !== null),
    1000
  )
  return world
}

/** Dials until it works: a simulated path drops some dials. */
async function dial(world: World<Echo>): Promise<Connection> {
  const { network } = world.kernel('a')
  const { nodeId } = world.machine('b').signer
  const addresses = world.machine('b').kernel?.network.addresses() ?? []
  for (let tries = 0; ; tries++) {
    try {
      return await network.dial({ nodeId, addresses }, FOREVER)
    } catch (error) {
      if (tries === 5 || addresses.length === 0) throw error
    }
  }
}

async function echo(world: World<Echo>, bytes: Buffer): Promise<Buffer> {
  const connection = await dial(world)
  const stream = await connection.openStream(PROTOCOL, FOREVER)
  const received: Uint8Array[] = []
  const reading = (async () => {
    for await (const chunk of stream.chunks) received.push(chunk)
  })()
  for (let start = 0; start < bytes.length; start += 50_000) {
    await stream.write(bytes.subarray(start, start + 50_000))
  }
  await stream.end()
  await reading
  return Buffer.concat(received)
}

function codeOf(error: unknown): string {
  return error instanceof WeaverError ? error.code : 'unknown'
}
