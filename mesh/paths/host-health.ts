// Whether the libp2p host should be restarted inside the running kernel. Pure.
//
// Invariants
//   O1. A host that has any connection is never restarted for failed dials.
//   O2. Two restarts are at least RESTART_INTERVAL_MS apart.

import type { Millis } from '../../core/index.ts'
import { FAULTS_BEFORE_RESTART, FAULTY_BEFORE_RESTART_MS, RESTART_INTERVAL_MS } from './limits.ts'

export interface HostHealth {
  /** Dials that failed in a row. */
  readonly faults: number
  readonly faultySince: Millis | null
  readonly restartedAt: Millis | null
}

export const HEALTHY_HOST: HostHealth = { faults: 0, faultySince: null, restartedAt: null }

export function dialEnded(health: HostHealth, isReached: boolean, now: Millis): HostHealth {
  if (isReached) return { ...health, faults: 0, faultySince: null }
  return { ...health, faults: health.faults + 1, faultySince: health.faultySince ?? now }
}

export interface HostSigns {
  readonly connections: number
  /** An address to listen on was away and is back, or the listeners are gone. */
  readonly isDeaf: boolean
}

/** Why to restart now, or null. */
export function restartReason(health: HostHealth, signs: HostSigns, now: Millis): string | null {
  const { faults, faultySince, restartedAt } = health
  if (restartedAt !== null && now - restartedAt < RESTART_INTERVAL_MS) return null // O2
  if (signs.isDeaf) return 'it does not listen any more'
  if (signs.connections > 0 || faultySince === null) return null // O1
  const isFaulty = faults >= FAULTS_BEFORE_RESTART && now - faultySince >= FAULTY_BEFORE_RESTART_MS
  return isFaulty ? `${faults} dials have failed one after another` : null
}

export function restarted(now: Millis): HostHealth {
  return { ...HEALTHY_HOST, restartedAt: now }
}
