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
import { ECHO, sendAll, SINK, startBare, startRpc } from './peers/echo-node.ts'
import { NatsClient } from './peers/nats.ts'
import { median, percentile, printMeasured, ratio, takeTurns, timed } from './stats.ts'
import type { Bench, Contender, Print } from './stats.ts'

const PAYLOAD_BYTES = 200
const BULK_CHUNKS = 8192
const NATS_PORT = 42_222

interface Other {
  readonly nodeId: NodeId
  readonly rpc: readonly string[]
  readonly bare: readonly string[]
}

interface Lab {
  readonly contenders: readonly Contender[]
  readonly bulkRpc: () => Promise<void>
  readonly bulkBare: () => Promise<void>
}

async function run(print: Print): Promise<void> {
  const closers: (() => unknown)[] = []
  try {
    const lab = await openLab(print, closers)
    const bounds = { rounds: 3, operations: 3000 }
    print('  one call at a time:')
    printMeasured(print, await takeTurns(lab.contenders, { ...bounds, inFlight: 1 }), false)
    print('  50 calls at a time:')
    const many = { rounds: 3, operations: 20_000, inFlight: 50 }
    printMeasured(print, await takeTurns(lab.contenders, many), true)
    await bulk(print, lab)
  } finally {
    for (const close of closers.toReversed()) await close()
  }
}

async function bulk(print: Print, { bulkRpc, bulkBare }: Lab): Promise<void> {
  const megabytes = (BULK_CHUNKS * 65_536) / 1e6
  const rates = { rpc: [] as number[], bare: [] as number[] }
  let resident = 0
  for (let round = -1; round < 3; round++) {
    const rpc = (megabytes * 1000) / (await timed(bulkRpc))
    resident = Math.max(resident, process.memoryUsage().rss / 1e6)
    const bare = (megabytes * 1000) / (await timed(bulkBare))
    if (round < 0) continue
    rates.rpc.push(rpc)
    rates.bare.push(bare)
  }
  const [ours, theirs] = [median(rates.rpc), median(rates.bare)]
  const spread = `${percentile(rates.rpc, 0.01).toFixed(0)} to ${Math.max(...rates.rpc).toFixed(0)}`
  print(
    `  bulk of ${megabytes.toFixed(0)} MB: our channel ${ours.toFixed(0)} MB/s (${spread}), libp2p alone ` +
      `${theirs.toFixed(0)} MB/s, ratio ${ratio(ours, theirs)}; ${resident.toFixed(0)} MB resident at most`
  )
}

async function openLab(print: Print, closers: (() => unknown)[]): Promise<Lab> {
  const nats = await startNats(closers)
  if (nats === null) print('  NATS is skipped: apt-get install nats-server')
  const main = fileURLToPath(new URL('mesh-rpc-peer-main.ts', import.meta.url))
  const child = fork(main, nats === null ? [] : [String(NATS_PORT)])
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
  const contenders = [
    { name: 'RPC of the mesh', once: ours },
    { name: 'libp2p alone', once: alone },
    ...(nats === null ? [] : [{ name: 'NATS request/reply', once: requests(nats, payload) }])
  ]

  const chunk = new Uint8Array(65_536)
  const bulkRpc = async (): Promise<void> => {
    const call = rpc.open(other.nodeId, 'rpc', 'sink', null)
    for (let sent = 0; sent < BULK_CHUNKS; sent++) await call.channel.send(chunk)
    call.channel.end()
    await call.result
  }
  const bulkBare = async (): Promise<void> => {
    const sink = await connection.newStream(SINK)
    const done = new Promise<void>((resolve) => {
      sink.addEventListener('message', () => resolve(), { once: true })
    })
    await sendAll(sink, chunk, BULK_CHUNKS)
    await done
    await sink.close()
  }
  return { contenders, bulkRpc, bulkBare }
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
