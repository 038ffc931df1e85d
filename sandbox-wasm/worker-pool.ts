// A few warm workers, each loaded with one tool, and the calls that wait for one.
//
// Invariants
//   Q1. At most `workersMax` workers exist, and at most `waitingMax` calls wait.
//   Q2. A worker serves one call at a time, no other tool than the one it was loaded with, and only calls
//       that asked for the containment it has.
//   Q3. A worker whose call did not end in an answer of the guest is never used again.
//   Q4. A call takes no longer than its time limit once it has a worker: then the worker is killed.

import type { Clock, Containment, Millis } from '../core/index.ts'
import { millis } from '../core/index.ts'
import {
  CacheCorruptError,
  SandboxBusyError,
  SandboxStoppedError,
  WorkerFailedError
} from './errors.ts'
import {
  CALLS_PER_WORKER_MAX,
  GUEST_MEMORIES_MAX,
  OUTPUT_BYTES_MAX,
  START_LIMIT_MS,
  STOP_GRACE_MS,
  WAITING_CALLS_MAX,
  WORKER_IDLE_MS,
  WORKERS_MAX
} from './limits.ts'
import type { GuestLink, WorkerLauncher } from './ports.ts'
import type { Transpiled } from './transpile-cache.ts'
import { within } from './within.ts'
import type { CallReply, CallRequest } from './worker/protocol.ts'

/** How a call ended, seen from the pool. */
export type PoolOutcome =
  | CallReply
  | { readonly type: 'timed-out' }
  | { readonly type: 'died'; readonly why: string }

/** `durationMs` is from the dispatch to a loaded worker until the end: what the guest itself took. */
export interface PoolResult {
  readonly outcome: PoolOutcome
  readonly durationMs: Millis
}

export interface PoolCall {
  readonly tool: Transpiled
  readonly containment: Containment
  readonly request: CallRequest
  readonly timeLimitMs: Millis
}

export interface PoolOptions {
  readonly workersMax?: number
  readonly waitingMax?: number
  readonly idleMs?: Millis
  readonly callsPerWorkerMax?: number
}

interface Worker {
  readonly tool: Transpiled
  readonly containment: Containment
  readonly link: GuestLink
  calls: number
  /** Aborting it stops the countdown to the end of an idle worker. Null while it is busy. */
  idle: AbortController | null
}

interface Waiting {
  wake(): void
  refuse(error: Error): void
}

export class WorkerPool {
  readonly #deps: { readonly launcher: WorkerLauncher; readonly clock: Clock }
  readonly #options: Required<PoolOptions>
  readonly #workers = new Set<Worker>()
  readonly #waiting: Waiting[] = []
  readonly #running = new Set<Promise<unknown>>()
  /** Every process that has not ended yet, those being loaded or killed included. */
  readonly #links = new Set<GuestLink>()
  #starting = 0
  #isStopped = false

  constructor(
    deps: { readonly launcher: WorkerLauncher; readonly clock: Clock },
    options: PoolOptions = {}
  ) {
    this.#deps = deps
    this.#options = {
      workersMax: options.workersMax ?? WORKERS_MAX,
      waitingMax: options.waitingMax ?? WAITING_CALLS_MAX,
      idleMs: options.idleMs ?? WORKER_IDLE_MS,
      callsPerWorkerMax: options.callsPerWorkerMax ?? CALLS_PER_WORKER_MAX
    }
  }

  /**
   * Runs one call in a fresh instance. An abort kills the worker and throws the signal's reason.
   * @throws WeaverError `SANDBOX_BUSY`, `SANDBOX_STOPPED`, `SANDBOX_WORKER_FAILED`,
   *   `SANDBOX_CACHE_CORRUPT` when the translated files have to be made again.
   */
  run(call: PoolCall, signal?: AbortSignal): Promise<PoolResult> {
    const running = this.#run(call, signal).finally(() => this.#running.delete(running))
    this.#running.add(running)
    return running
  }

  /** Refuses new calls, lets those that run end for a moment, then kills every worker. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopped = true
    for (const waiting of this.#waiting.splice(0)) waiting.refuse(new SandboxStoppedError())
    for (const worker of this.#workers) if (worker.idle !== null) this.#end(worker)
    const settled = Promise.allSettled(this.#running)
    await within(this.#deps.clock, STOP_GRACE_MS, settled)
    for (const link of this.#links) link.kill()
    await Promise.all([settled, ...[...this.#links].map((link) => link.ended)])
  }

  async #run(call: PoolCall, signal?: AbortSignal): Promise<PoolResult> {
    const worker = await this.#acquire(call, signal)
    const abort = (): void => this.#end(worker)
    signal?.addEventListener('abort', abort)
    try {
      signal?.throwIfAborted() // It may have aborted before anybody listened here.
      const startedAt = this.#deps.clock.now()
      const outcome = await this.#ask(worker, call)
      const durationMs = millis(this.#deps.clock.now() - startedAt)
      signal?.throwIfAborted()
      if (outcome.type === 'died' && this.#isStopped) throw new SandboxStoppedError()
      return { outcome, durationMs }
    } finally {
      signal?.removeEventListener('abort', abort)
      this.#release(worker)
    }
  }

  async #ask(worker: Worker, { request, timeLimitMs }: PoolCall): Promise<PoolOutcome> {
    worker.calls += 1
    const answer = worker.link
      .request(request)
      .catch((error: unknown) => ({ type: 'died', why: String(error) }) as const)
    const reply = await within(this.#deps.clock, timeLimitMs, answer)
    const outcome = reply === null ? ({ type: 'timed-out' } as const) : reply.value
    if (outcome.type !== 'returned' && outcome.type !== 'failed') this.#end(worker)
    if (outcome.type === 'loaded' || outcome.type === 'corrupt' || outcome.type === 'unusable') {
      return { type: 'died', why: 'it answered something else' }
    }
    return outcome
  }

  async #acquire(call: PoolCall, signal?: AbortSignal): Promise<Worker> {
    let isWoken = false
    try {
      for (;;) {
        this.#throwIfOver(signal)
        if (isWoken || this.#waiting.length === 0) {
          const idle = this.#idleWorker(call)
          if (idle !== null) return idle
          if (this.#hasRoom()) return await this.#start(call, signal)
        }
        await this.#wait(isWoken, signal)
        isWoken = true
      }
    } catch (error) {
      if (isWoken) this.#wakeOne() // What it was woken for is left to the next.
      throw error
    }
  }

  #idleWorker({ tool, containment }: PoolCall): Worker | null {
    for (const worker of this.#workers) {
      if (worker.idle === null || worker.tool.folder !== tool.folder) continue
      if (worker.containment !== containment) continue
      worker.idle.abort()
      worker.idle = null
      return worker
    }
    return null
  }

  /** Makes room by ending the worker that has been idle for the longest, if there is one. */
  #hasRoom(): boolean {
    if (this.#workers.size + this.#starting < this.#options.workersMax) return true
    // The set keeps the order of release.
    const oldest = [...this.#workers].find((worker) => worker.idle !== null)
    if (oldest === undefined) return false
    this.#end(oldest)
    return true
  }

  async #start({ tool, containment }: PoolCall, signal?: AbortSignal): Promise<Worker> {
    this.#starting += 1 // Before the first await, so that two starts never take one place (Q1).
    let link: GuestLink | null = null
    const kill = (): void => link?.kill()
    signal?.addEventListener('abort', kill)
    try {
      link = await this.#launch(tool, containment)
      this.#throwIfOver(signal)
      await this.#load(tool, link)
      this.#throwIfOver(signal)
      return this.#loaded(tool, containment, link)
    } catch (error) {
      link?.kill()
      this.#wakeOne() // The place that this start held is free again.
      signal?.throwIfAborted()
      throw error
    } finally {
      signal?.removeEventListener('abort', kill)
      this.#starting -= 1
    }
  }

  async #launch(tool: Transpiled, containment: Containment): Promise<GuestLink> {
    const link = await this.#deps.launcher.guest(tool.folder, containment)
    this.#links.add(link)
    void link.ended.then(() => this.#links.delete(link))
    return link
  }

  #throwIfOver(signal?: AbortSignal): void {
    signal?.throwIfAborted()
    if (this.#isStopped) throw new SandboxStoppedError()
  }

  #loaded(tool: Transpiled, containment: Containment, link: GuestLink): Worker {
    const worker: Worker = { tool, containment, link, calls: 0, idle: null }
    this.#workers.add(worker)
    void link.ended.then(() => this.#end(worker))
    return worker
  }

  async #load(tool: Transpiled, link: GuestLink): Promise<void> {
    const loading = link.request({
      type: 'load',
      folder: tool.folder,
      files: tool.files,
      outputBytesMax: OUTPUT_BYTES_MAX,
      memoriesMax: GUEST_MEMORIES_MAX
    })
    const reply = await within(this.#deps.clock, START_LIMIT_MS, loading).catch(
      (error: unknown) => {
        throw new WorkerFailedError('it ended while it loaded the tool', { cause: error })
      }
    )
    if (reply === null) throw new WorkerFailedError('it took too long to load the tool')
    if (reply.value.type === 'corrupt') throw new CacheCorruptError(reply.value.file)
    if (reply.value.type === 'unusable') throw new WorkerFailedError(reply.value.why.slice(0, 500))
    if (reply.value.type !== 'loaded') throw new WorkerFailedError('it answered something else')
  }

  #wait(isFirst: boolean, signal?: AbortSignal): Promise<void> {
    if (!isFirst && this.#waiting.length >= this.#options.waitingMax) {
      return Promise.reject(new SandboxBusyError(this.#waiting.length))
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiting: Waiting = { wake: resolve, refuse: reject }
    if (isFirst) this.#waiting.unshift(waiting)
    else this.#waiting.push(waiting)
    const abort = (): void => {
      const index = this.#waiting.indexOf(waiting)
      if (index >= 0) this.#waiting.splice(index, 1)
      resolve() // The loop in #acquire throws the signal's reason.
    }
    signal?.addEventListener('abort', abort)
    return promise.finally(() => signal?.removeEventListener('abort', abort))
  }

  #release(worker: Worker): void {
    const isSpent = worker.calls >= this.#options.callsPerWorkerMax
    if (this.#isStopped || isSpent) this.#end(worker)
    if (!this.#workers.has(worker)) return
    this.#workers.delete(worker)
    this.#workers.add(worker)
    const idle = new AbortController()
    worker.idle = idle
    void this.#endWhenIdle(worker, idle.signal)
    this.#wakeOne()
  }

  async #endWhenIdle(worker: Worker, signal: AbortSignal): Promise<void> {
    try {
      await this.#deps.clock.sleep(this.#options.idleMs, signal)
    } catch {
      return // Taken for a call, or ended for another reason.
    }
    if (worker.idle?.signal === signal) this.#end(worker)
  }

  #end(worker: Worker): void {
    worker.idle?.abort()
    worker.idle = null
    worker.link.kill()
    if (this.#workers.delete(worker)) this.#wakeOne()
  }

  #wakeOne(): void {
    this.#waiting.shift()?.wake()
  }
}
