// A small chain on a disk in memory, with fixed keys and a clock that stands still.

import assert from 'node:assert/strict'
import { openChain } from '../../../chain/index.ts'
import type { Chain, ChainOptions, EntryDraft, VerifyReport } from '../../../chain/index.ts'
import { signerFromSeed } from '../../../core/index.ts'
import type { NodeId, Signer } from '../../../core/index.ts'
import { MemoryLaneDisk } from '../../doubles/lane-disk.ts'
import { silentLog } from '../../doubles/silent-log.ts'
import { VirtualClock } from '../../sim/world/virtual-clock.ts'

export function signerOf(seed: number): Signer {
  return signerFromSeed(new Uint8Array(32).fill(seed))
}

export interface Kit {
  readonly disk: MemoryLaneDisk
  readonly clock: VirtualClock
  readonly signer: Signer
  readonly lane: NodeId
  /** Starts a chain on the disk as it is now. */
  readonly open: (options?: ChainOptions) => Promise<Chain>
}

export function kit(seed = 1, disk: MemoryLaneDisk = new MemoryLaneDisk()): Kit {
  const clock = new VirtualClock()
  const signer = signerOf(seed)
  const open = (options: ChainOptions = {}): Promise<Chain> =>
    openChain({ disk: disk.mount(), clock, signer, log: silentLog }, options)
  return { disk, clock, signer, lane: signer.nodeId, open }
}

export function draft(number: number, extra: Partial<EntryDraft> = {}): EntryDraft {
  return {
    kind: 'task.submitted',
    actor: 'user:local',
    subject: `task:${number}`,
    payload: { number },
    ...extra
  }
}

/** Appends one block for each number, of so many entries. */
export async function appendBlocks(chain: Chain, ...counts: readonly number[]): Promise<void> {
  for (const count of counts) {
    await chain.append(Array.from({ length: count }, (_, index) => draft(index)))
  }
}

/** All records of a lane, as they would travel. */
export async function recordsOf(chain: Chain, lane: NodeId): Promise<readonly Uint8Array[]> {
  return (await chain.read(lane, 1, 2 ** 30)).records
}

export function laneFile(disk: MemoryLaneDisk, lane: NodeId): string {
  const name = disk.names().find((each) => each.startsWith(lane) && each.endsWith('.lane'))
  assert(name !== undefined, `No file of lane ${lane}`)
  return name
}

export function places(report: VerifyReport): readonly string[] {
  return report.problems.map(({ code, height, entry }) => `${code} ${height}.${entry ?? '-'}`)
}

export async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error
  }
  return 'no error'
}
