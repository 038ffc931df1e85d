// Finding what of a lane is damaged or missing, and putting right what others still hold.
//
// Invariants
//   P1. Only records that check out, are signed by the lane's owner and fit between their neighbours take
//       the place of damaged ones. Whoever sends them is not trusted.
//   P2. A sound block is never replaced: two sound versions of a height are a fork, and stay one.

import { equalBytes } from '../core/index.ts'
import type { NodeId } from '../core/index.ts'
import { checkLink, EMPTY_TIP, tipOf } from './block.ts'
import type { SignedBlock, Tip } from './block.ts'
import { checkRecord } from './check.ts'
import type { Lane } from './lane.ts'
import { REPAIR_BYTES_MAX } from './limits.ts'

/** Heights from `from` to `to`, both included. */
export interface HeightRange {
  readonly from: number
  readonly to: number
}

/** Where copies of blocks come from. */
export interface RepairSource {
  /**
   * Records of these heights, in order, as far as anybody who can be asked has them. Nothing about them
   * has been checked. Ends early where nobody has more.
   */
  fetch(
    lane: NodeId,
    range: HeightRange,
    signal: AbortSignal | undefined
  ): AsyncIterable<Uint8Array>
}

export interface LaneRepair {
  readonly lane: NodeId
  /** Blocks that were damaged or missing, and how many of them are sound again. */
  readonly damaged: number
  readonly repaired: number
  /** What nobody could give. */
  readonly missing: readonly HeightRange[]
}

export interface RepairDeps {
  readonly source: RepairSource
  /** Whether an absent payload has been redacted. */
  readonly isRedacted: (lane: NodeId, height: number, index: number) => Promise<boolean>
  readonly signal: AbortSignal | undefined
}

interface Damage extends HeightRange {
  /** What the first repaired block must follow; null where that is not known. */
  readonly before: Tip | null
  /** What the last repaired block must hash to; null where that is not known. */
  readonly nextPrevious: Uint8Array | null
}

/** Repairs one lane up to its tip. */
export async function repairLane(lane: Lane, deps: RepairDeps): Promise<LaneRepair> {
  await lane.settle() // What is being stored now is looked at as it will be.
  const damages = await findDamage(lane, deps)
  const missing: HeightRange[] = []
  let damaged = 0
  let repaired = 0
  for (const damage of damages) {
    const count = damage.to - damage.from + 1
    damaged += count
    const got = await repairRange(lane, damage, deps)
    repaired += got
    if (got < count) missing.push({ from: damage.from + got, to: damage.to })
  }
  return { lane: lane.store.lane, damaged, repaired, missing }
}

/** Stretches of heights that are not sound, in order. */
async function findDamage(lane: Lane, deps: RepairDeps): Promise<readonly Damage[]> {
  const { store } = lane
  const end = store.tip
  const damages: Damage[] = []
  let last: Tip | null = EMPTY_TIP // The last sound block, or null behind damage that is open.
  let open: { from: number; before: Tip | null } | null = null
  let height = 0
  const close = (to: number, nextPrevious: Uint8Array | null): void => {
    if (open !== null) damages.push({ ...open, to, nextPrevious })
    open = null
  }
  const spoil = (from: number): void => {
    open ??= { from, before: last }
    last = null
  }
  for await (const item of store.scan(1)) {
    deps.signal?.throwIfAborted()
    if (item.kind === 'damage') {
      // Bytes that belong to no block: the file is written anew, with the next block fetched once more.
      if (height < end.height) spoil(height + 1)
      else if (height === end.height && height > 0 && open === null) spoil(height)
      continue
    }
    if (item.head.height > end.height) break
    if (item.head.height <= height) continue
    if (item.head.height > height + 1) spoil(height + 1)
    height = item.head.height
    const block = await soundBlock(lane, item.bytes, deps, height)
    if (block === null) {
      spoil(height)
      continue
    }
    close(height - 1, block.header.previous)
    last = tipOf(block)
  }
  if (height < end.height) spoil(height + 1)
  close(end.height, end.hash)
  return damages.filter(({ from, to }) => from <= to)
}

async function soundBlock(
  lane: Lane,
  record: Uint8Array,
  deps: RepairDeps,
  height: number
): Promise<SignedBlock | null> {
  const { block, problems } = checkRecord(lane.store.lane, record, height)
  if (block === null || block.header.height !== height) return null
  for (const { code, entry } of problems) {
    const mayBe = code === 'CHAIN_PAYLOAD_MISSING' && entry !== null
    if (!mayBe || !(await deps.isRedacted(lane.store.lane, height, entry))) return null
  }
  return block
}

/** How many blocks of the stretch are sound again. */
async function repairRange(lane: Lane, damage: Damage, deps: RepairDeps): Promise<number> {
  let ready = new Map<number, Uint8Array>()
  let bytes = 0
  let before = damage.before
  let height = damage.from
  const put = async (): Promise<void> => {
    if (ready.size > 0) await lane.mend(ready)
    ready = new Map()
    bytes = 0
  }
  for await (const record of deps.source.fetch(lane.store.lane, damage, deps.signal)) {
    if (height > damage.to) break
    const block = await soundBlock(lane, record, deps, height)
    if (block === null || (before !== null && checkLink(before, block).length > 0)) break // P1
    const { nextPrevious } = damage
    const isLast = height === damage.to
    if (isLast && nextPrevious !== null && !equalBytes(nextPrevious, block.hash)) break
    ready.set(height, lane.storable(height, record))
    bytes += record.length
    before = tipOf(block)
    height += 1
    if (bytes >= REPAIR_BYTES_MAX) await put()
  }
  await put()
  return height - damage.from
}
