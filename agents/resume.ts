// Whether an agent of an earlier kernel is started again by this one, and when. Pure.
//
// Invariants
//   K1. What its rule or its owner ended stays ended.
//   K2. Of agents whose kernel ends without a word soon after they were started, none is started for ever: one that
//       may be what kills its kernel is left alone after `lossesMax` times in a row.
//   K3. Agents are started one after the other, not all at once.

import { millis } from '../core/index.ts'
import type { Millis, UnixMillis } from '../core/index.ts'
import { JITTER_STEPS, RESTART_LIMITS, RESUME_LIMITS } from './limits.ts'
import type { ResumeLimits } from './limits.ts'
import type { AgentRecord } from './ports.ts'

export type ResumeDecision =
  | { readonly kind: 'start'; readonly delayMs: Millis; readonly losses: number }
  | { readonly kind: 'ended' }
  | { readonly kind: 'given-up'; readonly why: string; readonly losses: number }

export interface ResumePlace {
  /** How many are started before it. */
  readonly before: number
  /** A uniform integer in [0, JITTER_STEPS). */
  readonly chance: number
}

export function decideResume(
  record: Pick<AgentRecord, 'status' | 'startedAt' | 'losses'>,
  now: UnixMillis,
  { before, chance }: ResumePlace,
  limits: ResumeLimits = RESUME_LIMITS
): ResumeDecision {
  const { status, startedAt } = record
  if (status === 'ended') return { kind: 'ended' } // K1
  const turnMs = before * limits.spreadMs // K3
  if (status === 'paused') return { kind: 'start', delayMs: millis(turnMs), losses: 0 }
  // A clock that went back says nothing about how long it ran: taken for a short time (K2).
  const isSoon = now - startedAt < limits.soonMs
  const losses = isSoon ? record.losses + 1 : 1
  if (losses > limits.lossesMax) {
    const minutes = limits.soonMs / 60_000
    return {
      kind: 'given-up',
      why: `its kernel ended without warning ${losses} times, each within ${minutes} min of its start`,
      losses
    }
  }
  const { backoffMinMs, backoffMaxMs } = RESTART_LIMITS
  const base = Math.min(backoffMinMs * 2 ** (losses - 1), backoffMaxMs)
  const delayMs = millis(turnMs + Math.round(base * (1 + chance / JITTER_STEPS / 4)))
  return { kind: 'start', delayMs, losses }
}
