// Deadlines of many calls on one timer. A timer per call costs more than the call.

import { millis } from '../../core/index.ts'
import type { Clock, Millis } from '../../core/index.ts'

export interface Deadline {
  readonly at: Millis
  readonly expire: () => void
}

/**
 * Runs each deadline's `expire` at its instant or a little later. Adding and removing cost nothing but
 * a set entry as long as the earliest deadline comes first, which is so where timeouts are alike.
 */
export class Deadlines {
  readonly #clock: Clock
  readonly #deadlines = new Set<Deadline>()
  #timer: { readonly at: Millis; readonly controller: AbortController } | null = null

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(timeoutMs: Millis, expire: () => void): Deadline {
    const deadline = { at: millis(this.#clock.now() + timeoutMs), expire }
    this.#deadlines.add(deadline)
    if (this.#timer === null || deadline.at < this.#timer.at) this.#arm(deadline.at)
    return deadline
  }

  /** The timer stays: it fires once more at most, and finds nothing to do. */
  remove(deadline: Deadline): void {
    this.#deadlines.delete(deadline)
  }

  /** Forgets all deadlines; none expires. */
  clear(): void {
    this.#deadlines.clear()
    this.#timer?.controller.abort()
    this.#timer = null
  }

  #arm(at: Millis): void {
    this.#timer?.controller.abort()
    const timer = { at, controller: new AbortController() }
    this.#timer = timer
    const delay = millis(Math.max(0, at - this.#clock.now()))
    this.#clock.sleep(delay, timer.controller.signal).then(
      () => this.#fire(timer),
      () => undefined // Replaced by an earlier timer, or cleared.
    )
  }

  #fire(timer: object): void {
    if (this.#timer !== timer) return
    this.#timer = null
    const now = this.#clock.now()
    const due = [...this.#deadlines].filter((deadline) => deadline.at <= now)
    for (const deadline of due) {
      if (this.#deadlines.delete(deadline)) deadline.expire()
    }
    // After the expiries, which may have added deadlines and with them a timer.
    let next: Millis | null = null
    for (const { at } of this.#deadlines) if (next === null || at < next) next = at
    if (next !== null) this.#arm(next)
  }
}
