// Proofs and exports of a large lane: how long one takes to make and to check, and what an export keeps in memory.

import { open } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { nodePrimitives, verifyFile } from '../chain/offline/index.ts'
import type { Chain } from '../chain/index.ts'
import { signerFromSeed, utf8 } from '../core/index.ts'
import { systemPrng } from '../core/system.ts'
import { meshOf } from '../test/unit/chain/mesh-kit.ts'
import { draft, ENTRIES, fill, inFolder, openAt, verifyMs } from './chain-kit.ts'
import { goalLine, median, ms, percentile, timed } from './stats.ts'
import type { Bench, Print } from './stats.ts'

const ROUNDS = 500
const WRITERS = 16
const LANE_BYTES_MIN = 10_000_000
const signer = signerFromSeed(new Uint8Array(32).fill(1))
const options = { ...meshOf(signer), withPayload: true }

export const benches: readonly Bench[] = [
  {
    name: 'chain-proofs',
    title: `proofs from a lane of ${ENTRIES.toLocaleString('en')} entries, and its export`,
    notMeasured:
      'a cold disk cache; a checkpoint that must be made first; cosignatures in the proof',
    run: (print) => inFolder((folder) => benchProofs(print, folder))
  }
]

async function benchProofs(print: Print, folder: string): Promise<void> {
  const chain = await openAt(folder, 1)
  await fill(chain, ENTRIES, 8)
  await chain.proofs.checkpoint()
  const height = chain.status()[0]?.height ?? 0
  const read = await bareRead(folder)
  const quiet = await proofs(chain, height)
  const consistency = await times(async () => {
    await chain.proofs.request(1 + systemPrng.below(height))
  })
  const busy = await whileWriting(chain, () => proofs(chain, height))
  const line = (name: string, values: readonly number[]): void =>
    print(
      `  ${name.padEnd(42)} p50 ${ms(median(values))}, p99 ${ms(percentile(values, 0.99))}, ` +
        `${(median(values) / median(read)).toFixed(1)}x a bare read`
    )
  line('bare read of 20 kB: open, read, close', read)
  line('inclusion proof made', quiet.made)
  line('consistency proof made', consistency)
  line(`inclusion proof made, ${WRITERS} writers beside it`, busy.made)
  line('proof checked', quiet.checked)
  line('proof checked while nobody took the core', quiet.undisturbed)
  print(`  a check holds four Ed25519 and one ML-DSA-44 signature; one Ed25519: ${ms(verifyMs())}`)
  for (const [name, values, goal] of [
    ['inclusion proof made, p99', quiet.made, 5],
    ['consistency proof made, p99', consistency, 5],
    ['proof checked, p99', quiet.checked, 2]
  ] as const) {
    const value = percentile(values, 0.99)
    print(goalLine(name, ms(value), `<= ${goal} ms`, value <= goal))
  }
  await benchExport(print, chain)
  await chain.stop()
}

/** Those during which the system gave the core to nobody else go to `undisturbed` as well. */
async function times(
  work: () => Promise<void>,
  undisturbed: number[] = []
): Promise<readonly number[]> {
  for (let round = 0; round < ROUNDS / 5; round += 1) await work() // Warm-up.
  const values: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = process.resourceUsage().involuntaryContextSwitches
    const took = await timed(work)
    values.push(took)
    if (process.resourceUsage().involuntaryContextSwitches === before) undisturbed.push(took)
  }
  return values
}

async function proofs(
  chain: Chain,
  height: number
): Promise<Readonly<Record<'made' | 'checked' | 'undisturbed', readonly number[]>>> {
  let proof = new Uint8Array(0)
  const make = async (): Promise<void> => {
    const id = `${1 + systemPrng.below(height)}.0@${signer.nodeId}`
    proof = new Uint8Array(utf8(await chain.proofs.prove(id, options)))
  }
  const made = await times(make)
  const undisturbed: number[] = []
  const checked = await times(async () => {
    const { ok } = await verifyFile(nodePrimitives, chunks(proof))
    if (!ok) throw new Error('a proof does not check out')
  }, undisturbed)
  return { made, checked, undisturbed }
}

async function* chunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

async function whileWriting<T>(chain: Chain, work: () => Promise<T>): Promise<T> {
  const over = new AbortController()
  const writers = Array.from({ length: WRITERS }, async () => {
    while (!over.signal.aborted) await chain.append([draft(0)])
  })
  try {
    return await work()
  } finally {
    over.abort()
    await Promise.all(writers)
  }
}

/** Reads of as many bytes as a block has, from anywhere in a file of the lane. */
async function bareRead(folder: string): Promise<readonly number[]> {
  const path = join(folder, `${signer.nodeId}.${'1'.padStart(16, '0')}.lane`)
  const bytes = Buffer.alloc(20_000)
  return times(async () => {
    const file = await open(path)
    await file.read(bytes, 0, bytes.length, systemPrng.below(LANE_BYTES_MIN))
    await file.close()
  })
}

async function benchExport(print: Print, chain: Chain): Promise<void> {
  const before = process.memoryUsage.rss()
  let most = before
  let bytes = 0
  const took = await timed(async () => {
    for await (const part of chain.proofs.export([signer.nodeId], options)) {
      bytes += part.length
      most = Math.max(most, process.memoryUsage.rss())
    }
  })
  const verified = await timed(async () => {
    const { ok } = await verifyFile(nodePrimitives, chain.proofs.export([signer.nodeId], options))
    if (!ok) throw new Error('the export does not verify')
  })
  const rate = (took_: number): string => `${(bytes / 1e3 / took_).toFixed(0)} MB/s`
  print(
    `  export of ${(bytes / 1e6).toFixed(0)} MB: ${rate(took)}; resident memory grew by ` +
      `${((most - before) / 1e6).toFixed(0)} MB meanwhile; verified offline at ${rate(verified)}`
  )
}
