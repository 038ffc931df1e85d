// One look at the processes for all whose children end within a moment. A look reads the environment of
// each process of the machine; one for each short task would cost more than the task.
//
// Invariants
//   S1. A scan that answers an ask begins after the ask.
//   S2. While many short children run, scans with leashes take a tenth of the time at most, unless they are
//       slower than SCAN_REST_MAX_MS allows. One child after the other waits for nobody.

import { millis } from '../../core/index.ts'
import type { Clock } from '../../core/index.ts'
import { SCAN_REST_FACTOR, SCAN_REST_MAX_MS } from './limits.ts'
import type { OsProcess, OsProcesses } from './os-processes.ts'

export interface SharedScansDeps {
  readonly os: OsProcesses
  readonly clock: Clock
  /** Whether others will ask within a moment. */
  readonly isBusy: () => boolean
}

/** The same process table, with scans for leashes shared. */
export function sharedScans({ os, clock, isBusy }: SharedScansDeps): OsProcesses {
  let restUntil = 0
  let next: Promise<readonly OsProcess[]> | null = null

  const scanNow = async (): Promise<readonly OsProcess[]> => {
    const from = clock.now()
    try {
      return await os.scan({ withLeashes: true })
    } finally {
      const now = clock.now()
      restUntil = now + Math.min(SCAN_REST_MAX_MS, (now - from) * SCAN_REST_FACTOR)
    }
  }
  const scanAfter = async (waitMs: number): Promise<readonly OsProcess[]> => {
    await clock.sleep(millis(waitMs))
    next = null // Before the scan begins: whoever asks from here on waits for another (S1).
    return await scanNow()
  }
  return {
    scan: (options) => {
      if (!options.withLeashes) return os.scan(options)
      const waitMs = restUntil - clock.now()
      if (next === null && (waitMs <= 0 || !isBusy())) return scanNow()
      next ??= scanAfter(Math.max(0, waitMs))
      return next
    },
    startOf: (osPid) => os.startOf(osPid),
    bootOf: () => os.bootOf(),
    signal: (osPid, name) => os.signal(osPid, name)
  }
}
