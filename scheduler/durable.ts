// Making something durable that must become so, on a disk that fails for a while (full, most often).

import { millis } from '../core/index.ts'
import type { Clock, Logger } from '../core/index.ts'
import { ASK_AGAIN_LAST_MS, RETRY_FIRST_MS } from './limits.ts'
import type { EntryDraft, Ledger } from './ports.ts'

export interface DurableDeps {
  readonly clock: Clock
  readonly log: Logger
  /** When it aborts, the next failure is the last. */
  readonly stopping: AbortSignal
}

/**
 * Attempts until it works. An attempt that failed may have been done all the same: from the second on,
 * `attempt` is told to look first.
 * @throws what the last attempt threw, once `stopping` has aborted
 */
export async function untilDurable<T>(
  { clock, log, stopping }: DurableDeps,
  what: string,
  attempt: (mayBeDone: boolean) => Promise<T>
): Promise<T> {
  let delay: number = RETRY_FIRST_MS
  for (let mayBeDone = false; ; mayBeDone = true) {
    try {
      return await attempt(mayBeDone)
    } catch (error) {
      if (stopping.aborted) throw error
      log.error(`Cannot ${what}: trying again`, { why: String(error) })
      // An abort of the sleep is seen by the next attempt's failure.
      await clock.sleep(millis(delay), stopping).catch(() => {})
      delay = Math.min(delay * 2, ASK_AGAIN_LAST_MS)
    }
  }
}

/**
 * Records an entry of which a lane has at most one, and resolves with its id. `onRetry` is called before
 * the second attempt, and not again.
 * @throws as `untilDurable`
 */
export async function recordOnce(
  deps: DurableDeps & { readonly ledger: Ledger },
  draft: EntryDraft,
  onRetry: () => void
): Promise<string> {
  const { ledger } = deps
  let isRetried = false
  return untilDurable(deps, `record ${draft.kind}`, async (mayBeDone) => {
    if (mayBeDone) {
      if (!isRetried) onRetry()
      isRetried = true
      const done = (await ledger.find(draft.kind, [draft.subject])).get(draft.subject)
      if (done !== undefined) return done.ref.id
    }
    const [ref] = await ledger.record([draft])
    return ref?.id ?? ''
  })
}
