// A clock that a test moves, a log that keeps nothing, and workers without processes.

import { millis, unixMillis, WeaverError } from '../../../core/index.ts'
import type { Clock, Containment, Logger, Millis } from '../../../core/index.ts'
import type { GuestLink, WorkerLauncher } from '../../../sandbox-wasm/ports.ts'
import type { GuestReply, GuestRequest } from '../../../sandbox-wasm/worker/protocol.ts'

export class ManualClock implements Clock {
  #now = 0
  readonly #sleepers = new Set<{ readonly until: number; wake(): void }>()

  now(): Millis {
    return millis(this.#now)
  }

  wall(): ReturnType<Clock['wall']> {
    return unixMillis(this.#now)
  }

  get sleepers(): number {
    return this.#sleepers.size
  }

  async sleep(delay: Millis, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const sleeper = { until: this.#now + delay, wake: resolve }
    this.#sleepers.add(sleeper)
    signal?.addEventListener('abort', () => reject(signal.reason))
    await promise.finally(() => this.#sleepers.delete(sleeper))
  }

  async advance(by: number): Promise<void> {
    this.#now += by
    for (const sleeper of this.#sleepers) if (sleeper.until <= this.#now) sleeper.wake()
    await settle()
  }
}

export const silentLog: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLog
}

/** Lets everything that is ready run: the chains under test are shorter than this. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve()
}

/** A worker whose answers the test gives. */
export class FakeWorker implements GuestLink {
  readonly folder: string
  readonly ended: Promise<WeaverError>
  readonly requests: GuestRequest[] = []
  isKilled = false
  #reply: PromiseWithResolvers<GuestReply> | null = null
  readonly #end: (error: WeaverError) => void

  constructor(folder: string) {
    this.folder = folder
    const { promise, resolve } = Promise.withResolvers<WeaverError>()
    this.ended = promise
    this.#end = resolve
  }

  request(message: GuestRequest): Promise<GuestReply> {
    this.requests.push(message)
    this.#reply = Promise.withResolvers<GuestReply>()
    return this.#reply.promise
  }

  async answer(reply: GuestReply): Promise<void> {
    this.#reply?.resolve(reply)
    await settle()
  }

  /** Ends by itself, as a crash does. */
  crash(): void {
    const error = new WeaverError('SANDBOX_WORKER_DIED', 'it crashed')
    this.#reply?.reject(error)
    this.#end(error)
  }

  kill(): void {
    if (this.isKilled) return
    this.isKilled = true
    this.crash()
  }
}

export class FakeLauncher implements WorkerLauncher {
  readonly workers: FakeWorker[] = []
  readonly containments: Containment[] = []

  guest(folder: string, containment: Containment): Promise<FakeWorker> {
    this.containments.push(containment)
    const worker = new FakeWorker(folder)
    this.workers.push(worker)
    return Promise.resolve(worker)
  }

  transpiler(): Promise<never> {
    return Promise.reject(new WeaverError('SANDBOX_WORKER_FAILED', 'no transpiler here'))
  }

  get alive(): readonly FakeWorker[] {
    return this.workers.filter(({ isKilled }) => !isKilled)
  }

  /** The worker that was started as number `index`, counted from 0. */
  worker(index: number): FakeWorker {
    const worker = this.workers[index]
    if (worker === undefined) throw new Error(`Worker ${index} was not started`)
    return worker
  }
}
