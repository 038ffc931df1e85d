// Gives memory back when the kernel rests after work.
//
// V8 collects when the program allocates. A kernel that has just done a thousand tasks allocates next to
// nothing, so what they left behind would stay for hours. One thorough collection (70 to 100 ms, at a time
// when nobody waits) after each busy spell gives it back to the system.
//
// Invariants
//   G1. At most one collection for each busy spell, the start counting as one; none while there is work.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Clock, Logger } from '../core/index.ts'
import { IDLE_LOOK_MS, IDLE_SHARE_MAX } from './limits.ts'

/** Whether there has been work since the last collection. */
export type IdleState = 'rested' | 'worked'

/** `share` is what part of a core this process has used since the last look. */
export function decideCollection(
  state: IdleState,
  share: number
): { readonly state: IdleState; readonly isDue: boolean } {
  if (share > IDLE_SHARE_MAX) return { state: 'worked', isDue: false }
  return { state: 'rested', isDue: state === 'worked' } // G1
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
  let state: IdleState = 'worked'
  while (!signal.aborted) {
    const [at, spent] = [clock.now(), cpuMs()]
    try {
      await clock.sleep(IDLE_LOOK_MS, signal)
    } catch {
      return // We stop.
    }
    const share = (cpuMs() - spent) / Math.max(1, clock.now() - at)
    const decision = decideCollection(state, share)
    state = decision.state
    if (!decision.isDue) continue
    collect()
    log.debug('collected garbage, being idle')
  }
}

export function ownCpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** V8's most thorough collection, which also gives empty pages back. */
export function thoroughCollector(): () => void {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  return () => {
    if (typeof collect === 'function') collect({ type: 'major', flavor: 'last-resort' })
  }
}

/** What this thread alone has worked so far. */
export function ownThreadMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
