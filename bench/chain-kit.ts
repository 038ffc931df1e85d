// What the benches of the chain share: lanes to fill, and single hashes and signatures to compare with.

import { hash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { openChain } from '../chain/index.ts'
import type { Chain, EntryDraft, RecordChecker } from '../chain/index.ts'
import { isSignedBy, shake256All, signerFromSeed } from '../core/index.ts'
import { systemClock } from '../core/system.ts'
import { threadedChecker } from '../node/chain-checker.ts'
import { openLaneDisk } from '../node/disk.ts'
import { silentLog } from '../test/doubles/silent-log.ts'

export const ENTRIES: number = Number(process.env['WEAVER_BENCH_ENTRIES'] ?? 1_000_000)

export function draft(number: number): EntryDraft {
  // With its kind, actor, subject, hash and table row about 300 bytes.
  const payload = { number, text: 'x'.repeat(150) }
  const actor = 'process:7@laptop'
  return { kind: 'tool.called', actor, subject: 'task:846yek4s6jpz6wyk', payload }
}

/** Threads of its own for each chain, unless a checker is given. */
export async function openAt(folder: string, seed: number, shared?: RecordChecker): Promise<Chain> {
  const signer = signerFromSeed(new Uint8Array(32).fill(seed))
  const checker = shared ?? threadedChecker({ clock: systemClock })
  const disk = await openLaneDisk(folder, { clock: systemClock })
  return openChain({ disk, clock: systemClock, signer, log: silentLog, checker }, {})
}

export async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(
    join(process.env['WEAVER_BENCH_FOLDER'] ?? tmpdir(), 'weaver-bench-')
  )
  try {
    await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

export async function fill(chain: Chain, entries: number, perAppend: number): Promise<void> {
  let number = 0
  const writers = 8
  const write = async (): Promise<void> => {
    while (number < entries) {
      const count = Math.min(perAppend, entries - number)
      const first = number
      number += count
      await chain.append(Array.from({ length: count }, (_, index) => draft(first + index)))
    }
  }
  await Promise.all(Array.from({ length: writers }, write))
}

/** One hash of 200 bytes by node:crypto, in milliseconds. */
export function shakeMs(): number {
  const bytes = Buffer.alloc(200, 3)
  const options = { outputEncoding: 'buffer', outputLength: 32 } as const
  return meanMs(20_000, () => hash('shake256', bytes, options))
}

/** The same in pairs, as the chain hashes. */
export function pairedShakeMs(): number {
  const message = { prefix: new Uint8Array(12), first: new Uint8Array(188).fill(3) }
  const messages = Array.from({ length: 64 }, () => message)
  return meanMs(500, () => shake256All(messages)) / messages.length
}

/** One signature over a header, in milliseconds. */
export function signMs(): number {
  const signer = signerFromSeed(new Uint8Array(32).fill(9))
  const header = new Uint8Array(150)
  return meanMs(5000, () => signer.sign('weft/bench/1', header))
}

/** One check of such a signature. */
export function verifyMs(): number {
  const signer = signerFromSeed(new Uint8Array(32).fill(9))
  const header = new Uint8Array(150)
  const signature = signer.sign('weft/bench/1', header)
  return meanMs(2000, () => isSignedBy(signer.nodeId, 'weft/bench/1', header, signature))
}

function meanMs(rounds: number, work: () => unknown): number {
  const started = performance.now()
  for (let round = 0; round < rounds; round += 1) work()
  return (performance.now() - started) / rounds
}
