import type { Prng } from '../../../core/index.ts'
import type { Life } from './life.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** What goes wrong with a machine's storage until further notice. */
export type StorageFault =
  /** No room: nothing is written, and the caller is told. */
  | 'full'
  /** The next operation is not done, and the caller is told. */
  | 'failing'
  /** The next operation is done, and the caller is told that it failed. */
  | 'misreported'

/** How storage was hurt: a simulation that exercised nothing proves nothing. */
export interface StorageCounts {
  tornWrites: number
  lostWrites: number
  refused: number
  failed: number
  misreported: number
}

/** One machine's storage hardware: how long things take, and what is wrong with it. */
export class StorageTiming {
  fault: StorageFault | null = null
  /** Called once, while the next operation is under way: when a crash hurts most. */
  duringNext: (() => void) | null = null
  readonly counts: StorageCounts
  readonly prng: Prng
  readonly #clock: VirtualClock

  constructor(deps: { clock: VirtualClock; prng: Prng; counts: StorageCounts }) {
    this.#clock = deps.clock
    this.prng = deps.prng
    this.counts = deps.counts
  }

  /** Resolves after some microseconds: the page cache took it. */
  quick(life: Life): Promise<void> {
    return this.#after(this.prng.below(200) / 1000, life)
  }

  /** Resolves when a real disk would have synced: mostly soon, now and then very late. */
  synced(life: Life): Promise<void> {
    const isSlow = this.prng.below(100) === 0
    return this.#after((isSlow ? 100_000 : 200) / 1000 + this.prng.below(5000) / 1000, life)
  }

  /** Whether the operation that was asked for is not to be done. */
  fails(): boolean {
    if (this.fault !== 'failing') return false
    this.fault = null
    this.counts.failed += 1
    return true
  }

  /** Whether the operation that just was done is to be reported as failed. */
  isMisreported(): boolean {
    if (this.fault !== 'misreported') return false
    this.fault = null
    this.counts.misreported += 1
    return true
  }

  #after(delay: number, life: Life): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    if (this.duringNext !== null) {
      this.#clock.after((delay * this.prng.below(1000)) / 1000, this.duringNext)
      this.duringNext = null
    }
    this.#clock.after(delay, () => {
      if (!life.isOver) resolve()
    })
    return promise
  }
}
