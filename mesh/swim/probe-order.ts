// Whom to probe next: everybody once in a round, each round in another order (SWIM 4.3), so that the time
// until a failure is noticed has a bound. The order is a step through a ring, which costs no memory: with
// 10,000 members a shuffled list in each of 10,000 simulated nodes would not fit.

import type { Prng } from '../../core/index.ts'

export class ProbeOrder {
  readonly #prng: Prng
  #count = 0
  #left = 0
  #at = 0
  #step = 1

  constructor(prng: Prng) {
    this.#prng = prng
  }

  /** The index to probe next, of `count`; -1 where there is none. */
  next(count: number): number {
    if (count < 1) return -1
    if (count !== this.#count || this.#left === 0) this.#begin(count)
    this.#left -= 1
    this.#at = (this.#at + this.#step) % count
    return this.#at
  }

  #begin(count: number): void {
    this.#count = count
    this.#left = count
    this.#at = this.#prng.below(count)
    do this.#step = 1 + this.#prng.below(count)
    while (divisor(this.#step, count) !== 1) // Else the walk would come back before it has seen all.
  }
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b)
}
