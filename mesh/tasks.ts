// Ownership of what runs in the background, in three small forms.

import type { Clock, Logger, Millis, WeaverError } from '../core/index.ts'

/**
 * The owner of background work: starts it, logs its failure, and ends it. Every loop and every detached
 * promise of the mesh belongs to one.
 */
export class Tasks {
  readonly #controller = new AbortController()
  readonly #running = new Set<Promise<void>>()
  readonly #log: Logger

  constructor(log: Logger) {
    this.#log = log
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Starts `work`, unless this owner has stopped. `work` must end soon after `signal` aborts. */
  run(name: string, work: (signal: AbortSignal) => Promise<void>): void {
    if (this.signal.aborted) return
    const running = work(this.signal)
      .catch((error: unknown) => {
        if (this.signal.aborted) return // Whatever fails now fails because we are stopping.
        this.#log.warn(`${name} failed`, { error: String(error) })
      })
      .finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  /** Aborts everything and waits for its end. Idempotent. */
  async stop(reason: WeaverError): Promise<void> {
    if (!this.signal.aborted) this.#controller.abort(reason)
    while (this.#running.size > 0) await Promise.all(this.#running)
  }
}

/** Runs one piece of work after another, in the order of the calls. */
export class Serial {
  #last: Promise<unknown> = Promise.resolve()

  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work)
    this.#last = result.catch(() => undefined) // The caller has the rejection; the next must not.
    return result
  }
}

export interface Deadline {
  readonly timeoutMs: Millis
  readonly signal: AbortSignal
  readonly onTimeout: () => WeaverError
}

/**
 * Runs `work` under a signal that aborts with the caller's signal, or with `onTimeout()` in time. The
 * promise rejects at once with that reason, also where `work` is slow to notice.
 */
export async function withDeadline<T>(
  clock: Clock,
  deadline: Deadline,
  work: (signal: AbortSignal) => Promise<T>
): Promise<T> {
  const controller = new AbortController()
  const onAbort = (): void => controller.abort(deadline.signal.reason)
  if (deadline.signal.aborted) onAbort()
  else deadline.signal.addEventListener('abort', onAbort, { once: true })
  const timer = new AbortController()
  clock.sleep(deadline.timeoutMs, timer.signal).then(
    () => controller.abort(deadline.onTimeout()),
    () => undefined // The work was faster.
  )
  const aborted = Promise.withResolvers<never>()
  const onInnerAbort = (): void => aborted.reject(controller.signal.reason)
  if (controller.signal.aborted) onInnerAbort()
  else controller.signal.addEventListener('abort', onInnerAbort, { once: true })
  try {
    return await Promise.race([work(controller.signal), aborted.promise])
  } finally {
    timer.abort()
    deadline.signal.removeEventListener('abort', onAbort)
    controller.signal.removeEventListener('abort', onInnerAbort)
  }
}

export interface FirstOf<T> {
  readonly attempts: readonly ((signal: AbortSignal) => Promise<T>)[]
  /** Gets rid of what came second. */
  readonly drop: (loser: T) => void
  /** The next attempt begins when the one before has failed, or after this long. */
  readonly headStartMs: Millis
  /** What to say where all have failed. */
  readonly failure: (failures: readonly unknown[]) => unknown
}

/** What the first attempt that succeeds comes to. */
export async function firstOf<T>(
  clock: Clock,
  { attempts, drop, headStartMs, failure }: FirstOf<T>,
  signal: AbortSignal
): Promise<T> {
  const won = Promise.withResolvers<T>()
  const over = new AbortController()
  // One for each: what the winner has opened must not end with the others.
  const controllers = new Set<AbortController>()
  const failures: unknown[] = []
  const run = async (attempt: FirstOf<T>['attempts'][number], at: number): Promise<void> => {
    const controller = new AbortController()
    controllers.add(controller)
    try {
      const value = await attempt(controller.signal)
      if (over.signal.aborted) return drop(value)
      controllers.delete(controller)
      over.abort()
      won.resolve(value)
    } catch (error) {
      failures[at] = error
    }
  }
  const runAll = async (): Promise<T> => {
    const running: Promise<void>[] = []
    for (const [at, attempt] of attempts.entries()) {
      if (over.signal.aborted) break
      const attempted = run(attempt, at)
      running.push(attempted)
      const headStart = clock.sleep(headStartMs, over.signal).catch(() => undefined)
      await Promise.race([attempted, headStart])
    }
    await Promise.all(running)
    if (over.signal.aborted) return won.promise
    throw failure(failures.filter((each) => each !== undefined))
  }
  const stop = (): void => {
    over.abort()
    for (const controller of controllers) controller.abort(signal.reason)
  }
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await Promise.race([won.promise, runAll()])
  } finally {
    signal.removeEventListener('abort', stop)
    stop()
  }
}
