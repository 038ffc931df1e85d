import { invariant, millis, unixMillis } from '../../../core/index.ts'
import type { Clock, Millis, UnixMillis } from '../../../core/index.ts'

interface Sleeper {
  readonly at: number
  readonly order: number
  readonly wake: () => void
}

const WALL_AT_START = 1_800_000_000_000

/** Time that moves only when told to. Sleepers due at the same instant wake in the order they slept. */
export class VirtualClock implements Clock {
  #now = 0
  #order = 0
  #sleepers: Sleeper[] = []

  now(): Millis {
    return millis(this.#now)
  }

  wall(): UnixMillis {
    return unixMillis(WALL_AT_START + Math.floor(this.#now))
  }

  sleep(delay: Millis, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onAbort = (): void => {
      this.#sleepers = this.#sleepers.filter((other) => other !== sleeper)
      reject(signal?.reason)
    }
    const wake = (): void => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }
    const sleeper: Sleeper = { at: this.#now + delay, order: this.#order++, wake }
    this.#sleepers.push(sleeper)
    signal?.addEventListener('abort', onAbort, { once: true })
    return promise
  }

  advanceTo(instant: Millis): void {
    invariant(instant >= this.#now, 'Virtual time runs forward')
    this.#now = instant
    const due = this.#sleepers.filter((sleeper) => sleeper.at <= instant)
    this.#sleepers = this.#sleepers.filter((sleeper) => sleeper.at > instant)
    due.sort((a, b) => a.at - b.at || a.order - b.order)
    for (const sleeper of due) sleeper.wake()
  }
}
