import type { Entropy, Prng } from '../../../core/index.ts'

/** Keys and nonces that a seed decides: for simulations alone. */
export class SeededEntropy implements Entropy {
  readonly #prng: Prng

  constructor(prng: Prng) {
    this.#prng = prng
  }

  bytes(size: number): Uint8Array {
    return Uint8Array.from({ length: size }, () => this.#prng.below(256))
  }
}
