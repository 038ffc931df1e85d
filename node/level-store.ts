// The home's store, over LevelDB.
//
// Invariants
//   D1. `write` resolves when LevelDB has synced its log: all of it is durable, or none.
//   D2. Batches are handed over one after the other, in the order of the calls; those that wait for one go
//       together in the next, so many writers share a sync.
//   D3. One process has the store open at a time. The lock is the operating system's: any death frees it.

import { Level } from 'level'
import { WeaverError } from '../core/index.ts'
import type { KeyValueStore, StoreWrite } from '../core/index.ts'
import { deepMessage } from './home-errors.ts'

const LIST_PAGE_MAX = 1000

/** Some writes that become durable together. */
interface Batch {
  readonly writes: StoreWrite[]
  readonly done: PromiseWithResolvers<void>
}

class StoreError extends WeaverError {
  constructor(code: 'STORE_FAILED' | 'STORE_LOCKED', message: string, cause?: unknown) {
    super(code, message, { retry: 'later', cause })
  }
}

export class LevelStore implements KeyValueStore {
  readonly #level: Level<string, Uint8Array>
  #waiting: Batch | null = null
  #draining: Promise<void> | null = null

  private constructor(level: Level<string, Uint8Array>) {
    this.#level = level
  }

  /** @throws StoreError `STORE_LOCKED` when another process has it open (D3), else `STORE_FAILED` */
  static async open(path: string): Promise<LevelStore> {
    const level = new Level<string, Uint8Array>(path, { valueEncoding: 'view' })
    try {
      await level.open()
      return new LevelStore(level)
    } catch (error) {
      if (isLocked(error)) {
        throw new StoreError('STORE_LOCKED', `Cannot open store ${path}: it is in use`, error)
      }
      throw failed(`open store ${path}`, error)
    }
  }

  async get(key: string): Promise<Uint8Array | null> {
    try {
      const value = await this.#level.get(key)
      return value === undefined ? null : new Uint8Array(value)
    } catch (error) {
      throw failed(`read '${key.slice(0, 64)}'`, error)
    }
  }

  write(writes: readonly StoreWrite[]): Promise<void> {
    this.#waiting ??= { writes: [], done: Promise.withResolvers() }
    // Copied now: the caller may reuse its bytes as soon as this returns.
    for (const { key, value } of writes) {
      this.#waiting.writes.push({ key, value: value === null ? null : value.slice() })
    }
    const { promise } = this.#waiting.done
    this.#draining ??= this.#drain()
    return promise
  }

  async list(prefix: string): Promise<readonly (readonly [key: string, value: Uint8Array])[]> {
    const found: (readonly [string, Uint8Array])[] = []
    try {
      const iterator = this.#level.iterator({ gte: prefix })
      try {
        for (;;) {
          const page = await iterator.nextv(LIST_PAGE_MAX)
          for (const [key, value] of page) {
            if (!key.startsWith(prefix)) return found
            found.push([key, new Uint8Array(value)])
          }
          if (page.length === 0) return found
        }
      } finally {
        await iterator.close()
      }
    } catch (error) {
      throw failed(`list '${prefix.slice(0, 64)}'`, error)
    }
  }

  /** After the writes that are under way. May be called twice. */
  async close(): Promise<void> {
    await this.#draining
    await this.#level.close()
  }

  /** Never rejects: each batch settles its own promise. */
  async #drain(): Promise<void> {
    // A turn later, so that the writes of one tick go together.
    await Promise.resolve()
    for (let batch = this.#take(); batch !== null; batch = this.#take()) {
      try {
        const operations = batch.writes.map(({ key, value }) =>
          value === null ? ({ type: 'del', key } as const) : ({ type: 'put', key, value } as const)
        )
        await this.#level.batch(operations, { sync: true })
        batch.done.resolve()
      } catch (error) {
        batch.done.reject(failed('write', error))
      }
    }
    // In the same tick as the last look, so that no batch is left waiting.
    this.#draining = null
  }

  #take(): Batch | null {
    const batch = this.#waiting
    this.#waiting = null
    return batch
  }
}

function isLocked(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if ('code' in error && error.code === 'LEVEL_LOCKED') return true
  return isLocked(error.cause)
}

function failed(what: string, cause: unknown): StoreError {
  return new StoreError('STORE_FAILED', `Cannot ${what}: ${deepMessage(cause)}`, cause)
}
