import { millis } from '../../core/index.ts'
import type { Clock, Millis } from '../../core/index.ts'

/** Notices that a transfer does not move: one timer for many steps, instead of one for each. */
export class Silence {
  readonly #clock: Clock
  readonly #ended = new AbortController()
  #heardAt: Millis

  constructor(
    deps: { readonly clock: Clock; readonly onSilence: () => void },
    options: { readonly limitMs: Millis }
  ) {
    this.#clock = deps.clock
    this.#heardAt = deps.clock.now()
    this.#watch(deps.onSilence, options.limitMs).catch(() => undefined) // Ended: nobody listens.
  }

  /** Something moved. */
  heard(): void {
    this.#heardAt = this.#clock.now()
  }

  end(): void {
    this.#ended.abort()
  }

  async #watch(onSilence: () => void, limitMs: Millis): Promise<void> {
    for (;;) {
      const left = this.#heardAt + limitMs - this.#clock.now()
      if (left <= 0) break
      await this.#clock.sleep(millis(left), this.#ended.signal)
    }
    if (!this.#ended.signal.aborted) onSilence()
  }
}
