// One blob on its way here, from several members at once.
//
// Invariants
//   F1. Every chunk was checked before it is written (Q1); the blob gets its name when all are there (S1).
//   F2. A source that lied is not asked again by this fetch; one that was lost is, while others go on.
//   F3. Whatever ends a fetch, what has arrived stays for the next one.

import { WeaverError } from '../../core/index.ts'
import type { BlobId, Clock, Logger, Millis, NodeId } from '../../core/index.ts'
import type { RpcClient } from '../rpc/index.ts'
import { ChunkPlan } from './chunk-plan.ts'
import type { BlobList } from './blob-list.ts'
import { blobNotFound, blobSourcesLost } from './errors.ts'
import {
  BLOB_CHUNK_BYTES,
  BLOB_MORE_SOURCES_MS,
  BLOB_RESUME_WAIT_MS,
  BLOB_SEARCH_INTERVAL_MS,
  BLOB_SOURCE_REST_MS,
  BLOB_SOURCES_MAX,
  BLOB_SYNC_BYTES
} from './limits.ts'
import type { Part, Shelf } from './shelf.ts'
import { Source } from './source.ts'

export interface FetchProgress {
  readonly bytes: number
  /** Null until the list is there. */
  readonly bytesTotal: number | null
  /** Members that bring chunks now. */
  readonly sources: readonly NodeId[]
}

export interface FetchDeps {
  readonly shelf: Shelf
  readonly rpc: RpcClient
  readonly clock: Clock
  readonly log: Logger
  /** Members that say they have it, of how many that were asked. */
  readonly find: (id: BlobId) => Promise<Found>
  readonly onProgress: (progress: FetchProgress) => void
}

export interface Found {
  readonly sources: readonly NodeId[]
  readonly asked: number
}

export interface FetchOptions {
  readonly id: BlobId
  readonly signal: AbortSignal
}

/** Resolves when the blob is whole and durable here. */
export async function fetchBlob(deps: FetchDeps, options: FetchOptions): Promise<void> {
  await new Fetch(deps, options).run()
}

class Fetch {
  readonly #deps: FetchDeps
  readonly #id: BlobId
  readonly #signal: AbortSignal
  readonly #running = new Map<NodeId, Promise<void>>()
  readonly #sources = new Map<NodeId, Source>()
  /** Sources that had nothing more to bring, until another fails. */
  readonly #idle = new Set<NodeId>()
  /** Sources not to be asked before then; for ever those that lied or refused (F2). */
  readonly #rests = new Map<NodeId, number>()
  readonly #over = Promise.withResolvers<void>()
  #lastError: unknown = null
  #heardAt: Millis
  #wasFound = false

  constructor(deps: FetchDeps, { id, signal }: FetchOptions) {
    this.#deps = deps
    this.#id = id
    this.#signal = signal
    this.#heardAt = deps.clock.now()
    this.#over.promise.catch(() => undefined) // Awaited while there is something to wait for.
  }

  async run(): Promise<void> {
    const { shelf } = this.#deps
    const onAbort = (): void => this.#over.reject(this.#signal.reason)
    this.#signal.addEventListener('abort', onAbort, { once: true })
    let part: Part | null = null
    try {
      this.#signal.throwIfAborted()
      const list = (await shelf.list(this.#id)) ?? (await this.#firstList())
      part = await shelf.openPart(list)
      const plan = new ChunkPlan(await this.#sound(part, list))
      await this.#chunks(part, list, plan)
      await this.#ended()
      await shelf.commit(list, { ...part, reserved: 0, isPinned: false })
    } finally {
      this.#signal.removeEventListener('abort', onAbort)
      for (const source of this.#sources.values()) source.fail(this.#reason())
      await this.#ended()
      await part?.file.close()
      part?.release()
    }
  }

  /** The list from the first source that has it. It goes on to bring chunks. */
  async #firstList(): Promise<BlobList> {
    for (;;) {
      for (const peer of await this.#search()) {
        const source = this.#open(peer)
        try {
          const list = await this.#unlessOver(source.list())
          if (list !== null) return list
        } catch (error) {
          this.#failed(source, error)
          this.#signal.throwIfAborted()
        }
      }
      await this.#wait()
    }
  }

  /** Which chunks of the file are the blob's (S4). */
  async #sound({ file }: Part, list: BlobList): Promise<Uint8Array> {
    const done = new Uint8Array(list.count)
    const size = await file.size()
    const buffer = new Uint8Array(BLOB_CHUNK_BYTES)
    for (let index = 0; index * BLOB_CHUNK_BYTES < size && index < list.count; index += 1) {
      this.#signal.throwIfAborted()
      const wanted = buffer.subarray(0, list.chunkSize(index))
      const bytes = await file.read(index * BLOB_CHUNK_BYTES, wanted)
      if (list.holds(index, bytes)) done[index] = 1
    }
    this.#heardAt = this.#deps.clock.now()
    return done
  }

  async #chunks({ file }: Part, list: BlobList, plan: ChunkPlan): Promise<void> {
    const report = (): void => {
      const bytes = Math.max(0, list.size - plan.left * BLOB_CHUNK_BYTES)
      this.#deps.onProgress({ bytes, bytesTotal: list.size, sources: [...this.#running.keys()] })
      if (plan.left === 0) this.#over.resolve()
    }
    const failed = (error: unknown): void => this.#over.reject(error) // No other source would help.
    let unsynced = 0
    const deliver = async (index: number, bytes: Uint8Array): Promise<void> => {
      this.#heardAt = this.#deps.clock.now()
      if (plan.isDone(index)) return
      try {
        await file.write(index * BLOB_CHUNK_BYTES, bytes)
      } catch (error) {
        failed(error)
        throw error
      }
      unsynced += bytes.length
      if (unsynced >= BLOB_SYNC_BYTES) {
        unsynced = 0
        void file.sync().catch(failed) // Beside the network, so that little is left for the end.
      }
      if (plan.finish(index)) report()
    }
    report()
    for (const source of this.#sources.values()) this.#run(source, { plan, list, deliver })
    while (plan.left > 0) {
      if (this.#running.size < BLOB_SOURCES_MAX) {
        for (const peer of await this.#search()) {
          this.#run(this.#open(peer), { plan, list, deliver })
        }
      }
      if (this.#running.size === 0) await this.#wait()
      else await this.#pause(BLOB_MORE_SOURCES_MS, [...this.#running.values()])
    }
  }

  #run(source: Source, delivery: Parameters<Source['run']>[0]): void {
    this.#running.set(source.peer, this.#runToEnd(source, delivery))
  }

  /** Never rejects. */
  async #runToEnd(source: Source, delivery: Parameters<Source['run']>[0]): Promise<void> {
    const { peer } = source
    try {
      await source.run(delivery)
      source.finish()
      this.#sources.delete(peer)
      if (source.hasLacked) this.#lacked(delivery.plan, peer)
      else this.#idle.add(peer)
    } catch (error) {
      delivery.plan.drop(peer)
      if (delivery.plan.left === 0) this.#sources.delete(peer) // Ended by us: all is there.
      else this.#failed(source, error)
    } finally {
      this.#running.delete(peer)
    }
  }

  /** It has brought what it has: what it gets meanwhile it may bring later. */
  #lacked(plan: ChunkPlan, peer: NodeId): void {
    plan.drop(peer)
    this.#idle.clear() // What it lacked, others may have to bring.
    this.#rests.set(peer, this.#deps.clock.now() + BLOB_SOURCE_REST_MS)
  }

  #open(peer: NodeId): Source {
    const source = new Source(this.#deps, { peer, id: this.#id, signal: this.#signal })
    this.#sources.set(peer, source)
    return source
  }

  #failed(source: Source, error: unknown): void {
    const { peer } = source
    source.fail(error)
    this.#sources.delete(peer)
    this.#idle.clear() // What it was asked for, others may bring.
    if (this.#signal.aborted) return
    const isFinal = error instanceof WeaverError && error.retry === 'never'
    const rest = isFinal ? Infinity : this.#deps.clock.now() + BLOB_SOURCE_REST_MS
    this.#rests.set(peer, rest)
    this.#lastError = error
    const code = error instanceof WeaverError ? error.code : String(error)
    this.#deps.log.warn('a source of a blob failed', { peer, blob: this.#id, code })
  }

  /** Members to ask now, as many as there may be. */
  async #search(): Promise<readonly NodeId[]> {
    const found = await this.#unlessOver(this.#deps.find(this.#id))
    if (found === null) return []
    const { sources, asked } = found
    this.#wasFound ||= sources.length > 0
    if (!this.#wasFound) throw blobNotFound(this.#id, asked)
    const now = this.#deps.clock.now()
    const usable = sources.filter(
      (peer) =>
        !this.#running.has(peer) && !this.#idle.has(peer) && (this.#rests.get(peer) ?? 0) <= now
    )
    return usable.slice(0, BLOB_SOURCES_MAX - this.#running.size)
  }

  /** There is no source: waits a little, or gives up. */
  async #wait(): Promise<void> {
    const { clock, shelf } = this.#deps
    const areAllOut =
      this.#rests.size > 0 && [...this.#rests.values()].every((at) => at === Infinity)
    if (areAllOut || clock.now() - this.#heardAt > BLOB_RESUME_WAIT_MS) {
      const bytes = shelf.record(this.#id)?.bytes ?? 0
      throw blobSourcesLost(this.#id, bytes, this.#lastError)
    }
    await this.#pause(BLOB_SEARCH_INTERVAL_MS, [])
  }

  /** Until `others` or the whole is over, or some time has passed. @throws why the whole is over */
  async #pause(delay: Millis, others: readonly Promise<void>[]): Promise<void> {
    const timer = new AbortController()
    const slept = this.#deps.clock.sleep(delay, timer.signal)
    slept.catch(() => undefined) // Something else was first.
    try {
      await Promise.race([slept, this.#over.promise, ...others])
    } finally {
      timer.abort()
    }
  }

  /** Null when all is there meanwhile. @throws why the whole is given up */
  #unlessOver<T>(work: Promise<T>): Promise<T | null> {
    return Promise.race([work, this.#over.promise.then(() => null)])
  }

  async #ended(): Promise<void> {
    while (this.#running.size > 0) {
      for (const source of this.#sources.values()) source.fail(this.#reason())
      await Promise.all(this.#running.values())
    }
  }

  #reason(): WeaverError {
    const { aborted, reason } = this.#signal
    if (aborted && reason instanceof WeaverError) return reason
    return new WeaverError('MESH_BLOB_FETCH_OVER', 'The fetch is over')
  }
}
