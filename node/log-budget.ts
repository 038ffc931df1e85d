// How many lines of one kind the log takes. Some are written for what a peer sends, and one that sends without end
// must not push everything else out of the log. As the kernel of Linux does (`printk_ratelimit`).
//
// Invariants
//   B1. Of one kind at most LINES_MAX are taken in each span; the rest is counted, and told when the span is over.
//   B2. Kinds that are counted are bounded: those beyond share one count.

import { millis } from '../core/index.ts'
import type { Millis } from '../core/index.ts'
import { LOG_KINDS_MAX, LOG_LINES_OF_KIND_MAX, LOG_SPAN_MS } from './limits.ts'

/** Lines of one kind that were not taken. */
export interface LeftOut {
  readonly kind: string
  readonly count: number
}

const OTHER_KINDS = 'other lines'

export class LogBudget {
  #began: Millis = millis(0)
  readonly #counts = new Map<string, number>()

  /** Whether one more line of this kind is taken. */
  takes(kind: string): boolean {
    const isCounted = this.#counts.has(kind) || this.#counts.size < LOG_KINDS_MAX
    const key = isCounted ? kind : OTHER_KINDS
    const count = (this.#counts.get(key) ?? 0) + 1
    this.#counts.set(key, count)
    return count <= LOG_LINES_OF_KIND_MAX
  }

  /** Whether the span is over, so that what it left out can be told. */
  isOver(now: Millis): boolean {
    return now - this.#began >= LOG_SPAN_MS
  }

  /** What this span left out. The next one begins. */
  settle(now: Millis): readonly LeftOut[] {
    const leftOut = [...this.#counts]
      .filter(([, count]) => count > LOG_LINES_OF_KIND_MAX)
      .map(([kind, count]) => ({ kind, count: count - LOG_LINES_OF_KIND_MAX }))
    this.#began = now
    this.#counts.clear()
    return leftOut
  }
}
