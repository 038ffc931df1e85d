// Does something at once when asked, and then at most once in an interval: what is asked for meanwhile is
// done together at the interval's end, so the last ask is always followed by an act.

import type { Clock, Millis } from '../core/index.ts'

export interface PacedDeps {
  readonly clock: Clock
  /** Must not throw. */
  readonly act: () => void
}

export class Paced {
  readonly #deps: PacedDeps
  readonly #intervalMs: Millis
  #isResting = false
  #isAsked = false

  constructor(deps: PacedDeps, options: { readonly intervalMs: Millis }) {
    this.#deps = deps
    this.#intervalMs = options.intervalMs
  }

  ask(): void {
    this.#isAsked = true
    if (!this.#isResting) void this.#run() // Never rejects.
  }

  async #run(): Promise<void> {
    this.#isResting = true
    while (this.#isAsked) {
      this.#isAsked = false
      this.#deps.act()
      await this.#deps.clock.sleep(this.#intervalMs)
    }
    this.#isResting = false
  }
}
