// Goal: what a laptop's life does to the real host leaves nothing behind either: no descriptor, socket, timer,
// dial, listener or object.
// Method: three members on real libp2p hosts on loopback. Over and over the host of one restarts, all
// connections of one break, one starts again at another address, one sleeps and wakes; each time all must find
// each other. What is there after the first rounds is compared with what is there at the end, both in calm.

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import process from 'node:process'
import { millis } from '../../core/index.ts'
import type { Connection } from '../../mesh/index.ts'
import { until } from '../chaos/kernel/lab.ts'
import { alive, heapInUse, isLong } from './profile.ts'
import { RealNode } from './real-node.ts'

const ROUNDS: number = isLong ? 400 : 12
/** What is made once: code, pools, caches, a descriptor for the first lookup of a thread. */
const WARM_ROUNDS: number = isLong ? 40 : 8
const BACK_WITHIN_MS = 10_000
const HEAP_GROWTH_MAX = 8 * 1024 * 1024
/** Timers that are set at an instant, and what hangs on them. */
const TIMERS_SPREAD = 12
/** Per class: what a second of the mesh's own life moves. A leaked wait or host is more in twelve rounds. */
const SPREAD = new Map<Function, number>([
  [AbortSignal, 60],
  [EventTarget, 100],
  [Map, 100],
  [Set, 60],
  [Promise, 300],
  [Function, 2000]
])

describe('soak: the real host', function () {
  this.timeout(isLong ? 3_600_000 : 180_000)
  const nodes: RealNode[] = []

  before(function () {
    if (process.platform !== 'linux') {
      console.log('      skipped: other systems have one loopback address, and no /proc')
      this.skip()
    }
  })

  after(async () => {
    await Promise.all(nodes.map((node) => node.stop()))
  })

  it(`leaves nothing behind after ${ROUNDS} losses of every connection`, async () => {
    const [server, laptop, tablet] = [
      new RealNode('server', '127.0.0.2'),
      new RealNode('laptop', '127.0.0.3'),
      new RealNode('tablet', '127.0.0.4')
    ]
    nodes.push(server, laptop, tablet)
    for (const node of nodes) await node.start()
    await server.mesh.found()
    for (const node of [laptop, tablet]) {
      const { line } = await server.mesh.invite(INVITE)
      await node.mesh.join(line, new AbortController().signal)
    }
    await areConnected(nodes)
    let round = 0
    const rounds = async (count: number): Promise<void> => {
      for (const end = round + count; round < end; round += 1) {
        const before = nodes.flatMap(({ connections }) => connections)
        const lost = await hurt({ server, laptop, tablet }, round)
        await until(() => lost.every((each) => !isOpen(nodes, each)), BACK_WITHIN_MS)
        assert.ok(before.length > 0 && lost.length > 0, `round ${round} lost nothing`)
        await areConnected(nodes)
      }
    }
    await rounds(WARM_ROUNDS)
    const before = await state(nodes)
    await rounds(ROUNDS)
    const after = await state(nodes)
    const told = `${JSON.stringify(before)} then ${JSON.stringify(after)}`
    console.log(`      ${ROUNDS} rounds: ${told}`)
    const growth = (what: string): number => (after[what] ?? 0) - (before[what] ?? 0)
    for (const what of ['descriptors', 'sockets', 'servers', 'connections', 'dials']) {
      assert.ok(growth(what) <= 0, `${what}: ${told}`)
    }
    assert.ok(growth('timers') <= TIMERS_SPREAD, told)
    for (const [{ name }, spread] of SPREAD) assert.ok(growth(name) <= spread, `${name}: ${told}`)
    assert.ok(growth('heap') < HEAP_GROWTH_MAX, told)
  })
})

const INVITE = { ttlMs: millis(600_000), uses: 1, role: 'member' } as const

interface Three {
  readonly server: RealNode
  readonly laptop: RealNode
  readonly tablet: RealNode
}

/** @returns the connections that this must end */
async function hurt(
  { server, laptop, tablet }: Three,
  round: number
): Promise<readonly Connection[]> {
  const one = [laptop, server, tablet, laptop][round % 4] ?? laptop
  const lost = one.connections
  if (round % 4 === 0) one.restartHost()
  else if (round % 4 === 1) one.cut()
  else if (round % 4 === 2) await one.move(`127.0.${1 + (round >> 8)}.${(round & 255) + 1}`)
  else one.sleepAndWake()
  return lost
}

function isOpen(nodes: readonly RealNode[], connection: Connection): boolean {
  return nodes.some(({ connections }) => connections.includes(connection))
}

async function areConnected(nodes: readonly RealNode[]): Promise<void> {
  const isWhole = (): boolean =>
    nodes.every(({ mesh }) => mesh.status().connected === nodes.length - 1)
  await until(isWhole, BACK_WITHIN_MS)
}

function resources(kind: string): number {
  return process.getActiveResourcesInfo().filter((each) => each === kind).length
}

async function state(nodes: readonly RealNode[]): Promise<Readonly<Record<string, number>>> {
  await areConnected(nodes)
  // Connections that two members made at once are closed a little later.
  const connections = (): number => nodes.reduce((sum, node) => sum + node.connections.length, 0)
  const ends = nodes.length * (nodes.length - 1)
  await until(() => connections() === ends && resources('TCPSocketWrap') === ends)
  await until(() => nodes.every(({ dialling }) => dialling === 0))
  const heap = heapInUse()
  return {
    descriptors: readdirSync('/proc/self/fd').length,
    sockets: resources('TCPSocketWrap'),
    servers: resources('TCPServerWrap'),
    timers: resources('Timeout'),
    connections: connections(),
    dials: nodes.reduce((sum, node) => sum + node.dialling, 0),
    heap,
    ...alive([...SPREAD.keys()])
  }
}
