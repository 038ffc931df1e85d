// Whether an agent that ended is started again, and when. Pure.
//
// Invariants
//   R1. Within any window of `windowMs` at most `intensity` restarts are granted.
//   R2. The back-off never shrinks while the process keeps ending within a window of its start.
//   R3. `temporary` is never restarted, `transient` only after a failure, `permanent` always.

import { millis } from '../core/index.ts'
import type { Millis } from '../core/index.ts'
import { JITTER_STEPS, RESTART_LIMITS } from './limits.ts'
import type { RestartLimits } from './limits.ts'
import type { ExitStatus, RestartRule } from './ports.ts'

/** What has to be remembered between two exits. */
export interface RestartHistory {
  /** Instants of the restarts within the last window, oldest first. */
  readonly restartedAt: readonly Millis[]
  /** Back-offs since the process last ran for a whole window. */
  readonly backoffs: number
}

export interface EndedRun {
  readonly rule: RestartRule
  /** Null: it could not be started at all. */
  readonly exit: ExitStatus | null
  /** How long this run lasted. */
  readonly ranMs: Millis
  /** A uniform integer in [0, JITTER_STEPS). */
  readonly chance: number
}

export type RestartDecision =
  | { readonly kind: 'restart'; readonly delayMs: Millis; readonly history: RestartHistory }
  | { readonly kind: 'ended' }
  | { readonly kind: 'failed'; readonly why: string }

export const NO_RESTARTS: RestartHistory = { restartedAt: [], backoffs: 0 }

export function decideRestart(
  history: RestartHistory,
  run: EndedRun,
  now: Millis,
  limits: RestartLimits = RESTART_LIMITS
): RestartDecision {
  const isFailure = run.exit?.code !== 0
  if (run.rule === 'temporary' || (run.rule === 'transient' && !isFailure)) return { kind: 'ended' } // R3
  const recent = history.restartedAt.filter((instant) => now - instant < limits.windowMs)
  if (recent.length >= limits.intensity) {
    const seconds = limits.windowMs / 1000
    return {
      kind: 'failed',
      why: `ended ${recent.length + 1} times within ${seconds} s, the last time ${describe(run.exit)}`
    }
  }
  const backoffs = run.ranMs >= limits.windowMs ? 0 : history.backoffs // R2
  const base = Math.min(limits.backoffMinMs * 2 ** Math.min(backoffs, 30), limits.backoffMaxMs)
  const delayMs = millis(Math.round(base * (1 + run.chance / JITTER_STEPS / 4)))
  // The restart happens when the back-off is over: that instant is the one that counts (R1).
  return {
    kind: 'restart',
    delayMs,
    history: { restartedAt: [...recent, millis(now + delayMs)], backoffs: backoffs + 1 }
  }
}

/** `with code 1`, `by SIGKILL`: how a process ended, to be put into a sentence. */
export function describe(exit: ExitStatus | null): string {
  if (exit === null) return 'before it could start'
  return exit.signal === null ? `with code ${exit.code ?? 0}` : `by ${exit.signal}`
}
