// A lane is a row of files, each named for the height of its first block:
//
//   <NodeId>.<height, 16 digits>.lane     the blocks
//   <NodeId>.head                         the last block known to be durable (head-file.ts)
//   <NodeId>.fork                         a signed block that contradicts this lane, kept as proof

import { nodeId } from '../core/index.ts'
import type { NodeId } from '../core/index.ts'
import { ANCHOR_BYTES, SEGMENTS_PER_LANE_MAX } from './limits.ts'

/** A place in a segment where the record of a height is known to start. */
interface Anchor {
  readonly height: number
  readonly offset: number
}

/** One file of a lane. `size` is what is durable, and all that may be read. */
export class Segment {
  readonly name: string
  readonly firstHeight: number
  size: number
  readonly #anchors: Anchor[] = []

  constructor(name: string, firstHeight: number, size: number) {
    this.name = name
    this.firstHeight = firstHeight
    this.size = size
  }

  /** Remembers where a record starts, for one record in ANCHOR_BYTES. */
  note(height: number, offset: number): void {
    const last = this.#anchors.at(-1) ?? { height: 0, offset: 0 }
    if (height > last.height && offset >= last.offset + ANCHOR_BYTES) {
      this.#anchors.push({ height, offset })
    }
  }

  /** The nearest known start of a record at or before `height`. */
  anchorFor(height: number): Anchor {
    const anchor = this.#anchors.findLast((candidate) => candidate.height <= height)
    return anchor ?? { height: this.firstHeight, offset: 0 }
  }

  /** Forgets what lay behind `size`. */
  cut(size: number): void {
    this.size = size
    while ((this.#anchors.at(-1)?.offset ?? 0) >= size && this.#anchors.length > 0) {
      this.#anchors.pop()
    }
  }
}

export interface LaneFiles {
  readonly segments: { readonly name: string; readonly firstHeight: number }[]
  hasHead: boolean
  hasFork: boolean
}

export function segmentName(lane: NodeId, firstHeight: number): string {
  return `${lane}.${String(firstHeight).padStart(16, '0')}.lane`
}

export function headName(lane: NodeId): string {
  return `${lane}.head`
}

export function forkName(lane: NodeId): string {
  return `${lane}.fork`
}

/** Where a segment is written anew; what a crash leaves there is nobody's. */
export function mendName(lane: NodeId): string {
  return `${lane}.mend`
}

/** Bytes that were cut off the own lane when it was opened for repair: kept until they are found again. */
export function cutName(lane: NodeId, firstHeight: number): string {
  return `${lane}.${String(firstHeight).padStart(16, '0')}.cut`
}

export function isCutOf(lane: NodeId, name: string): boolean {
  return name.startsWith(`${lane}.`) && name.endsWith('.cut')
}

/** Groups the files of a folder by lane; names of any other form are left alone. */
export function groupByLane(names: readonly string[]): Map<NodeId, LaneFiles> {
  const lanes = new Map<NodeId, LaneFiles>()
  for (const name of names.toSorted()) {
    const match = /^([1-9A-HJ-NP-Za-km-z]{1,64})\.(?:(\d{16})\.lane|head|fork)$/.exec(name)
    const lane = match?.[1] === undefined ? null : laneOf(match[1])
    if (lane === null) continue
    const files = lanes.get(lane) ?? { segments: [], hasHead: false, hasFork: false }
    lanes.set(lane, files)
    if (name.endsWith('.head')) files.hasHead = true
    else if (name.endsWith('.fork')) files.hasFork = true
    else if (files.segments.length < SEGMENTS_PER_LANE_MAX) {
      files.segments.push({ name, firstHeight: Number(match?.[2]) })
    }
  }
  return lanes
}

function laneOf(text: string): NodeId | null {
  try {
    return nodeId(text)
  } catch {
    return null // Not one of our files.
  }
}
