import { invariant, millis, unixMillis } from '../../../core/index.ts'
import type { Clock, Millis, UnixMillis } from '../../../core/index.ts'

interface Appointment {
  readonly at: number
  /** Appointments at one instant are kept in the order in which they were made. */
  readonly order: number
  readonly happen: () => void
  isCancelled: boolean
}

const WALL_AT_START = 1_800_000_000_000

/**
 * Time that moves only when told to. Everything that will happen in a simulation waits here: sleepers,
 * bytes in flight, processes that will exit. Due at the same instant, they happen in the order made.
 */
export class VirtualClock implements Clock {
  #now = 0
  #order = 0
  readonly #heap: Appointment[] = []

  now(): Millis {
    return millis(this.#now)
  }

  wall(): UnixMillis {
    return unixMillis(WALL_AT_START + Math.floor(this.#now))
  }

  /** Makes `happen` happen after `delay`. The returned function cancels it. */
  after(delay: number, happen: () => void): () => void {
    const appointment = {
      at: this.#now + Math.max(0, delay),
      order: this.#order++,
      happen,
      isCancelled: false
    }
    this.#push(appointment)
    return () => {
      appointment.isCancelled = true
    }
  }

  sleep(delay: Millis, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const cancel = this.after(delay, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    const onAbort = (): void => {
      cancel()
      reject(signal?.reason)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    return promise
  }

  /** Appointments that are still to happen. */
  pending(): number {
    return this.#heap.filter(({ isCancelled }) => !isCancelled).length
  }

  /** The instant of the next appointment, or null when nothing will ever happen again. */
  nextAt(): Millis | null {
    while (this.#heap[0]?.isCancelled === true) this.#pop()
    const next = this.#heap[0]
    return next === undefined ? null : millis(next.at)
  }

  /** Moves to the next appointment and lets that one happen. False when there is none. */
  step(): boolean {
    if (this.nextAt() === null) return false
    const next = this.#pop()
    invariant(next !== undefined && next.at >= this.#now, 'Virtual time runs forward')
    this.#now = next.at
    next.happen()
    return true
  }

  /** Lets all happen that is due by `instant`, without a pause between one and the next. */
  advanceTo(instant: Millis): void {
    invariant(instant >= this.#now, 'Virtual time runs forward')
    const due: Appointment[] = []
    for (let at = this.nextAt(); at !== null && at <= instant; at = this.nextAt()) {
      const next = this.#pop()
      if (next !== undefined) due.push(next)
    }
    this.#now = instant
    for (const appointment of due) if (!appointment.isCancelled) appointment.happen()
  }

  #push(appointment: Appointment): void {
    let index = this.#heap.push(appointment) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!this.#swapIfBefore(index, parent)) return
      index = parent
    }
  }

  #pop(): Appointment | undefined {
    const first = this.#heap[0]
    const last = this.#heap.pop()
    if (first === undefined || last === undefined || first === last) return first
    this.#heap[0] = last
    let index = 0
    for (;;) {
      const left = 2 * index + 1
      const right = left + 1
      const child = this.#isBefore(right, left) ? right : left
      if (!this.#swapIfBefore(child, index)) return first
      index = child
    }
  }

  #isBefore(index: number, other: number): boolean {
    const [a, b] = [this.#heap[index], this.#heap[other]]
    if (a === undefined || b === undefined) return false
    return a.at < b.at || (a.at === b.at && a.order < b.order)
  }

  #swapIfBefore(index: number, other: number): boolean {
    const [a, b] = [this.#heap[index], this.#heap[other]]
    if (a === undefined || b === undefined || !this.#isBefore(index, other)) return false
    this.#heap[index] = b
    this.#heap[other] = a
    return true
  }
}
