// The fetching process of the bench mesh-blobs: measures, and sends each line of the result.

import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { multiaddr } from '@multiformats/multiaddr'
import { blobId, nodeId, shake256 } from '../core/index.ts'
import type { BlobId } from '../core/index.ts'
import type { Blobs } from '../mesh/index.ts'
import { openBlobs } from './peers/blob-node.ts'
import { SOURCE, startBare, startRpc } from './peers/echo-node.ts'
import type { RpcEnd } from './peers/echo-node.ts'
import { median, percentile, ratio, timed } from './stats.ts'
import type { Print } from './stats.ts'

const SIZE = 256 * 1024 * 1024
const ROUNDS = 3
const SPACE = process.env['WEAVER_BENCH_FOLDER'] ?? tmpdir()

interface Other {
  readonly id: string
  readonly nodeId: string
  readonly rpc: readonly string[]
  readonly bare: readonly string[]
}

async function run(print: Print): Promise<void> {
  const closers: (() => unknown)[] = []
  try {
    const folder = await mkdtemp(join(SPACE, 'weaver-bench-'))
    closers.push(() => rm(folder, { recursive: true, force: true }))
    const main = fileURLToPath(new URL('mesh-blobs-peer-main.ts', import.meta.url))
    // Takes this process's options: both ends run as a kernel does.
    const child = fork(main, [join(folder, 'there'), String(SIZE)])
    closers.push(() => child.disconnect())
    const [other] = (await once(child, 'message')) as [Other]
    const end = await startRpc(2, ['rpc', 'blobs'])
    closers.push(() => end.network.stop())
    const peer = nodeId(other.nodeId)
    const target = { nodeId: peer, addresses: other.rpc }
    await end.network.dial(target, new AbortController().signal)
    const blobs = await openBlobs(join(folder, 'here'), end.rpc, () => [peer])
    const bareStream = await bareSource(other.bare[0] ?? '', closers)
    await compare(print, { blobs, child, id: blobId(other.id), bareStream })
    await besideControl(print, { blobs, end, peer, id: blobId(other.id) })
  } finally {
    for (const close of closers.toReversed()) await close()
  }
}

/** Receives SIZE bytes over a new stream of libp2p alone. */
async function bareSource(
  address: string,
  closers: (() => unknown)[]
): Promise<() => Promise<void>> {
  const bare = await startBare()
  closers.push(() => bare.stop())
  const connection = await bare.dial(multiaddr(address))
  return async () => {
    const stream = await connection.newStream(SOURCE)
    const done = Promise.withResolvers<void>()
    let left = SIZE
    stream.addEventListener('message', ({ data }) => {
      left -= data.byteLength
      if (left <= 0) done.resolve()
    })
    stream.send(Uint8Array.of(1))
    await done.promise
    await stream.close()
  }
}

interface Lab {
  readonly blobs: Blobs
  readonly child: ChildProcess
  readonly id: BlobId
  readonly bareStream: () => Promise<void>
}

async function compare(print: Print, { blobs, child, id, bareStream }: Lab): Promise<void> {
  const rates = { ours: [] as number[], bare: [] as number[] }
  const { signal } = new AbortController()
  let most = 0
  for (let round = -1; round < ROUNDS; round += 1) {
    const bare = rate(await timed(bareStream))
    const before = process.memoryUsage().rss
    const fetching = blobs.get(id, {
      signal,
      onProgress: ({ bytes }) => {
        if (bytes % (64 * 262_144) !== 0) return // It costs as much as writing a chunk.
        most = Math.max(most, process.memoryUsage.rss() - before)
      }
    })
    const ours = rate(await timed(() => fetching))
    await blobs.collect(0)
    if (round < 0) continue
    rates.bare.push(bare)
    rates.ours.push(ours)
  }
  child.send('memory')
  const [memory] = (await once(child, 'message')) as [{ readonly residentBytes: number }]
  const [ours, bare] = [median(rates.ours), median(rates.bare)]
  const hashing = rate(await timed(async () => hashAll()))
  const limit = 1 / (1 / bare + 1 / hashing)
  print(
    `  ${(SIZE / 1e6).toFixed(0)} MB: our fetch, checked and on disk, ${ours.toFixed(0)} MB/s; libp2p alone, ` +
      `into nothing, ${bare.toFixed(0)} MB/s; ratio ${ratio(ours, bare)}`
  )
  print(
    `  SHAKE-256 alone ${hashing.toFixed(0)} MB/s: a receiver that does one after the other gets ` +
      `${limit.toFixed(0)} MB/s at most; ratio to that ${ratio(ours, limit)}`
  )
  print(
    `  memory: the receiver grew by ${(most / 1e6).toFixed(0)} MB at most, the sender has ` +
      `${(memory.residentBytes / 1e6).toFixed(0)} MB resident`
  )
}

function hashAll(): void {
  const chunk = new Uint8Array(262_144)
  for (let at = 0; at < SIZE; at += chunk.length) shake256('weft/blob-chunk/1', chunk)
}

interface Beside {
  readonly blobs: Blobs
  readonly end: RpcEnd
  readonly peer: ReturnType<typeof nodeId>
  readonly id: BlobId
}

/** Calls of 200 bytes, one after another, alone and while a blob comes over the same connection. */
async function besideControl(print: Print, { blobs, end, peer, id }: Beside): Promise<void> {
  const payload = new Uint8Array(200)
  const call = (): Promise<unknown> => end.rpc.call(peer, 'rpc', 'echo', payload)
  const { signal } = new AbortController()
  const alone: number[] = []
  const beside: number[] = []
  for (let count = 0; count < 2000; count += 1) alone.push(await timed(call))
  for (let round = 0; round < ROUNDS; round += 1) {
    const state = { isOver: false }
    const fetching = blobs.get(id, { signal }).finally(() => {
      state.isOver = true
    })
    while (!state.isOver) beside.push(await timed(call))
    await fetching
    await blobs.collect(0)
  }
  const shown = (times: number[]): string =>
    `p50 ${percentile(times, 0.5).toFixed(2)} ms, p99 ${percentile(times, 0.99).toFixed(2)} ms`
  print(
    `  a call of 200 bytes: alone ${shown(alone)}; while a blob comes over the same connection ` +
      `${shown(beside)} (${beside.length} calls)`
  )
}

function rate(tookMs: number): number {
  return SIZE / 1e6 / (tookMs / 1000)
}

await run((line) => process.send?.(line))
process.disconnect()
