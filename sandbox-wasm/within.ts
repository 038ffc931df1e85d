import type { Clock, Millis } from '../core/index.ts'

/** What `promise` resolves to, or null when `limit` passes first. Leaves no sleeper behind. */
export async function within<T>(
  clock: Clock,
  limit: Millis,
  promise: Promise<T>
): Promise<{ readonly value: T } | null> {
  const settled = new AbortController()
  const late = clock.sleep(limit, settled.signal).then(
    () => null,
    () => null // Aborted below, when nobody listens any more.
  )
  try {
    return await Promise.race([promise.then((value) => ({ value })), late])
  } finally {
    settled.abort()
  }
}
