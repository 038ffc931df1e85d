// Opening a lane: which files there are, where it ends, and what of it may be cut (recover.ts decides).

import type { Logger, NodeId } from '../core/index.ts'
import type { Tip } from './block.ts'
import { LaneDamagedError, LaneReplacedError, LaneTruncatedError } from './errors.ts'
import { HeadFile } from './head-file.ts'
import { RECORD_BYTES_MAX } from './limits.ts'
import type { LaneDisk, LaneFile } from './ports.ts'
import { findEnd } from './recover.ts'
import type { LaneEnd } from './recover.ts'
import { cutName, headName, Segment } from './segment.ts'
import type { LaneFiles } from './segment.ts'

export interface LaneDeps {
  readonly disk: LaneDisk
  readonly log: Logger
}

export interface LaneOptions {
  readonly lane: NodeId
  readonly isOwn: boolean
  /** The own lane is opened as that of another would be, and what is cut off it is kept. */
  readonly isInRepair: boolean
  readonly segmentBytes: number
  readonly files: LaneFiles
}

/** How a lane was found. The own lane opens only when it is `ok`. */
export type FoundState = 'ok' | 'truncated' | 'replaced'

export interface OpenedLane {
  readonly head: HeadFile
  readonly segments: Segment[]
  /** The last segment, open for writing; null while the lane has no file. */
  readonly tail: LaneFile | null
  readonly tip: Tip
  readonly found: FoundState
}

/**
 * @throws LaneTruncatedError `CHAIN_LANE_TRUNCATED`, LaneReplacedError `CHAIN_LANE_REPLACED`,
 * LaneDamagedError `CHAIN_LANE_DAMAGED` for the own lane, before anything has been changed.
 */
export async function openLane(deps: LaneDeps, options: LaneOptions): Promise<OpenedLane> {
  const { lane, isInRepair, files } = options
  const isOwn = options.isOwn && !isInRepair
  // Before the first block is written, so that a lane with blocks and no head file is never ours.
  const head = await HeadFile.open(deps.disk, headName(lane))
  const segments: Segment[] = []
  for (const { name, firstHeight } of files.segments) {
    segments.push(new Segment(name, firstHeight, await sizeOf(deps.disk, name)))
  }
  const { known } = head
  if (known === null && segments.some((segment) => segment.size > 0)) {
    deps.log.warn('Lane has no readable head file: its end cannot be checked', { lane })
  }
  const open = (segment: Segment): Promise<LaneFile | null> => deps.disk.open(segment.name)
  const end = await findEnd({ lane, isOwn, known, segments, open })
  const found = judge(end, known?.height ?? 0)
  if (isOwn && found !== 'ok') {
    await head.close()
    throw found === 'replaced'
      ? new LaneReplacedError(lane, known?.height ?? 0)
      : new LaneTruncatedError(lane, end.tip.height, known?.height ?? 0)
  }
  const torn = bytesBehind(segments, end)
  if (isOwn && torn > RECORD_BYTES_MAX) {
    await head.close()
    throw new LaneDamagedError(lane, end.tip.height, torn)
  }
  const kept = await cutBehind(deps, { lane, segments, end, isKept: isInRepair })
  const last = kept.at(-1)
  const tail = last === undefined ? null : await deps.disk.create(last.name)
  if (tail !== null && end.segmentIndex === kept.length - 1) await settle(tail, end)
  return { head, segments: kept, tail, tip: end.tip, found }
}

function judge(end: LaneEnd, knownHeight: number): FoundState {
  if (end.tip.height < knownHeight) return 'truncated'
  return end.isReplaced ? 'replaced' : 'ok'
}

/** One write of the own lane is one record: more than that behind the end was not torn by a crash. */
function bytesBehind(segments: readonly Segment[], end: LaneEnd): number {
  let bytes = 0
  for (const [index, segment] of segments.entries()) {
    if (index === end.segmentIndex) bytes += segment.size - end.keep
    else if (index > end.segmentIndex) bytes += segment.size
  }
  return bytes
}

async function sizeOf(disk: LaneDisk, name: string): Promise<number> {
  const file = await disk.open(name)
  if (file === null) return 0
  try {
    return await file.size()
  } finally {
    await file.close()
  }
}

interface Cut {
  readonly lane: NodeId
  readonly segments: readonly Segment[]
  readonly end: LaneEnd
  /** Whether what is cut off is kept beside the lane: blocks may be found in it again. */
  readonly isKept: boolean
}

/** Cuts what lies behind the end, and returns the segments that are left. A crash here is repeated at the next open. */
async function cutBehind(deps: LaneDeps, cut: Cut): Promise<Segment[]> {
  const { lane, segments, end, isKept } = cut
  const kept: Segment[] = []
  for (const [index, segment] of segments.entries()) {
    const keep = index === end.segmentIndex ? end.keep : 0
    if (index < end.segmentIndex) {
      kept.push(segment)
      continue
    }
    if (segment.size > keep) {
      const bytes = segment.size - keep
      deps.log.warn('Cut a torn write off the end of a lane', { lane, file: segment.name, bytes })
      if (isKept) await keepCut(deps.disk, { lane, segment, keep })
      await truncate(deps.disk, segment, keep)
    }
    const isNext = segment.firstHeight === end.tip.height + 1
    if (index === end.segmentIndex || isNext) kept.push(segment)
    else await deps.disk.remove(segment.name)
  }
  return kept
}

/**
 * Makes what was recovered durable, before its head is told to anybody. A killed process may have left it
 * in the page cache only; and after a failed sync the cache may call it clean though no disk has it, so
 * it is written once more.
 */
async function settle(tail: LaneFile, end: LaneEnd): Promise<void> {
  for (let offset = end.uncovered; offset < end.keep; offset += RECORD_BYTES_MAX) {
    const bytes = await tail.read(offset, Math.min(RECORD_BYTES_MAX, end.keep - offset))
    await tail.write(offset, bytes)
  }
  if (end.uncovered < end.keep) await tail.sync()
}

async function truncate(disk: LaneDisk, segment: Segment, size: number): Promise<void> {
  const file = await disk.create(segment.name)
  try {
    await file.truncate(size)
    await file.sync()
  } finally {
    await file.close()
  }
  segment.cut(size)
}

const NOTHING = new Uint8Array(0)

/** Durable before anything is cut. A file that an earlier repair has kept is not overwritten. */
async function keepCut(
  disk: LaneDisk,
  { lane, segment, keep }: { lane: NodeId; segment: Segment; keep: number }
): Promise<void> {
  const [file, kept] = [
    await disk.open(segment.name),
    await disk.create(cutName(lane, segment.firstHeight))
  ]
  try {
    const start = await kept.size()
    const end = file === null ? keep : segment.size
    for (let offset = keep; offset < end; offset += RECORD_BYTES_MAX) {
      const bytes = await file?.read(offset, Math.min(RECORD_BYTES_MAX, end - offset))
      await kept.write(start + offset - keep, bytes ?? NOTHING)
    }
    await kept.sync()
  } finally {
    await file?.close()
    await kept.close()
  }
}
