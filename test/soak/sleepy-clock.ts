import { millis } from '../../core/index.ts'
import type { Clock, Millis, UnixMillis } from '../../core/index.ts'

/** The clock of a machine that may sleep: then no timer fires, and its monotonic time stands still. */
export class SleepyClock implements Clock {
  readonly #inner: Clock
  #slept = 0
  #since: Millis | null = null
  #awake: PromiseWithResolvers<void> = Promise.withResolvers()

  constructor(inner: Clock) {
    this.#inner = inner
  }

  now(): Millis {
    return millis((this.#since ?? this.#inner.now()) - this.#slept)
  }

  wall(): UnixMillis {
    return this.#inner.wall()
  }

  async sleep(delay: Millis, signal?: AbortSignal): Promise<void> {
    await this.#inner.sleep(delay, signal)
    while (this.#since !== null) await this.#awake.promise
  }

  fallAsleep(): void {
    this.#since = this.#inner.now()
    this.#awake = Promise.withResolvers()
  }

  wakeUp(): void {
    if (this.#since === null) return
    this.#slept += this.#inner.now() - this.#since
    this.#since = null
    this.#awake.resolve()
  }
}
