// How a task ended: what the executor found, and what the origin makes of it.

import { unreachable } from '../core/index.ts'
import type { UnixMillis } from '../core/index.ts'

export interface ExitStatus {
  readonly code: number | null
  readonly signal: string | null
}

export type Outcome =
  /** The command ended by itself; `exit` says how. */
  | 'exited'
  /** It could not be started: `exit` has 126 or 127 as a shell would give, `reason` why. */
  | 'not-started'
  | 'cancelled'
  | 'timed-out'
  /** The executor's kernel ended while it ran: how far it came is not known. */
  | 'lost'

export interface TaskResult {
  readonly outcome: Outcome
  readonly exit: ExitStatus | null
  /** One sentence for people, or null when the exit says it all. */
  readonly reason: string | null
  readonly startedAt: UnixMillis | null
  readonly endedAt: UnixMillis
}

export type EndState = 'succeeded' | 'failed' | 'cancelled' | 'timed-out' | 'lost'

export function endStateOf(result: TaskResult): EndState {
  switch (result.outcome) {
    case 'exited':
      return result.exit?.code === 0 ? 'succeeded' : 'failed'
    case 'not-started':
      return 'failed'
    case 'cancelled':
    case 'timed-out':
    case 'lost':
      return result.outcome
    default:
      return unreachable(result.outcome)
  }
}
