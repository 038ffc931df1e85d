// Checks chain records on other cores. A thread costs 0.2 s of a core before it is as quick as this one, so
// the first megabytes are checked on the spot; the threads start when there is more, and end when there has
// been none for a while: verifying is rare, and an idle thread costs 10 MB.

import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { checkBatch } from '../chain/index.ts'
import type { CheckBatch, RecordChecker, RecordVerdict } from '../chain/index.ts'
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
  | { readonly id: number; readonly verdicts: readonly RecordVerdict[] }
  | { readonly id: number; readonly failure: string }

interface Thread {
  readonly worker: Worker
  isReady: boolean
  readonly waiting: Map<number, PromiseWithResolvers<readonly RecordVerdict[]>>
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

  async check(batch: CheckBatch): Promise<readonly RecordVerdict[]> {
    this.#idle.abort()
    const thread = this.#thread(batch.bytes.length)
    if (thread === null) return checkBatch(batch)
    const { lane, bytes, records } = batch
    const { waiting, worker } = thread
    const id = this.#nextId++
    const answer = Promise.withResolvers<readonly RecordVerdict[]>()
    waiting.set(id, answer)
    worker.postMessage({ id, batch: { lane, bytes, records } }, [asTransferable(bytes)])
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
    while (this.#threads.length < this.width) this.#threads.push(this.#start())
    const [first, ...others] = this.#threads.filter(({ isReady }) => isReady)
    if (first === undefined) return null
    return others.reduce((a, b) => (b.waiting.size < a.waiting.size ? b : a), first)
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
        if ('verdicts' in answer) asked?.resolve(answer.verdicts)
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

function asTransferable({ buffer }: Uint8Array): ArrayBuffer {
  if (buffer instanceof ArrayBuffer) return buffer
  throw failed('the bytes are shared')
}

/** A source in the checkout, compiled in the published package: as this file is. */
function mainFile(): string {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  return fileURLToPath(new URL(`chain-checker-main.${extension}`, import.meta.url))
}
