// The command's one door to real time, and only for what waits: it loads core/, so load it late.

// oxlint-disable-next-line no-restricted-imports -- The command is its own composition root.
import { systemClock } from '../core/system.ts'
import { millis } from '../core/index.ts'

/** Ends early, without an error, when `signal` aborts. */
export async function sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
  await systemClock.sleep(millis(delayMs), signal).catch(() => undefined)
}

/** Calls `say` if `work` takes longer than a second, so that nobody wonders. */
export async function withProgress<T>(say: () => void, work: Promise<T>): Promise<T> {
  const done = new AbortController()
  void sleep(1000, done.signal).then(() => (done.signal.aborted ? undefined : say()))
  try {
    return await work
  } finally {
    done.abort()
  }
}

export function wallMs(): number {
  return systemClock.wall()
}

/** Milliseconds since 1970 of a date in local time; NaN of anything else. */
export function parsedTime(text: string): number {
  // oxlint-disable-next-line no-restricted-globals -- It reads a text, not the time.
  return Date.parse(text)
}
