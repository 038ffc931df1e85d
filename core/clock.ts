import type { Millis, UnixMillis } from './ids.ts'

/** The only source of time. */
export interface Clock {
  /** Monotonic within one run, comparable only on one node. Leases and timeouts use this alone. */
  now(): Millis
  /** What the wall clock claims. It may jump either way: shown and recorded, never trusted. */
  wall(): UnixMillis
  /** Resolves after `delay`, or rejects with `signal.reason` as soon as it aborts. */
  sleep(delay: Millis, signal?: AbortSignal): Promise<void>
}
