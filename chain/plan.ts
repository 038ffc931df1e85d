// Deciding what to fetch from a peer: a pure comparison of heads.

import type { NodeId } from '../core/index.ts'

/** The end of a lane as somebody has it. */
export interface LaneHead {
  readonly lane: NodeId
  readonly height: number
  readonly hash: Uint8Array
  readonly entries: number
}

/** Blocks that a peer has and we lack. */
export interface Want {
  readonly lane: NodeId
  readonly fromHeight: number
  readonly toHeight: number
}

/**
 * What to ask of a peer that has these heads. Never our own lane: nobody else may extend it. The peer's
 * word is only a reason to ask; what it sends is verified by `accept`.
 */
export function planWants(
  own: NodeId,
  ours: readonly Pick<LaneHead, 'lane' | 'height'>[],
  theirs: readonly Pick<LaneHead, 'lane' | 'height'>[]
): readonly Want[] {
  const heights = new Map(ours.map((head) => [head.lane, head.height]))
  return theirs
    .filter((head) => head.lane !== own && head.height > (heights.get(head.lane) ?? 0))
    .map(({ lane, height }) => {
      return { lane, fromHeight: (heights.get(lane) ?? 0) + 1, toHeight: height }
    })
}
