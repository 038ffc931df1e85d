// When to try something again for a peer: due at once, then after doubling waits. Pure.

import { millis } from '../../core/index.ts'
import type { Millis } from '../../core/index.ts'

export interface Backoff {
  readonly minMs: Millis
  readonly maxMs: Millis
}

interface Attempt {
  readonly count: number
  readonly dueAt: Millis
}

/** One entry per key, which an object that goes away takes with it. */
export class Attempts<K extends object> {
  readonly #backoff: Backoff
  #attempts = new WeakMap<K, Attempt>()

  constructor(backoff: Backoff) {
    this.#backoff = backoff
  }

  isDue(key: K, now: Millis): boolean {
    return now >= (this.#attempts.get(key)?.dueAt ?? 0)
  }

  /** An attempt begins now: the next is due later, unless `reset`. */
  begin(key: K, now: Millis): void {
    const count = this.#attempts.get(key)?.count ?? 0
    const wait = Math.min(this.#backoff.maxMs, this.#backoff.minMs * 2 ** Math.min(count, 16))
    this.#attempts.set(key, { count: count + 1, dueAt: millis(now + wait) })
  }

  /** It has succeeded, and is due again at `dueAt`. */
  postpone(key: K, dueAt: Millis): void {
    this.#attempts.set(key, { count: 0, dueAt })
  }

  /** Something has changed: all are due now. */
  reset(): void {
    this.#attempts = new WeakMap()
  }
}
