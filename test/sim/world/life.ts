import { millis, unixMillis } from '../../../core/index.ts'
import type { Clock, Millis, Prng, UnixMillis } from '../../../core/index.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** How a life ends: an orderly stop, the death of the process, or of the whole machine. */
export type Ending = 'stopped' | 'killed' | 'power-lost'

/**
 * One run of a kernel, from its start to its stop or crash. A crashed kernel's code cannot be removed from
 * memory, so everything it could wait for goes through here and never comes again.
 */
export class Life {
  #ending: Ending | null = null
  readonly #endings = new Set<(ending: Ending) => void>()

  get ending(): Ending | null {
    return this.#ending
  }

  get isOver(): boolean {
    return this.#ending !== null
  }

  end(ending: Ending): void {
    if (this.#ending !== null) return
    this.#ending = ending
    const endings = [...this.#endings]
    this.#endings.clear()
    for (const onEnd of endings) onEnd(ending)
  }

  /** Calls `onEnd` at the end, now if that has been. The returned function takes it back. */
  onEnd(onEnd: (ending: Ending) => void): () => void {
    if (this.#ending === null) this.#endings.add(onEnd)
    else onEnd(this.#ending)
    return () => {
      this.#endings.delete(onEnd)
    }
  }

  /** What `promise` settles to, or nothing ever when this life ended before. */
  guard<T>(promise: Promise<T>): Promise<T> {
    const { promise: guarded, resolve, reject } = Promise.withResolvers<T>()
    void this.#pass(promise, resolve, reject)
    return guarded
  }

  async #pass<T>(
    promise: Promise<T>,
    resolve: (value: T) => void,
    reject: (reason: unknown) => void
  ): Promise<void> {
    try {
      const value = await promise
      if (!this.isOver) resolve(value)
    } catch (error) {
      if (!this.isOver) reject(error)
    }
  }
}

/** How one machine's clocks differ from true time. */
export interface ClockFaults {
  /** Where its monotonic clock started: those of two nodes are never comparable. */
  readonly offsetMs: number
  /** Its milliseconds per true millisecond. */
  readonly rate: number
  /** What its wall clock is wrong by. */
  readonly wallErrorMs: number
}

export function drawClockFaults(prng: Prng): ClockFaults {
  return {
    offsetMs: prng.below(1_000_000),
    rate: 1 + (prng.below(201) - 100) / 10_000, // One percent either way: a bad quartz, not a good one.
    wallErrorMs: prng.below(3) === 0 ? prng.below(7_200_001) - 3_600_000 : prng.below(101) - 50
  }
}

/** The clock of one machine, for one life. */
export class NodeClock implements Clock {
  readonly #truth: VirtualClock
  readonly #faults: ClockFaults
  readonly #life: Life

  constructor(deps: { truth: VirtualClock; life: Life }, faults: ClockFaults) {
    this.#truth = deps.truth
    this.#life = deps.life
    this.#faults = faults
  }

  now(): Millis {
    return millis(this.#faults.offsetMs + this.#truth.now() * this.#faults.rate)
  }

  wall(): UnixMillis {
    return unixMillis(this.#truth.wall() + this.#faults.wallErrorMs)
  }

  sleep(delay: Millis, signal?: AbortSignal): Promise<void> {
    if (this.#life.isOver) return Promise.withResolvers<void>().promise
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const cancel = this.#truth.after(delay / this.#faults.rate, () => {
      signal?.removeEventListener('abort', onAbort)
      if (!this.#life.isOver) resolve()
    })
    const onAbort = (): void => {
      cancel()
      if (!this.#life.isOver) reject(signal?.reason)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    return promise
  }
}
