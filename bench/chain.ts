// Benches of the chain: durable appends, verification, replication, and what an entry takes on disk. Each
// beside what the same machine does at that moment with the bare work.

import { fdatasync, fdatasyncSync, writeSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { Worker } from 'node:worker_threads'
import type { Chain } from '../chain/index.ts'
import { systemClock } from '../core/system.ts'
import { threadedChecker } from '../node/chain-checker.ts'
import {
  draft,
  ENTRIES,
  fill,
  inFolder,
  openAt,
  pairedShakeMs,
  shakeMs,
  signMs
} from './chain-kit.ts'
import type { Replicated } from './peers/replication.ts'
import { openHypercore } from './peers/hypercore.ts'
import { openRedisStream } from './peers/redis-stream.ts'
import { startRedis } from './peers/redis.ts'
import { goalLine, median, printMeasured, ratio, takeTurns, timed } from './stats.ts'
import type { Bench, Contender, Measured, Print } from './stats.ts'

const ENTRY_BYTES = 300
/** An entry in its block, whose head is shared by as many as there are writers. */
const WRITERS = 64
const REPLICATE_ENTRIES = 100_000
/** In one block, behind all that has been verified. */
const NEW_ENTRIES = 1000

export const benches: readonly Bench[] = [
  {
    name: 'chain-append-1',
    title: `durable append, one writer, one entry of ${ENTRY_BYTES} bytes`,
    notMeasured: 'a disk that really flushes, where this one does not; peers; a full disk',
    run: (print) => benchAppend(print, 1, 2000)
  },
  {
    name: 'chain-append-64',
    title: `durable append, ${WRITERS} writers, one entry of ${ENTRY_BYTES} bytes each`,
    notMeasured: 'the writers’ own work; replication meanwhile; entries of other sizes',
    run: (print) => benchAppend(print, WRITERS, 40_000)
  },
  {
    name: 'chain-verify',
    title: `verify a lane of ${ENTRIES.toLocaleString('en')} entries, and again`,
    notMeasured: 'a cold disk cache; lanes that link to each other; single entries in each block',
    run: benchVerify
  },
  {
    name: 'chain-replicate',
    title: `${REPLICATE_ENTRIES.toLocaleString('en')} entries to a new member, over loopback`,
    notMeasured: 'a real network; a member that does other work; many lanes at once',
    run: benchReplicate
  }
]

async function benchAppend(print: Print, writers: number, operations: number): Promise<void> {
  await inFolder(async (folder) => {
    const chain = await openAt(join(folder, 'chain'), 1)
    const blockBytes = await bytesOfBlock(chain, writers)
    const bare = await bareWriter(join(folder, 'bare'), blockBytes, writers)
    const [redis, hypercore] = [
      await startRedis(join(folder, 'redis')),
      await openHypercore(join(folder, 'hypercore'))
    ]
    const stream = redis === null ? null : await openRedisStream(redis.port)
    const body = 'x'.repeat(ENTRY_BYTES)
    let number = 0
    const contenders: Contender[] = [
      {
        name: 'chain',
        once: async () => {
          await chain.append([draft(number++)])
        }
      },
      { name: `write + fdatasync (${blockBytes} B for ${writers})`, once: () => bare.once() },
      { name: 'the same, blocking', once: () => bare.blocking() }
    ]
    if (stream === null) print('  redis-server is not installed: no Redis streams')
    else contenders.push({ name: 'Redis stream, appendfsync always', once: () => stream.add(body) })
    if (hypercore === null)
      print('  hypercore is not installed (npm i --no-save hypercore@10.38.2)')
    else {
      contenders.push({
        name: 'Hypercore append (does not sync)',
        once: () => hypercore.append(Buffer.from(body))
      })
    }
    const measured = await takeTurns(contenders, { rounds: 5, operations, inFlight: writers })
    printMeasured(print, measured, true)
    printAppendGoal(print, measured, writers)
    stream?.close()
    await redis?.stop()
    await hypercore?.close()
    await bare.close()
    await chain.stop()
  })
}

function printAppendGoal(print: Print, measured: readonly Measured[], writers: number): void {
  const [chain, bare, blocking, ...peers] = measured
  if (chain === undefined || bare === undefined || blocking === undefined) return
  if (writers === 1) {
    const value = median(chain.latencies) / median(bare.latencies)
    print(goalLine('p50 over write + fdatasync', `${value.toFixed(2)}x`, '<= 1.5x', value <= 1.5))
    const floor = median(blocking.latencies) + signMs()
    print(
      `  one blocking write + fdatasync and one signature: ${(floor * 1000).toFixed(0)} us, ` +
        `${ratio(floor, median(bare.latencies))} of the bare one; chain takes ` +
        `${ratio(median(chain.latencies), floor)} of that`
    )
  } else {
    const rate = median(chain.rates)
    // What one fdatasync for each batch and three SHAKE-256 hashes for each entry leave.
    const limitBy = (hashMs: number): number =>
      (writers * 1000) / ((writers * 1000) / median(bare.rates) + writers * 3 * hashMs)
    const [limit, paired] = [limitBy(shakeMs()), limitBy(pairedShakeMs())]
    const goal = Math.min(50_000, 0.6 * limit)
    const share = (of: number): string => `${((100 * rate) / of).toFixed(0)} %`
    print(
      `  limit of SHAKE-256 and one fdatasync a batch: ${limit.toFixed(0)}/s by node:crypto, ` +
        `reached ${share(limit)}; ${paired.toFixed(0)}/s with paired hashes, reached ${share(paired)}`
    )
    print(goalLine('entries/s', rate.toFixed(0), `>= ${goal.toFixed(0)}`, rate >= goal))
  }
  for (const peer of peers) {
    print(`  ${peer.name}: chain does ${ratio(median(chain.rates), median(peer.rates))} its rate`)
  }
}

async function bytesOfBlock(chain: Chain, entries: number): Promise<number> {
  const before = chain.status()[0]?.bytes ?? 0
  await chain.append(Array.from({ length: entries }, (_, index) => draft(index)))
  return (chain.status()[0]?.bytes ?? 0) - before
}

/** Writes the bytes of one block and syncs; what waits meanwhile shares the next one, as in the chain. */
async function bareWriter(
  path: string,
  bytes: number,
  writers: number
): Promise<{ once(): Promise<void>; blocking(): Promise<void>; close(): Promise<void> }> {
  const file = await open(path, 'w')
  const block = Buffer.alloc(bytes, 7)
  let offset = 0
  const write = (): void => {
    writeSync(file.fd, block, 0, block.length, offset)
    offset += block.length
  }
  const writeOnce = (): Promise<void> => {
    write()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    fdatasync(file.fd, (error) => (error === null ? resolve() : reject(error)))
    return promise
  }
  const writeBlocking = async (): Promise<void> => {
    write()
    fdatasyncSync(file.fd)
  }
  let next: Promise<void> | null = null
  let running: Promise<void> = Promise.resolve()
  const shared = (work: () => Promise<void>) => (): Promise<void> => {
    next ??= running.then(() => {
      next = null
      running = work()
      return running
    })
    return next
  }
  const each = (work: () => Promise<void>): (() => Promise<void>) =>
    writers === 1 ? work : shared(work)
  return { once: each(writeOnce), blocking: each(writeBlocking), close: () => file.close() }
}

async function benchVerify(print: Print): Promise<void> {
  await inFolder(async (folder) => {
    const chain = await openAt(folder, 1)
    await fill(chain, ENTRIES, 8)
    const [{ height, entries, bytes } = { height: 0, entries: 0, bytes: 0 }] = chain.status()
    const own = entries * draftPayloadBytes()
    print(
      `  ${entries} entries in ${height} blocks, ${(bytes / 1e6).toFixed(0)} MB: ` +
        `${(bytes / entries).toFixed(0)} bytes an entry, ${(own / entries).toFixed(0)} of them its payload; ` +
        `100,000 a day are ${((365 * 100_000 * (bytes / entries)) / 1e9).toFixed(1)} GB a year`
    )
    const full: number[] = []
    const again: string[] = []
    const raw: number[] = []
    const rawPaired: number[] = []
    const memoryBefore = process.memoryUsage.rss()
    let memory = memoryBefore
    for (let round = 0; round < 2; round += 1) {
      raw.push(await rawWork({ entries, blocks: height, isPaired: false }))
      rawPaired.push(await rawWork({ entries, blocks: height, isPaired: true }))
      const watch = setInterval(() => {
        memory = Math.max(memory, process.memoryUsage.rss())
      }, 50)
      full.push(await timed(async () => expectOk(await chain.verify({ isFull: true }))))
      clearInterval(watch)
      again.push(await timedVerify(chain))
    }
    const few = Array.from({ length: NEW_ENTRIES }, (_, index) => draft(index))
    await chain.append(few)
    const someNew = await timedVerify(chain)
    const perSecond = (ms: number): string => `${((entries / ms) * 1000).toFixed(0)}/s`
    print(
      `  raw hashes and signatures by node:crypto, ${availableParallelism()} threads: ${seconds(median(raw))}; ` +
        `hashes in pairs, as the chain does: ${seconds(median(rawPaired))}`
    )
    print(`  verify --full: ${seconds(median(full))}, ${perSecond(median(full))}`)
    print(
      `  verify after a verify: ${again.join(', then ')}; with ${NEW_ENTRIES} new entries ${someNew}`
    )
    print(
      `  resident memory before: ${(memoryBefore / 1e6).toFixed(0)} MB; most meanwhile, with ` +
        `${availableParallelism()} threads: ${(memory / 1e6).toFixed(0)} MB`
    )
    for (const [name, limit] of [
      ['of the raw limit by node:crypto', median(raw)],
      ['of the raw limit with paired hashes', median(rawPaired)]
    ] as const) {
      const share = limit / median(full)
      print(goalLine(name, `${(100 * share).toFixed(0)} %`, '>= 70 %', share >= 0.7))
    }
    await chain.stop()
  })
}

/** How long it takes to verify what may be known already, and of how much it read the files. */
async function timedVerify(chain: Chain): Promise<string> {
  let read = 0
  const ms = await timed(async () => {
    const report = await chain.verify()
    expectOk(report)
    read = report.blocks - report.unread
  })
  return `${ms.toFixed(0)} ms (files of ${read} blocks read)`
}

function draftPayloadBytes(): number {
  return 150 + 20
}

function expectOk({ ok }: { readonly ok: boolean }): void {
  if (!ok) throw new Error('the lane does not verify')
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`
}

/** The hashes and signature checks that a lane of this shape cannot do without, on all cores. */
async function rawWork(work: {
  readonly entries: number
  readonly blocks: number
  readonly isPaired: boolean
}): Promise<number> {
  const threads = availableParallelism()
  const { isPaired } = work
  const share = { entries: work.entries / threads, blocks: work.blocks / threads, isPaired }
  const times = await Promise.all(
    Array.from({ length: threads }, async () => {
      const worker = new Worker(new URL('./peers/raw-chain-work.ts', import.meta.url), {
        workerData: share
      })
      const { promise, resolve, reject } = Promise.withResolvers<number>()
      worker.once('message', resolve)
      worker.once('error', reject)
      return promise
    })
  )
  return Math.max(...times)
}

/** The first round is cold: code that has not run yet, threads that have to start. */
function printReplicated(print: Print, bytes: number, rounds: readonly Replicated[]): void {
  const rate = (ms: number): string => `${(bytes / 1e3 / ms).toFixed(1)} MB/s`
  const warm = rounds.slice(1)
  const own = median(warm.map(({ replication }) => replication.ms))
  const peer = median(warm.map(({ stream }) => stream.ms))
  const cpu = (of: (each: Replicated) => number): string => `${median(warm.map(of)).toFixed(0)} ms`
  print(`  ${(bytes / 1e6).toFixed(1)} MB in blocks of up to 64 entries; each round a new member`)
  print(
    `  replication, verified and synced: ${rate(own)}; the first, cold: ` +
      rate(rounds[0]?.replication.ms ?? Number.NaN)
  )
  print(`  bare libp2p stream of the same bytes: ${rate(peer)}`)
  print(
    `  CPU of both ends together: ${cpu(({ replication }) => replication.cpuMs)}, ` +
      `of the bare stream ${cpu(({ stream }) => stream.cpuMs)}`
  )
  const share = median(warm.map(({ replication, stream }) => stream.ms / replication.ms))
  print(goalLine('of the bare stream', share.toFixed(2), '>= 0.6', share >= 0.6))
}

async function benchReplicate(print: Print): Promise<void> {
  const { replicateBesideStream } = await import('./peers/replication.ts')
  await inFolder(async (folder) => {
    const owner = await openAt(join(folder, 'owner'), 1)
    await fill(owner, REPLICATE_ENTRIES, 8)
    const bytes = owner.status()[0]?.bytes ?? 0
    const rounds: Replicated[] = []
    const checker = threadedChecker({ clock: systemClock })
    for (let round = 0; round < 8; round += 1) {
      const member = await openAt(join(folder, `member-${round}`), 2, checker)
      rounds.push(await replicateBesideStream(owner, member, bytes))
      await member.stop()
    }
    await checker.stop()
    printReplicated(print, bytes, rounds)
    const raw = { entries: REPLICATE_ENTRIES, blocks: owner.status()[0]?.height ?? 0 }
    const rawMs = await rawWork({ ...raw, isPaired: true })
    const stream = median(rounds.slice(1).map((each) => each.stream.ms))
    print(
      `  hashes and signature checks of these blocks alone, on all cores: ${rawMs.toFixed(0)} ms; ` +
        `the bare stream and they, one after the other, would be ${(stream / (stream + rawMs)).toFixed(2)} of it`
    )
    await owner.stop()
  })
}
