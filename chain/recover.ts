// Finding the end of a lane after a crash: which block is the last, and which bytes behind it are the
// torn rest of a write that nobody was told about.
//
// Invariants
//   R1. A block at or below the known head is never cut.
//   R2. In the own lane only bytes behind the last sound record are cut: each write held one block and
//       followed a sync, so a sound record proves that all before it were durable.
//   R3. In another's lane a write may hold many blocks, torn anywhere: above the known head, all from
//       the first unsound record on is cut. It is fetched again.

import { equalBytes } from '../core/index.ts'
import type { NodeId } from '../core/index.ts'
import { checkLink, EMPTY_TIP, tipOf } from './block.ts'
import type { Tip } from './block.ts'
import { signedHeader } from './check.ts'
import { blockHash } from './hashes.ts'
import type { KnownHead } from './head-file.ts'
import type { LaneFile } from './ports.ts'
import { headerBytesOf } from './record.ts'
import { checkStructure } from './redact.ts'
import { scanFile } from './scan.ts'
import type { ScanItem } from './scan.ts'
import type { Segment } from './segment.ts'

export interface LaneEnd {
  readonly tip: Tip
  /** The segment that holds the tip, or -1, and the offset where its sound part ends. */
  readonly segmentIndex: number
  readonly keep: number
  /** Where, before `keep`, the records start that the known head does not cover. */
  readonly uncovered: number
  /** Whether the block at the known height is another than the known one. */
  readonly isReplaced: boolean
}

interface SegmentEnd {
  readonly tip: Tip | null
  readonly keep: number
  readonly uncovered: number
  readonly isReplaced: boolean
}

const RECENT_MAX = 8 // More unsound headers in a row than that are no accident of the last write.

type RecordItem = ScanItem & { readonly kind: 'record' }

export interface RecoverInput {
  readonly lane: NodeId
  readonly isOwn: boolean
  readonly known: KnownHead | null
  readonly segments: readonly Segment[]
  readonly open: (segment: Segment) => Promise<LaneFile | null>
}

/** Reads from the last segment backwards until one holds a sound block. Changes nothing on disk. */
export async function findEnd(input: RecoverInput): Promise<LaneEnd> {
  let isReplaced = false
  for (let index = input.segments.length - 1; index >= 0; index -= 1) {
    const segment = input.segments[index]
    const file = segment === undefined ? null : await input.open(segment)
    if (segment === undefined || file === null) continue
    try {
      const end = await endOfSegment(input, segment, file)
      isReplaced ||= end.isReplaced
      if (end.tip !== null) {
        return { ...end, tip: end.tip, segmentIndex: index, isReplaced }
      }
    } finally {
      await file.close()
    }
  }
  return { tip: EMPTY_TIP, segmentIndex: -1, keep: 0, uncovered: 0, isReplaced }
}

async function endOfSegment(
  input: RecoverInput,
  segment: Segment,
  file: LaneFile
): Promise<SegmentEnd> {
  const { lane } = input
  const walk = new EndWalk(input, segment.firstHeight - 1)
  const range = { lane, from: 0, to: segment.size, afterHeight: segment.firstHeight - 1 }
  for await (const item of scanFile(file, range)) {
    if (item.kind === 'record') segment.note(item.head.height, item.offset)
    if (!walk.takes(item)) break
  }
  return walk.end()
}

/** Decides record by record. */
class EndWalk {
  readonly #input: RecoverInput
  readonly #knownHeight: number
  #height: number
  #tip: Tip | null = null
  #keep = 0
  #uncovered = 0
  #isReplaced = false
  #isBehindGap = true // The block before the first one lies in another file.
  // The last records at or below the known head. Their headers are read only if the lane ends with them.
  #recent: RecordItem[] = []

  constructor(input: RecoverInput, heightBefore: number) {
    this.#input = input
    this.#knownHeight = input.known?.height ?? 0
    this.#height = heightBefore
  }

  /** Whether to go on behind this item. */
  takes(item: ScanItem): boolean {
    if (item.kind === 'record' && item.head.height <= this.#knownHeight) {
      this.#takeKnown(item)
      return true
    }
    const isAbove = this.#height >= this.#knownHeight
    if (item.kind === 'record') {
      this.#settle()
      const tip = this.#soundTip(item)
      if (tip !== null) {
        this.#tip = tip
        this.#keep = item.offset + item.bytes.length
        this.#height = tip.height
        this.#isBehindGap = false
        return true
      }
    }
    this.#isBehindGap = true
    return this.#input.isOwn || !isAbove // R2, R3
  }

  end(): SegmentEnd {
    this.#settle()
    return {
      tip: this.#tip,
      keep: this.#keep,
      uncovered: Math.min(this.#uncovered, this.#keep),
      isReplaced: this.#isReplaced
    }
  }

  #takeKnown(item: RecordItem): void {
    const { known } = this.#input
    if (known !== null && item.head.height === known.height) {
      this.#isReplaced = !equalBytes(blockHash(headerBytesOf(item.bytes, item.head)), known.hash)
    }
    this.#uncovered = item.offset + item.bytes.length
    this.#recent.push(item)
    if (this.#recent.length > RECENT_MAX) this.#recent.shift()
    this.#height = Math.max(this.#height, item.head.height)
    this.#isBehindGap = false
  }

  /** Makes the last known record with a sound header the tip. */
  #settle(): void {
    for (const item of this.#recent.toReversed()) {
      const header = signedHeader(this.#input.lane, item.bytes, item.head)
      if (header === null) continue
      this.#tip = tipOf({ header, hash: blockHash(headerBytesOf(item.bytes, item.head)) })
      this.#keep = item.offset + item.bytes.length
      break
    }
    this.#recent = []
  }

  #soundTip(item: RecordItem): Tip | null {
    const { lane } = this.#input
    const { block, problems } = checkStructure(lane, item.bytes, item.head.height)
    if (block === null || problems.length > 0) return null
    const before = this.#isBehindGap ? null : this.#tip
    if (before !== null) {
      if (block.header.height !== before.height + 1) return null
      if (checkLink(before, block).length > 0) return null
    }
    return tipOf(block)
  }
}
