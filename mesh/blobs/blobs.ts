// Content-addressed bytes that members keep and fetch from each other: the face of this folder.
//
// Invariants
//   B1. No byte is given out that was not compared with its hash since it was last read from disk or wire.
//   B2. One fetch of one blob at a time, however many wait for it; it ends when nobody waits any more.
//   B3. What `put` has told a caller is durable.

import { WeaverError } from '../../core/index.ts'
import type { BlobId, NodeId } from '../../core/index.ts'
import type { BlobGate, ContentRouting } from '../ports.ts'
import type { RpcClient, RpcService } from '../rpc/index.ts'
import { BlobList, chunkHash } from './blob-list.ts'
import { blobDamaged, blobsBusy, blobTooLarge } from './errors.ts'
import { fetchBlob } from './fetch.ts'
import { findBlob } from './find.ts'
import type { FetchProgress, Found } from './fetch.ts'
import { BLOB_BUDGET_BYTES, BLOB_BYTES_MAX, BLOB_CHUNK_BYTES, BLOB_FETCHES_MAX } from './limits.ts'
import { Provider } from './provide.ts'
import { BlobServer } from './serve.ts'
import { Shelf } from './shelf.ts'
import type { BlobRecord, ShelfDeps } from './shelf.ts'

export interface BlobsDeps extends ShelfDeps {
  readonly rpc: RpcClient
  readonly gate: BlobGate
  /** Connected members, this node not among them. */
  readonly peers: () => readonly NodeId[]
  /** Who has what, where the mesh is too large to ask everybody. */
  readonly routing?: () => ContentRouting | null
}

export interface BlobsOptions {
  readonly budgetBytes?: number
}

export interface PutOptions {
  /** Whether it stays until it is released. */
  readonly isPinned: boolean
  readonly signal: AbortSignal
}

export interface PutOutcome {
  readonly id: BlobId
  readonly size: number
  /** Whether it was not held whole before. */
  readonly isNew: boolean
}

export interface GetOptions {
  readonly signal: AbortSignal
  readonly onProgress?: (progress: FetchProgress) => void
}

interface Underway {
  readonly done: Promise<void>
  readonly stop: AbortController
  readonly listeners: Set<(progress: FetchProgress) => void>
  waiting: number
}

export class Blobs {
  readonly service: RpcService
  readonly #deps: BlobsDeps
  readonly #shelf: Shelf
  readonly #underway = new Map<BlobId, Underway>()
  readonly #stopping = new AbortController()
  readonly #provider: Provider
  #providing: Promise<void> = Promise.resolve()
  #isStopped = false

  constructor(deps: BlobsDeps, options: BlobsOptions = {}) {
    this.#deps = deps
    this.#shelf = new Shelf(deps, { budgetBytes: options.budgetBytes ?? BLOB_BUDGET_BYTES })
    this.#provider = new Provider({
      ...deps,
      routing: () => deps.routing?.() ?? null,
      held: () => this.#shelf.whole()
    })
    this.service = new BlobServer({ ...deps, shelf: this.#shelf })
  }

  /** Takes up what the home has. To be called once, before anything else. */
  async open(): Promise<void> {
    await this.#shelf.open()
    if (this.#deps.routing !== undefined) {
      this.#providing = this.#provider.run(this.#stopping.signal)
    }
  }

  /** Ends the fetches; what has arrived stays. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#stopping.abort()
    const reason = new WeaverError('MESH_STOPPED', 'The mesh has stopped', { retry: 'later' })
    const running = [...this.#underway.values()]
    for (const { stop } of running) stop.abort(reason)
    await Promise.allSettled(running.map(({ done }) => done))
    await this.#providing
  }

  get usedBytes(): number {
    return this.#shelf.usedBytes
  }

  get budgetBytes(): number {
    return this.#shelf.budgetBytes
  }

  list(): readonly BlobRecord[] {
    return this.#shelf.records()
  }

  has(id: BlobId): boolean {
    return this.#shelf.isWhole(id)
  }

  /**
   * Stores what `chunks` brings. Durable once resolved (B3); after a rejection nothing of it is kept.
   * @throws WeaverError `MESH_BLOB_TOO_LARGE`, `MESH_BLOB_OVER_BUDGET`, `MESH_BLOB_DISK_FULL`,
   *   `MESH_BLOB_DISK_FAILED`, or what `chunks` throws
   */
  async put(
    chunks: AsyncIterable<Uint8Array>,
    { isPinned, signal }: PutOptions
  ): Promise<PutOutcome> {
    const shelf = this.#shelf
    const { name, file } = await shelf.newFile()
    const hashes: Uint8Array[] = []
    let size = 0
    let reserved = 0
    let isCommitted = false
    try {
      for await (const bytes of inChunks(chunks)) {
        signal.throwIfAborted()
        if (size + bytes.length > BLOB_BYTES_MAX) throw blobTooLarge(BLOB_BYTES_MAX)
        await shelf.reserve(bytes.length)
        reserved += bytes.length
        await file.write(size, bytes)
        hashes.push(chunkHash(bytes))
        size += bytes.length
      }
      signal.throwIfAborted()
      const list = BlobList.of(size, hashes)
      const isNew = await shelf.commit(list, { name, file, reserved, isPinned })
      isCommitted = true
      this.#provide(list.id)
      return { id: list.id, size, isNew }
    } finally {
      await file.close()
      if (!isCommitted) {
        shelf.release(reserved)
        await shelf.discard(name)
      }
    }
  }

  /**
   * Sees to it that a blob is whole here. Resolves at once where it is.
   * @throws WeaverError `MESH_BLOB_NOT_FOUND`, `MESH_BLOB_SOURCES_LOST`, `MESH_BLOB_OVER_BUDGET`,
   *   `MESH_BLOB_BUSY`, those of the disk, or the reason of `signal`; what has arrived is kept (F3)
   */
  async get(id: BlobId, { signal, onProgress }: GetOptions): Promise<void> {
    signal.throwIfAborted()
    if (this.#shelf.isWhole(id)) {
      await this.#shelf.touch(id)
      return
    }
    const underway = this.#underway.get(id) ?? this.#begin(id)
    if (onProgress !== undefined) underway.listeners.add(onProgress)
    underway.waiting += 1
    const { promise, reject } = Promise.withResolvers<never>()
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      await Promise.race([underway.done, promise])
    } finally {
      signal.removeEventListener('abort', onAbort)
      if (onProgress !== undefined) underway.listeners.delete(onProgress)
      underway.waiting -= 1
      if (underway.waiting === 0) underway.stop.abort(abandoned()) // B2
    }
  }

  /** The bytes of a blob that is held, each chunk checked (B1). @throws WeaverError `MESH_BLOB_NOT_FOUND`, `MESH_BLOB_DAMAGED` */
  async *read(id: BlobId): AsyncGenerator<Uint8Array, void, void> {
    const shelf = this.#shelf
    const { list, file } = await shelf.openWhole(id)
    const release = shelf.hold(id)
    try {
      for (let index = 0; index < list.count; index += 1) {
        const buffer = new Uint8Array(list.chunkSize(index)) // The reader's from here on.
        const bytes = await file.read(index * BLOB_CHUNK_BYTES, buffer)
        if (!list.holds(index, bytes)) {
          await shelf.demote(id)
          throw blobDamaged(id, `chunk ${index} of ${list.count}`)
        }
        yield bytes
      }
    } finally {
      release()
      await file.close()
    }
  }

  /** @throws WeaverError `MESH_BLOB_NOT_FOUND` */
  pin(id: BlobId, isPinned: boolean): Promise<void> {
    return this.#shelf.pin(id, isPinned)
  }

  /** Removes what is neither pinned nor in use, least recently used first, down to `bytesMax`. */
  collect(bytesMax: number): Promise<readonly BlobRecord[]> {
    return this.#shelf.collect(bytesMax)
  }

  /** Beside everything else: nobody waits for it, and it never rejects. */
  #provide(id: BlobId): void {
    void this.#provider.say(id, this.#stopping.signal)
  }

  #begin(id: BlobId): Underway {
    if (this.#isStopped) throw new WeaverError('MESH_STOPPED', 'The mesh has stopped')
    if (this.#underway.size >= BLOB_FETCHES_MAX) {
      throw blobsBusy(`${BLOB_FETCHES_MAX} are being fetched`)
    }
    const stop = new AbortController()
    const listeners: Underway['listeners'] = new Set()
    const onProgress = (progress: FetchProgress): void => {
      for (const listener of listeners) listener(progress)
    }
    const finding = { ...this.#deps, routing: () => this.#deps.routing?.() ?? null }
    const find = (wanted: BlobId): Promise<Found> => findBlob(finding, wanted)
    const { rpc, clock, log } = this.#deps
    const done = fetchBlob(
      { rpc, clock, log, shelf: this.#shelf, find, onProgress },
      { id, signal: stop.signal }
    )
      .then(() => this.#provide(id))
      .finally(() => this.#underway.delete(id))
    done.catch(() => undefined) // Everybody who waits hears of it.
    const underway = { done, stop, listeners, waiting: 0 }
    this.#underway.set(id, underway)
    return underway
  }
}

function abandoned(): WeaverError {
  return new WeaverError('MESH_BLOB_FETCH_OVER', 'Nobody waits for the blob any more')
}

/**
 * The same bytes, cut into chunks: all of BLOB_CHUNK_BYTES but the last. Each takes the place of the one
 * before it in memory.
 */
async function* inChunks(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  const buffer = new Uint8Array(BLOB_CHUNK_BYTES)
  let size = 0
  for await (const part of parts) {
    for (let at = 0; at < part.length;) {
      const piece = part.subarray(at, at + BLOB_CHUNK_BYTES - size)
      buffer.set(piece, size)
      size += piece.length
      at += piece.length
      if (size < BLOB_CHUNK_BYTES) continue
      yield buffer
      size = 0
    }
  }
  if (size > 0) yield buffer.subarray(0, size)
}
