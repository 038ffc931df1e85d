// How often a document is published: at most every DELTA_INTERVAL_MS, and less often on a node that is short of
// CPU. A step costs every member a signature to check and a wake-up, however many changes it carries. Pure.

import { millis } from '../../core/index.ts'
import type { Millis } from '../../core/index.ts'
import {
  DELTA_INTERVAL_LOADED_MS,
  DELTA_INTERVAL_MAX_MS,
  DELTA_INTERVAL_MS,
  DELTA_INTERVAL_TURNS,
  DELTA_INTERVAL_TURNS_MIN
} from '../limits.ts'

/** @param turnMs how long the event loop takes to come round with a publication in it */
export function publishPause(turnMs: Millis): Millis {
  const wanted = Math.min(DELTA_INTERVAL_LOADED_MS, DELTA_INTERVAL_TURNS * turnMs)
  const needed = Math.max(DELTA_INTERVAL_MS, DELTA_INTERVAL_TURNS_MIN * turnMs)
  return millis(Math.min(DELTA_INTERVAL_MAX_MS, Math.max(wanted, needed)))
}

/** The last few turns count: one that was long alone, as for a collection of garbage, is no sign of load. */
export function smoothTurn(before: Millis, turnMs: Millis): Millis {
  return millis((3 * before + Math.min(turnMs, DELTA_INTERVAL_MAX_MS)) / 4)
}
