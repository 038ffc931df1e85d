// Giving back the room of what a node is not to keep any more of a lane.
//
// Invariants
//   K1. Of the own lane nothing is ever freed.
//   K2. A lane against which there is proof is kept as it is: its blocks are part of the proof.
//   K3. The checkpoints that this node has cosigned, and evidence, stay: a witness never forgets.
//   K4. A crash leaves each file of the lane as it was or as it is to be; asking again goes on from there.

import type { NodeId } from '../core/index.ts'
import { FormatError } from './errors.ts'
import type { Lane } from './lane.ts'
import type { Lanes } from './lanes.ts'
import type { LaneDisk } from './ports.ts'
import { withoutAnyPayload } from './redact.ts'
import { headName, mendName } from './segment.ts'
import { verifiedName } from './verified.ts'

/** Files of a lane that are made from its blocks, and only of use beside them. */
const DERIVED = /\.(?:tree\d|verified|mend)$/

export interface FreeingDeps {
  readonly disk: LaneDisk
  readonly lanes: Lanes
  /** Whether there is proof against the lane (K2). */
  readonly isAccused: (lane: NodeId) => boolean
}

/**
 * Takes the payloads out of what is held of a lane. Durable once resolved. Resolves to the bytes that are free
 * again. @throws DiskFullError, LaneFailedError: the files before the one that failed are done
 */
export async function freePayloads(deps: FreeingDeps, id: NodeId): Promise<number> {
  const lane = freeable(deps, id)
  if (lane === null) return 0
  const before = lane.store.bytes
  await lane.rewrite(bare)
  // What was verified was verified with its payloads: without this all lanes would be verified anew.
  await deps.disk.remove(verifiedName(id))
  return before - lane.store.bytes
}

/** Removes the blocks of a lane. Resolves to the bytes that are free again. */
export async function freeLane(deps: FreeingDeps, id: NodeId): Promise<number> {
  const lane = freeable(deps, id)
  if (lane === null) return 0
  const { bytes, segments } = lane.store
  await deps.lanes.release(lane)
  const { disk } = deps
  // The head file first: a lane that is shorter than it says would count as truncated. Then from the end, so
  // that a crash leaves the beginning of a lane.
  await disk.remove(headName(id))
  for (const { name } of segments.toReversed()) await disk.remove(name)
  for (const name of await disk.list()) {
    if (name.startsWith(`${id}.`) && DERIVED.test(name)) await disk.remove(name)
  }
  await disk.remove(mendName(id))
  return bytes
}

function bare(record: Uint8Array): Uint8Array {
  try {
    return withoutAnyPayload(record) ?? record
  } catch (error) {
    if (error instanceof FormatError) return record // Damaged: once it is repaired, it comes back bare.
    throw error
  }
}

function freeable({ lanes, isAccused }: FreeingDeps, id: NodeId): Lane | null {
  const lane = lanes.get(id)
  if (lane === undefined || lane.isOwn) return null // K1
  return lane.forkHeight !== null || lane.isTruncated || isAccused(id) ? null : lane // K2
}
