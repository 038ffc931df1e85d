// A hybrid logical clock (Kulkarni et al., 2014): wall-clock milliseconds as long as they grow, and a
// counter where they do not. Pure: every function returns the next reading.
//
// Invariants
//   T1. A reading made by `tick` is greater than every reading it was made from.
//   T2. A remote reading moves ours only if it is at most CLOCK_AHEAD_MAX_MS ahead of our wall clock, so
//       one node whose clock is years ahead does not drag the mesh along.

import type { UnixMillis } from '../core/index.ts'
import { CLOCK_AHEAD_MAX_MS, COUNTER_MAX } from './limits.ts'

export interface Hlc {
  readonly ms: number
  readonly counter: number
}

export const HLC_ZERO: Hlc = { ms: 0, counter: 0 }

/** Negative, zero or positive as `a` is before, equal to or after `b`. */
export function compareHlc(a: Hlc, b: Hlc): number {
  return a.ms - b.ms || a.counter - b.counter
}

/** The reading for a new event (T1). */
export function tick(last: Hlc, wall: UnixMillis): Hlc {
  if (wall > last.ms) return { ms: wall, counter: 0 }
  if (last.counter < COUNTER_MAX) return { ms: last.ms, counter: last.counter + 1 }
  return { ms: last.ms + 1, counter: 0 }
}

/** The clock after a reading of another node was seen (T2). */
export function observe(last: Hlc, remote: Hlc, wall: UnixMillis): Hlc {
  const isTooFarAhead = remote.ms > wall + CLOCK_AHEAD_MAX_MS
  return isTooFarAhead || compareHlc(remote, last) <= 0 ? last : remote
}
