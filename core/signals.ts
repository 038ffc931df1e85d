// Ends of waits, put together.

/**
 * Runs `work` under a signal that aborts with `own` or with `parent`, and leaves nothing behind at `parent`.
 * `AbortSignal.any` leaves a trace there until two thorough collections, which at a signal that lives as long
 * as the kernel is half a megabyte for twenty sleeps of a laptop.
 */
export async function underEither<T>(
  parent: AbortSignal,
  own: AbortController,
  work: (signal: AbortSignal) => Promise<T>
): Promise<T> {
  const onAbort = (): void => own.abort(parent.reason)
  if (parent.aborted) onAbort()
  else parent.addEventListener('abort', onAbort, { once: true })
  try {
    return await work(own.signal)
  } finally {
    parent.removeEventListener('abort', onAbort)
  }
}
