import { millis } from '../../core/index.ts'
import type { Clock } from '../../core/index.ts'

/**
 * Lets others come in between when one peer asks very much: all its sessions share these turns, and take
 * one at a time, so that more sessions get it no larger share.
 */
export class Turns {
  readonly #clock: Clock
  #last: Promise<void> = Promise.resolve()

  constructor(deps: { readonly clock: Clock }) {
    this.#clock = deps.clock
  }

  /** Resolves in a later turn of the event loop, after those who asked before. */
  next(): Promise<void> {
    this.#last = this.#last.then(() => this.#clock.sleep(millis(0)))
    return this.#last
  }
}
