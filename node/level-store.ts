// The home's store, over LevelDB.
//
// Invariants
//   D1. `write` resolves when LevelDB has synced its log: all of it is durable, or none.
//   D2. Batches are handed over one after the other, in the order of the calls; those that wait for one go
//       together in the next, so many writers share a sync.
//   D4. What was lost or changed behind LevelDB's back is noticed at the next opening, which then refuses.
//   D5. After a failed write the store is opened anew before the next one: LevelDB would go on behind a torn
//       record, where nothing can be read back.
//   D3. One process has the store open at a time. The lock is the operating system's: any death frees it.

import { readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Level } from 'level'
import { WeaverError } from '../core/index.ts'
import type { Clock, KeyValueStore, StoreWrite } from '../core/index.ts'
import { deepMessage } from './home-errors.ts'
import { STORE_HEAD_DELAY_MS } from './limits.ts'
import { decodeSum, EMPTY_SUM, encodeSum, StoreHead, SUM_KEY, toggled } from './store-sum.ts'
import type { StoreSum } from './store-sum.ts'

const LIST_PAGE_MAX = 1000
/** What a new log and a new manifest take, with room to spare. */
const ROOM_BYTES = 64 * 1024

/** Some writes that become durable together. */
interface Batch {
  readonly writes: StoreWrite[]
  readonly done: PromiseWithResolvers<void>
}

type StoreCode = 'STORE_FAILED' | 'STORE_LOCKED' | 'STORE_DAMAGED'

class StoreError extends WeaverError {
  constructor(code: StoreCode, message: string, cause?: unknown) {
    super(code, message, { retry: 'later', cause })
  }
}

export interface StoreOptions {
  /** Where the number of the last batch is kept beside the store; nowhere by default. */
  readonly headFile?: string
  readonly clock?: Clock
  /** Refuses a store without a sum: it had one, once. */
  readonly isSummed?: boolean
}

export class LevelStore implements KeyValueStore {
  readonly #path: string
  readonly #head: StoreHead | null
  readonly #clock: Clock | null
  #level: Level<string, Uint8Array>
  #sum: StoreSum
  /** The last write found no room (D5). */
  #isSpoilt = false
  /** Why nothing can be written any more: after another failure than that nobody knows what the disk holds. */
  #failure: StoreError | null = null
  #waiting: Batch | null = null
  #draining: Promise<void> | null = null
  #naming: Promise<void> | null = null
  readonly #closing = new AbortController()

  private constructor(
    opened: { path: string; level: Level<string, Uint8Array>; sum: StoreSum },
    { head, clock }: { head: StoreHead | null; clock: Clock | null }
  ) {
    this.#path = opened.path
    this.#level = opened.level
    this.#sum = opened.sum
    this.#head = head
    this.#clock = clock
  }

  /**
   * @throws StoreError `STORE_LOCKED` when another process has it open (D3), `STORE_DAMAGED` (D4), else
   * `STORE_FAILED`
   */
  static async open(path: string, options: StoreOptions = {}): Promise<LevelStore> {
    const level = await openLevel(path)
    try {
      const { headFile, clock = null, isSummed = false } = options
      const head = headFile === undefined ? null : await StoreHead.open(headFile)
      const sum = await checkedSum(level, { path, named: head?.found ?? 0, isSummed })
      return new LevelStore({ path, level, sum }, { head, clock })
    } catch (error) {
      await level.close()
      throw error instanceof StoreError ? error : failed(`open store ${path}`, error)
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
            if (key === SUM_KEY) continue
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
    this.#closing.abort()
    await this.#naming
    await this.#nameHead()
    await this.#level.close()
  }

  /** Never rejects: each batch settles its own promise. */
  async #drain(): Promise<void> {
    // A turn later, so that the writes of one tick go together.
    await Promise.resolve()
    for (let batch = this.#take(); batch !== null; batch = this.#take()) {
      try {
        await this.#writeNow(batch.writes)
        batch.done.resolve()
      } catch (error) {
        const failure = error instanceof StoreError ? error : failed('write', error)
        if (isFull(failure)) this.#isSpoilt = true
        else this.#failure ??= failure
        batch.done.reject(failure)
      }
    }
    // In the same tick as the last look, so that no batch is left waiting.
    this.#draining = null
  }

  async #writeNow(writes: readonly StoreWrite[]): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    if (this.#isSpoilt) await this.#openAnew()
    const last = new Map(writes.map(({ key, value }) => [key, value])) // Of several for one key, the last.
    const keys = [...last.keys()]
    const before = await this.#level.getMany(keys)
    let { sum } = this.#sum
    for (const [index, key] of keys.entries()) {
      const [old, value] = [before[index], last.get(key) ?? null]
      if (old !== undefined) sum = toggled(sum, key, old)
      if (value !== null) sum = toggled(sum, key, value)
    }
    const next = { sequence: this.#sum.sequence + 1, sum }
    const operations = [...last].map(([key, value]) =>
      value === null ? ({ type: 'del', key } as const) : ({ type: 'put', key, value } as const)
    )
    const covered = { type: 'put', key: SUM_KEY, value: encodeSum(next) } as const // S1
    await this.#level.batch([...operations, covered], { sync: true })
    // From here the writes are durable.
    this.#sum = next
    if (this.#head !== null) this.#naming ??= this.#nameSoon()
  }

  /** With a log of its own: what was written before is read back, and counts or not as a whole (D5). */
  async #openAnew(): Promise<void> {
    await tryRoom(this.#path) // Without room it could not be opened again, and could be read no more.
    await this.#level.close()
    this.#level = await openLevel(this.#path)
    const { sequence } = this.#sum
    this.#sum = await checkedSum(this.#level, {
      path: this.#path,
      named: sequence,
      isSummed: false
    })
    this.#isSpoilt = false
  }

  async #nameSoon(): Promise<void> {
    try {
      await this.#clock?.sleep(STORE_HEAD_DELAY_MS, this.#closing.signal)
    } catch {
      // Closing: it is written there.
    }
    this.#naming = null
    if (!this.#closing.signal.aborted) await this.#nameHead()
  }

  /** A failure costs the guard against lost tails, not the writes. */
  async #nameHead(): Promise<void> {
    try {
      await this.#head?.name(this.#sum.sequence)
    } catch {
      // A full disk, as a rule: the next one names it.
    }
  }

  #take(): Batch | null {
    const batch = this.#waiting
    this.#waiting = null
    return batch
  }
}

/** Writes as much as LevelDB does at an opening, and removes it. Throws where there is no room for it. */
async function tryRoom(path: string): Promise<void> {
  let bytes = ROOM_BYTES
  for (const name of await readdir(path)) {
    if (name.endsWith('.log')) bytes += (await stat(join(path, name))).size
  }
  const probe = join(path, 'room')
  try {
    await writeFile(probe, new Uint8Array(bytes), { flush: true })
  } finally {
    await rm(probe, { force: true })
  }
}

function isFull(error: StoreError): boolean {
  return /ENOSPC|EDQUOT|No space left|quota exceeded/i.test(error.message)
}

async function openLevel(path: string): Promise<Level<string, Uint8Array>> {
  const level = new Level<string, Uint8Array>(path, { valueEncoding: 'view' })
  try {
    await level.open()
    return level
  } catch (error) {
    if (isLocked(error)) {
      throw new StoreError('STORE_LOCKED', `Cannot open store ${path}: it is in use`, error)
    }
    throw failed(`open store ${path}`, error)
  }
}

/** Reads all that the store holds, and compares it with what was written (D4). */
async function checkedSum(
  level: Level<string, Uint8Array>,
  { path, named, isSummed }: { path: string; named: number; isSummed: boolean }
): Promise<StoreSum> {
  let written: StoreSum | null = null
  let { sum } = EMPTY_SUM
  for await (const [key, value] of level.iterator()) {
    if (key === SUM_KEY) written = decodeSum(value)
    else sum = toggled(sum, key, value)
  }
  const damaged = (what: string): StoreError =>
    new StoreError('STORE_DAMAGED', `Cannot use store ${path}: ${what}`)
  if (written === null) {
    if (named > 0 || isSummed) throw damaged('what it held is gone')
    return { sequence: 0, sum } // Of a version that wrote no sum, or new.
  }
  if (Buffer.compare(sum, written.sum) !== 0)
    throw damaged('some of what it held was changed or is gone')
  if (written.sequence < named) {
    throw damaged(`it ends with write ${written.sequence}, but write ${named} was acknowledged`)
  }
  return written
}

function isLocked(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if ('code' in error && error.code === 'LEVEL_LOCKED') return true
  return isLocked(error.cause)
}

function failed(what: string, cause: unknown): StoreError {
  return new StoreError('STORE_FAILED', `Cannot ${what}: ${deepMessage(cause)}`, cause)
}
