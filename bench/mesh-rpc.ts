// Calls between two members over a warm stream, and bulk, beside libp2p alone and NATS.

import { fork, spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { multiaddr } from '@multiformats/multiaddr'
import { nodeId } from '../core/index.ts'
import type { NodeId } from '../core/index.ts'
import type { Cost } from './peers/cost.ts'
import { ECHO, startBare, startRpc } from './peers/echo-node.ts'
import { NODE_OPTIONS } from '../cli/kernel-options.ts'
import { NatsClient } from './peers/nats.ts'
import { goalLine, median, printMeasured, printTable, takeTurns } from './stats.ts'
import type { Bench, Contender, Print } from './stats.ts'

const PAYLOAD_BYTES = 200
export const BULK_CHUNKS = 8192
export const BULK_CHUNK_BYTES = 65_536
const NATS_PORT = 42_222

export interface Other {
  readonly nodeId: NodeId
  readonly rpc: readonly string[]
  readonly bare: readonly string[]
}

export type BulkOrder = 'rpc' | 'bare'

export interface BulkReport {
  readonly tookMs: number
  readonly cost: Cost
}

async function run(print: Print): Promise<void> {
  const closers: (() => unknown)[] = []
  try {
    const contenders = await openLab(print, closers)
    const bounds = { rounds: 3, operations: 3000 }
    print('  one call at a time:')
    printMeasured(print, await takeTurns(contenders, { ...bounds, inFlight: 1 }), false)
    print('  50 calls at a time:')
    const many = { rounds: 3, operations: 20_000, inFlight: 50 }
    printMeasured(print, await takeTurns(contenders, many), true)
  } finally {
    for (const close of closers.toReversed()) await close()
  }
  await bulk(print)
}

/** Both ends in processes of their own, so that the memory of each is that of the transfer. */
async function bulk(print: Print): Promise<void> {
  const receiver = forked('mesh-rpc-peer-main.ts', [], NODE_OPTIONS)
  const other = await helloOf(receiver)
  const sender = forked('mesh-bulk-main.ts', [JSON.stringify(other)], NODE_OPTIONS)
  try {
    await once(sender, 'message')
    const taken = { rpc: [] as Transfer[], bare: [] as Transfer[] }
    for (let round = -1; round < 3; round++) {
      for (const kind of ['rpc', 'bare'] as const) {
        const transfer = await transferred(kind, { sender, receiver })
        if (round >= 0) taken[kind].push(transfer)
      }
    }
    const rates = { rpc: taken.rpc.map(rateOf), bare: taken.bare.map(rateOf) }
    const share = median(rates.rpc) / median(rates.bare)
    print(`  bulk of ${((BULK_CHUNKS * BULK_CHUNK_BYTES) / 1e6).toFixed(0)} MB, one way:`)
    const rows = Object.entries({ 'our channel': taken.rpc, 'libp2p alone': taken.bare }).map(
      ([name, transfers]) => [
        name,
        `${median(transfers.map(rateOf)).toFixed(0)} MB/s`,
        `${median(transfers.map(({ sent, received }) => sent.cpuMs + received.cpuMs)).toFixed(0)} ms`,
        grownBy(transfers.map(({ sent }) => sent)),
        grownBy(transfers.map(({ received }) => received))
      ]
    )
    const head = ['', 'median', 'CPU of both', 'sender grew by', 'receiver grew by']
    printTable(print, [head, ...rows])
    print(goalLine('throughput', `${share.toFixed(2)} of the bare one`, '>= 0.8', share >= 0.8))
  } finally {
    for (const child of [sender, receiver]) child.disconnect()
  }
}

interface Transfer {
  readonly tookMs: number
  readonly sent: Cost
  readonly received: Cost
}

/** The most that resident memory has grown in any of the transfers. */
function grownBy(costs: readonly Cost[]): string {
  const most = Math.max(...costs.map(({ peakBytes, restBytes }) => peakBytes - restBytes))
  return `${(most / 1e6).toFixed(0)} MB`
}

async function transferred(
  order: BulkOrder,
  { sender, receiver }: { readonly sender: ChildProcess; readonly receiver: ChildProcess }
): Promise<Transfer> {
  await costOf(receiver)
  sender.send(order)
  const [report]: unknown[] = await once(sender, 'message')
  const { tookMs, cost } = report as BulkReport
  return { tookMs, sent: cost, received: await costOf(receiver) }
}

async function costOf(child: ChildProcess): Promise<Cost> {
  child.send('cost')
  const [cost]: unknown[] = await once(child, 'message')
  return cost as Cost
}

function rateOf({ tookMs }: Transfer): number {
  return (BULK_CHUNKS * BULK_CHUNK_BYTES) / 1000 / tookMs
}

function forked(
  main: string,
  args: readonly string[],
  execArgv: readonly string[] = []
): ChildProcess {
  const path = fileURLToPath(new URL(main, import.meta.url))
  return fork(path, [...args], { execArgv: [...execArgv] })
}

async function openLab(print: Print, closers: (() => unknown)[]): Promise<readonly Contender[]> {
  const nats = await startNats(closers)
  if (nats === null) print('  NATS is skipped: apt-get install nats-server')
  const child = forked('mesh-rpc-peer-main.ts', nats === null ? [] : [String(NATS_PORT)])
  closers.push(() => child.disconnect())
  const other = await helloOf(child)
  const payload = new Uint8Array(randomBytes(PAYLOAD_BYTES))

  const { network, rpc } = await startRpc(2)
  closers.push(() => network.stop())
  const target = { nodeId: other.nodeId, addresses: other.rpc }
  await network.dial(target, new AbortController().signal)

  const bare = await startBare()
  closers.push(() => bare.stop())
  const connection = await bare.dial(multiaddr(other.bare[0]))
  const echo = await connection.newStream(ECHO)
  const waiting: (() => void)[] = []
  let received = 0
  echo.addEventListener('message', ({ data }) => {
    received += data.byteLength
    for (; received >= PAYLOAD_BYTES; received -= PAYLOAD_BYTES) waiting.shift()?.()
  })

  const ours = async (): Promise<void> => {
    await rpc.call(other.nodeId, 'rpc', 'echo', payload)
  }
  const alone = (): Promise<void> =>
    new Promise((resolve) => {
      waiting.push(resolve)
      echo.send(payload)
    })
  return [
    { name: 'RPC of the mesh', once: ours },
    { name: 'libp2p alone', once: alone },
    ...(nats === null ? [] : [{ name: 'NATS request/reply', once: requests(nats, payload) }])
  ]
}

function requests(nats: NatsClient, payload: Uint8Array): () => Promise<void> {
  const waiting = new Map<string, () => void>()
  let count = 0
  const inbox = '_INBOX.bench'
  nats.subscribe(inbox, () => {
    const [first] = waiting
    if (first === undefined) return
    waiting.delete(first[0])
    first[1]()
  })
  return () =>
    new Promise((resolve) => {
      waiting.set(String(count++), resolve) // Answers of one responder keep their order.
      nats.publish('echo', payload, inbox)
    })
}

async function startNats(closers: (() => unknown)[]): Promise<NatsClient | null> {
  if (spawnSync('nats-server', ['--version']).error !== undefined) return null
  const server = spawn('nats-server', ['-a', '127.0.0.1', '-p', String(NATS_PORT)], {
    stdio: 'ignore'
  })
  closers.push(() => server.kill())
  while (!(await answers(NATS_PORT))) await new Promise((resolve) => setTimeout(resolve, 20))
  const client = await NatsClient.open(NATS_PORT)
  closers.push(() => client.close())
  return client
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  return (await new Promise((resolve) => {
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
  }).finally(() => socket.destroy())) as boolean
}

async function helloOf(child: ChildProcess): Promise<Other> {
  const [message]: unknown[] = await once(child, 'message')
  const { nodeId: id, ...rest } = message as Other
  return { ...rest, nodeId: nodeId(id) }
}

export const benches: readonly Bench[] = [
  {
    name: 'mesh-rpc',
    title: `a call of ${PAYLOAD_BYTES} bytes and its answer between two processes; and bulk, one way`,
    notMeasured: 'a real network, many peers at once, a call while bulk runs beside it',
    run
  }
]
