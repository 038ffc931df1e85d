// Gives memory back when the kernel rests after work.
//
// V8 collects when the program allocates. A kernel that has just done a thousand tasks allocates next to
// nothing, so what they left behind would stay for hours. One thorough collection (70 to 100 ms, at a time
// when nobody waits) after each busy spell gives it back to the system.
//
// Invariants
//   G1. At most one collection for each busy spell, the start counting as one; none while there is work, and none
//       for less work than is worth it.

import type { Clock, Logger } from '../core/index.ts'
import { IDLE_LOOK_MS, IDLE_SHARE_MAX, IDLE_WORK_MIN_MS } from './limits.ts'

/** `workedMs`: in busy looks since the last collection; `usedMs` of `spanMs`: since the last look. */
export function decideCollection(
  workedMs: number,
  { usedMs, spanMs }: { readonly usedMs: number; readonly spanMs: number }
): { readonly workedMs: number; readonly isDue: boolean } {
  if (usedMs > spanMs * IDLE_SHARE_MAX) return { workedMs: workedMs + usedMs, isDue: false }
  const isDue = workedMs >= IDLE_WORK_MIN_MS // G1
  return { workedMs: isDue ? 0 : workedMs, isDue }
}

export interface IdleDeps {
  readonly clock: Clock
  readonly log: Logger
  /** Processor time of this process, all threads, in ms. */
  readonly cpuMs: () => number
  readonly collect: () => void
}

/** Looks now and then until `signal` aborts. Never rejects. */
export async function collectWhenIdle(deps: IdleDeps, signal: AbortSignal): Promise<void> {
  const { clock, log, cpuMs, collect } = deps
  let workedMs: number = IDLE_WORK_MIN_MS // The start.
  while (!signal.aborted) {
    const [at, spent] = [clock.now(), cpuMs()]
    try {
      await clock.sleep(IDLE_LOOK_MS, signal)
    } catch {
      return // We stop.
    }
    const look = { usedMs: cpuMs() - spent, spanMs: clock.now() - at }
    const decision = decideCollection(workedMs, look)
    workedMs = decision.workedMs
    if (!decision.isDue) continue
    collect()
    log.debug('collected garbage, being idle')
  }
}

export function ownCpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** What this thread alone has worked so far. */
export function ownThreadMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
