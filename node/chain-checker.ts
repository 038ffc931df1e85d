// Checks chain records on other cores. A thread costs 0.2 s of a core before it is as quick as this one, so
// the first megabytes are checked on the spot; the threads start when there is more, or when more is said to
// come, and end when there has been none for a while: verifying is rare, and an idle thread costs 10 MB.

import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { checkBatch, checkRun } from '../chain/index.ts'
import type { CheckBatch, CheckedRun, RecordChecker, RecordVerdict } from '../chain/index.ts'
import { WeaverError } from '../core/index.ts'
import type { Clock } from '../core/index.ts'
import {
  CHECKER_BURST_PAUSE_MS,
  CHECKER_IDLE_MS,
  CHECKER_THREADS_FROM_BYTES,
  CHECKER_THREADS_MAX
} from './limits.ts'

/** What a thread says: that it has started, then answers. */
export type CheckAnswer =
  | { readonly isReady: true }
  | { readonly id: number; readonly result: CheckResult }
  | { readonly id: number; readonly failure: string }

type CheckResult =
  | { readonly kind: 'batch'; readonly verdicts: readonly RecordVerdict[] }
  | { readonly kind: 'run'; readonly run: CheckedRun }

/** What a thread is asked. */
export interface CheckQuestion {
  readonly id: number
  readonly kind: CheckResult['kind']
  readonly batch: CheckBatch
}

interface Thread {
  readonly worker: Worker
  isReady: boolean
  readonly waiting: Map<number, PromiseWithResolvers<CheckResult>>
}

export interface ThreadedChecker extends RecordChecker {
  /** Ends the threads; checks under way reject. Idempotent. */
  stop(): Promise<void>
}

export function threadedChecker({ clock }: { readonly clock: Clock }): ThreadedChecker {
  return new Checker(clock)
}

class Checker implements ThreadedChecker {
  readonly width: number = Math.min(availableParallelism(), CHECKER_THREADS_MAX)
  readonly #clock: Clock
  #threads: Thread[] = []
  #nextId = 0
  #idle = new AbortController()
  /** Bytes checked without a pause, and the time of the last of them. */
  #burstBytes = 0
  #checkedAt = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  expect(bytes: number): void {
    if (bytes > CHECKER_THREADS_FROM_BYTES) this.#startAll()
  }

  async check(batch: CheckBatch): Promise<readonly RecordVerdict[]> {
    const result = await this.#asked('batch', batch)
    return result?.kind === 'batch' ? result.verdicts : checkBatch(batch)
  }

  async checkRun(batch: CheckBatch): Promise<CheckedRun> {
    const result = await this.#asked('run', batch)
    return result?.kind === 'run' ? result.run : checkRun(batch)
  }

  /** Null: it is quicker on the spot. */
  async #asked(kind: CheckQuestion['kind'], batch: CheckBatch): Promise<CheckResult | null> {
    this.#idle.abort()
    const thread = this.#thread(batch.bytes.length)
    if (thread === null) return null
    const { lane, bytes, records } = batch
    const { waiting, worker } = thread
    const question: CheckQuestion = { id: this.#nextId++, kind, batch: { lane, bytes, records } }
    const answer = Promise.withResolvers<CheckResult>()
    waiting.set(question.id, answer)
    worker.postMessage(question, movedWith(bytes))
    return answer.promise
  }

  async stop(): Promise<void> {
    this.#idle.abort()
    const threads = this.#threads
    this.#threads = []
    for (const thread of threads) fail(thread, 'it was stopped')
    await Promise.all(threads.map(({ worker }) => worker.terminate()))
  }

  /** The one with the least to do; null while it is quicker to check on the spot. */
  #thread(bytes: number): Thread | null {
    const now = this.#clock.now()
    if (now - this.#checkedAt > CHECKER_BURST_PAUSE_MS) this.#burstBytes = 0
    this.#checkedAt = now
    this.#burstBytes += bytes
    if (this.#threads.length === 0 && this.#burstBytes <= CHECKER_THREADS_FROM_BYTES) return null
    this.#startAll()
    const [first, ...others] = this.#threads.filter(({ isReady }) => isReady)
    if (first === undefined) return null
    return others.reduce((a, b) => (b.waiting.size < a.waiting.size ? b : a), first)
  }

  #startAll(): void {
    while (this.#threads.length < this.width) this.#threads.push(this.#start())
  }

  #start(): Thread {
    const thread: Thread = { worker: new Worker(mainFile()), isReady: false, waiting: new Map() }
    const { worker, waiting } = thread
    worker.unref()
    worker.on('message', (answer: CheckAnswer) => {
      if ('isReady' in answer) {
        thread.isReady = true
      } else {
        const asked = waiting.get(answer.id)
        waiting.delete(answer.id)
        if ('result' in answer) asked?.resolve(answer.result)
        else asked?.reject(failed(answer.failure))
      }
      if (this.#threads.every((each) => each.waiting.size === 0)) this.#stopWhenIdle()
    })
    const onEnd = (why: string): void => {
      this.#threads = this.#threads.filter((each) => each !== thread)
      fail(thread, why)
    }
    worker.on('error', (error) => onEnd(error.message))
    worker.on('exit', () => onEnd('its thread has ended'))
    return thread
  }

  #stopWhenIdle(): void {
    this.#idle.abort()
    this.#idle = new AbortController()
    this.#clock.sleep(CHECKER_IDLE_MS, this.#idle.signal).then(
      () => this.stop(),
      () => undefined // There is work again.
    )
  }
}

function fail({ waiting }: Thread, why: string): void {
  for (const asked of waiting.values()) asked.reject(failed(why))
  waiting.clear()
}

function failed(why: string): WeaverError {
  return new WeaverError('NODE_CHECKER_FAILED', `Cannot check chain records: ${why}`, {
    retry: 'later'
  })
}

/** What goes over to the other side with a view: its memory, unless both sides see that anyhow. */
function movedWith({ buffer }: Uint8Array): ArrayBuffer[] {
  return buffer instanceof ArrayBuffer ? [buffer] : []
}

/** A source in the checkout, compiled in the published package: as this file is. */
function mainFile(): string {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  return fileURLToPath(new URL(`chain-checker-main.${extension}`, import.meta.url))
}
