// The arithmetic of SWIM with Lifeguard, one function a formula. Sources: Das, Gupta, Motivala, "SWIM"
// (DSN 2002); Dadgar, Phillips, Currey, "Lifeguard" (DSN-W 2018); hashicorp/memberlist for the constants.

import { millis } from '../../core/index.ts'
import type { Millis } from '../../core/index.ts'
import {
  HEALTH_SCORE_MAX,
  PROBE_INTERVAL_MS,
  PROBE_TIMEOUT_MS,
  RETRANSMIT_FACTOR,
  SUSPICION_FACTOR,
  SUSPICION_FACTOR_MAX
} from '../limits.ts'

/** How often one rumour is passed on: `factor x ceil(log10(n + 1))`, enough to reach all with high odds. */
export function retransmissions(memberCount: number): number {
  return RETRANSMIT_FACTOR * Math.ceil(Math.log10(memberCount + 1))
}

/** A probe's patience grows with our own trouble: base x (score + 1). */
export function probeTimeout(healthScore: number): Millis {
  return millis(PROBE_TIMEOUT_MS * (boundedScore(healthScore) + 1))
}

/** So does the pause between probes. */
export function probeInterval(healthScore: number): Millis {
  return millis(PROBE_INTERVAL_MS * (boundedScore(healthScore) + 1))
}

export function boundedScore(score: number): number {
  return Math.min(HEALTH_SCORE_MAX, Math.max(0, Math.trunc(score)))
}

/** The shortest suspicion, once enough others share it: factor x max(1, log10 n) x interval. */
export function suspicionMin(memberCount: number): Millis {
  return millis(
    SUSPICION_FACTOR * Math.max(1, Math.log10(Math.max(1, memberCount))) * PROBE_INTERVAL_MS
  )
}

/** The longest, while nobody shares it: it is then likely that we are the one in trouble. */
export function suspicionMax(memberCount: number): Millis {
  return millis(SUSPICION_FACTOR_MAX * suspicionMin(memberCount))
}

/** Others who must share a suspicion for it to be at its shortest; fewer where there are not so many. */
export function confirmationsWanted(memberCount: number): number {
  const wanted = SUSPICION_FACTOR - 2
  return memberCount - 2 < wanted ? 0 : wanted
}

/**
 * How long a suspicion lasts that `confirmations` others share: from max down to min, by the logarithm,
 * so that the first ones count most.
 */
export function suspicionTimeout(memberCount: number, confirmations: number): Millis {
  const [min, max] = [suspicionMin(memberCount), suspicionMax(memberCount)]
  const wanted = confirmationsWanted(memberCount)
  if (wanted < 1) return min
  const share = Math.log(Math.max(0, confirmations) + 1) / Math.log(wanted + 1)
  return millis(Math.max(min, max - share * (max - min)))
}
