// Checks the blocks of a large export on all cores. A thread takes 0.2 s to start and to become quick, so the
// first megabytes are checked here.

import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { checkBlocks, nodePrimitives } from '../../chain/offline/index.ts'
import type { BlockBatch, BlockChecker, BlockFacts } from '../../chain/offline/index.ts'
import { CliError } from '../errors.ts'

/** Half a second of one core. */
const THREADS_FROM_BYTES = 8 * 1024 * 1024
/** More wait for the file to be read and its digest to be made. */
const THREADS_MAX = 8

export interface ThreadAnswer {
  readonly id: number
  readonly facts: readonly BlockFacts[]
}

interface Thread {
  readonly worker: Worker
  readonly waiting: Map<number, PromiseWithResolvers<readonly BlockFacts[]>>
}

export class BlockThreads implements BlockChecker {
  readonly width: number = Math.min(availableParallelism(), THREADS_MAX)
  readonly #threads: Thread[] = []
  #bytes = 0
  #nextId = 0

  async check(batch: BlockBatch): Promise<readonly BlockFacts[]> {
    this.#bytes += batch.bytes.length
    const thread = this.#thread()
    if (thread === null) return checkBlocks(nodePrimitives, batch)
    const id = this.#nextId++
    const answer = Promise.withResolvers<readonly BlockFacts[]>()
    thread.waiting.set(id, answer)
    const { buffer } = batch.bytes
    thread.worker.postMessage({ id, batch }, buffer instanceof ArrayBuffer ? [buffer] : [])
    return answer.promise
  }

  /** Ends the threads. Idempotent. */
  async stop(): Promise<void> {
    await Promise.all(this.#threads.splice(0).map(({ worker }) => worker.terminate()))
  }

  /** The one with the least to do; null while it is quicker to check here. */
  #thread(): Thread | null {
    if (this.width < 2 || this.#bytes <= THREADS_FROM_BYTES) return null
    while (this.#threads.length < this.width) this.#threads.push(start())
    const [first, ...others] = this.#threads
    if (first === undefined) return null
    return others.reduce((a, b) => (b.waiting.size < a.waiting.size ? b : a), first)
  }
}

function start(): Thread {
  const thread: Thread = { worker: new Worker(mainFile()), waiting: new Map() }
  const { worker, waiting } = thread
  worker.on('message', ({ id, facts }: ThreadAnswer) => {
    waiting.get(id)?.resolve(facts)
    waiting.delete(id)
  })
  const onEnd = (why: string): void => {
    const reason = new CliError('CLI_THREAD_FAILED', `Cannot check the file: ${why}`)
    for (const answer of waiting.values()) answer.reject(reason)
    waiting.clear()
  }
  worker.on('error', (error) => onEnd(error.message))
  worker.on('exit', () => onEnd('its thread has ended'))
  return thread
}

/** A source in the checkout, compiled in the published package: as this file is. */
function mainFile(): string {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  return fileURLToPath(new URL(`verify-thread-main.${extension}`, import.meta.url))
}
