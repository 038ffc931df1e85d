// The blobs of one home: files in a folder, records in the store, and a budget.
//
// Files: `<id>.list` (the list), `<id>.data` (a whole blob), `<id>.part` (one of which chunks are missing),
// `*.new` (one that is being written; nobody was told of it).
//
// Invariants
//   S1. A `.data` is whole: it was synced, and its list was durable, before it had this name.
//   S2. All files together take no more than the budget, room being reserved before bytes are written.
//   S3. What is pinned or in use is never removed. Else the least recently used goes first.
//   S4. Bytes of a `.part` are worth nothing until they have been hashed: no crash can make them wrong.

import { blobId, encodeCbor, toHex } from '../../core/index.ts'
import type { BlobId, Clock, Entropy, KeyValueStore, Logger } from '../../core/index.ts'
import type { BlobDisk, BlobFile } from '../ports.ts'
import { readStored } from '../stored.ts'
import { Serial } from '../tasks.ts'
import { BlobList } from './blob-list.ts'
import { blobDamaged, blobNotHeld, blobOverBudget } from './errors.ts'
import { BLOB_LIST_BYTES_MAX, BLOBS_MAX } from './limits.ts'
import type { Held } from './wire.ts'

export interface ShelfDeps {
  readonly disk: BlobDisk
  readonly store: KeyValueStore
  readonly clock: Clock
  readonly entropy: Entropy
  readonly log: Logger
}

/** A blob that this home has, whole or in part. */
export interface BlobRecord {
  readonly id: BlobId
  readonly isWhole: boolean
  /** What is reserved for it on disk: its size, for a whole one. */
  readonly bytes: number
  readonly isPinned: boolean
  /** In the order of use: the greater the later. */
  readonly lastUse: number
  readonly addedAt: number
}

type Entry = { -readonly [Key in keyof BlobRecord]: BlobRecord[Key] } & { holds: number }

const ID_PATTERN = /^([0-9a-f]{64})\.(data|part|list)$/
const PREFIX = 'blob/'

export class Shelf {
  readonly #deps: ShelfDeps
  readonly #budget: number
  readonly #entries = new Map<BlobId, Entry>()
  readonly #serial = new Serial()
  #reserved = 0
  #uses = 0

  constructor(deps: ShelfDeps, options: { readonly budgetBytes: number }) {
    this.#deps = deps
    this.#budget = options.budgetBytes
  }

  get budgetBytes(): number {
    return this.#budget
  }

  /** What all blobs take, those under way included. */
  get usedBytes(): number {
    let bytes = this.#reserved
    for (const entry of this.#entries.values()) bytes += entry.bytes
    return bytes
  }

  records(): readonly BlobRecord[] {
    return [...this.#entries.values()].map((entry) => ({ ...entry }))
  }

  /** Blobs that are whole. */
  whole(): readonly BlobId[] {
    return [...this.#entries.values()].flatMap(({ id, isWhole }) => (isWhole ? [id] : []))
  }

  record(id: BlobId): BlobRecord | null {
    return this.#entries.get(id) ?? null
  }

  isWhole(id: BlobId): boolean {
    return this.#entries.get(id)?.isWhole === true
  }

  /** Reads what is there, and removes what a crash has left of blobs that nobody was told of. */
  async open(): Promise<void> {
    const { disk, store } = this.#deps
    const names = new Set(await disk.list())
    for (const name of names) if (name.endsWith('.new')) await disk.remove(name)
    const files = [...names].flatMap((name) => parsedName(name) ?? [])
    for (const { id, kind } of files) {
      if (kind !== 'list') await this.#adopt(id, kind === 'data', names)
    }
    for (const { id, kind } of files) {
      if (kind === 'list' && !this.#entries.has(id)) await disk.remove(listName(id))
    }
    for (const [key, value] of await store.list(PREFIX)) {
      const entry = this.#entries.get(blobId(key.slice(PREFIX.length)))
      if (entry === undefined) await store.write([{ key, value: null }])
      else this.#recall(entry, value)
    }
  }

  async #adopt(id: BlobId, isData: boolean, names: ReadonlySet<string>): Promise<void> {
    const { disk } = this.#deps
    const isWhole = isData && names.has(listName(id))
    // Its list is gone, which nothing of ours does: its bytes may be sound, and are checked like a part's.
    if (isData && !isWhole) await disk.rename(dataName(id), partName(id))
    const known = this.#entries.get(id)
    if (known?.isWhole === true || (known !== undefined && !isWhole)) return
    const file = await disk.open(isWhole ? dataName(id) : partName(id))
    const bytes = (await file?.size()) ?? 0
    await file?.close()
    const addedAt = this.#deps.clock.wall()
    this.#entries.set(id, { id, isWhole, bytes, isPinned: false, lastUse: 0, addedAt, holds: 0 })
  }

  #recall(entry: Entry, value: Uint8Array): void {
    const { pinned, use, at } = readStored(value, 'a blob record')
    entry.isPinned = pinned === true
    entry.lastUse = typeof use === 'number' ? use : 0
    entry.addedAt = typeof at === 'number' ? at : 0
    this.#uses = Math.max(this.#uses, entry.lastUse)
  }

  // Room

  /**
   * Makes room for `bytes` more, to be given back by `release` or taken over by an entry.
   * @throws WeaverError `MESH_BLOB_OVER_BUDGET`
   */
  async reserve(bytes: number): Promise<void> {
    this.#reserved += bytes // Before the first await: two that reserve at once see each other (S2).
    try {
      await this.#serial.run(() => this.#makeRoom())
    } catch (error) {
      this.#reserved -= bytes
      throw error
    }
  }

  release(bytes: number): void {
    this.#reserved -= bytes
  }

  async #makeRoom(): Promise<void> {
    while (this.usedBytes > this.#budget || this.#entries.size > BLOBS_MAX) {
      const victim = this.#leastUsed()
      if (victim === null) throw blobOverBudget(this.usedBytes - this.#budget, this.#budget)
      await this.#remove(victim)
    }
  }

  #leastUsed(): Entry | null {
    let least: Entry | null = null
    for (const entry of this.#entries.values()) {
      if (entry.isPinned || entry.holds > 0) continue // S3
      if (least === null || entry.lastUse < least.lastUse) least = entry
    }
    return least
  }

  async #remove(entry: Entry): Promise<void> {
    const { disk, store } = this.#deps
    const { id } = entry
    this.#entries.delete(id) // First: nobody begins to use what is going.
    try {
      await disk.remove(entry.isWhole ? dataName(id) : partName(id))
      await disk.remove(listName(id))
    } catch (error) {
      this.#entries.set(id, entry) // It may still be there, and still takes room.
      throw error
    }
    await store.write([{ key: PREFIX + id, value: null }])
  }

  /** Removes the least recently used until at most `bytesMax` are taken, or only what must stay is left. */
  collect(bytesMax: number): Promise<readonly BlobRecord[]> {
    return this.#serial.run(async () => {
      const removed: BlobRecord[] = []
      while (this.usedBytes > bytesMax) {
        const victim = this.#leastUsed()
        if (victim === null) break
        await this.#remove(victim)
        removed.push(victim)
      }
      return removed
    })
  }

  // Use

  /** Keeps a blob from being removed until the returned function is called. */
  hold(id: BlobId): () => void {
    const entry = this.#entries.get(id)
    if (entry === undefined) throw blobNotHeld(id)
    entry.holds += 1
    let isHeld = true
    return () => {
      if (isHeld) entry.holds -= 1
      isHeld = false
    }
  }

  /** Remembers that it was used now. That it could not be written fails nobody: the order of use is a hint. */
  async touch(id: BlobId): Promise<void> {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    entry.lastUse = ++this.#uses
    try {
      await this.#save(entry)
    } catch (error) {
      this.#deps.log.warn('cannot note the use of a blob', { blob: id, error: String(error) })
    }
  }

  async pin(id: BlobId, isPinned: boolean): Promise<void> {
    const entry = this.#entries.get(id)
    if (entry === undefined) throw blobNotHeld(id)
    if (entry.isPinned === isPinned) return
    await this.#save({ ...entry, isPinned })
    entry.isPinned = isPinned
  }

  async #save({ id, isPinned, lastUse, addedAt }: BlobRecord): Promise<void> {
    const value = encodeCbor({ v: 1, pinned: isPinned, use: lastUse, at: addedAt })
    await this.#deps.store.write([{ key: PREFIX + id, value }])
  }

  /** @throws WeaverError `MESH_BLOB_NOT_FOUND`, `MESH_BLOB_DAMAGED` */
  async openWhole(id: BlobId): Promise<{ readonly list: BlobList; readonly file: BlobFile }> {
    if (!this.isWhole(id)) throw blobNotHeld(id)
    const list = await this.list(id)
    const file = list === null ? null : await this.#deps.disk.open(dataName(id))
    if (list === null || file === null) {
      await this.demote(id)
      throw blobDamaged(id, list === null ? 'its list' : 'its file')
    }
    return { list, file }
  }

  /** How much of it is here. */
  held(id: BlobId): Held {
    const entry = this.#entries.get(id)
    if (entry === undefined) return 'none'
    return entry.isWhole ? 'whole' : 'part'
  }

  /** What is here of a blob that is not whole; its chunks are to be checked one by one (S4). */
  async openHeldPart(
    id: BlobId
  ): Promise<{ readonly list: BlobList; readonly file: BlobFile } | null> {
    if (this.held(id) !== 'part') return null
    const list = await this.list(id)
    const file = list === null ? null : await this.#deps.disk.open(partName(id))
    return list === null || file === null ? null : { list, file }
  }

  /** The stored list, or null when there is none that is sound. */
  async list(id: BlobId): Promise<BlobList | null> {
    const file = await this.#deps.disk.open(listName(id))
    if (file === null) return null
    try {
      const size = Math.min(await file.size(), BLOB_LIST_BYTES_MAX + 1)
      return BlobList.parse(id, await file.read(0, new Uint8Array(size)))
    } finally {
      await file.close()
    }
  }

  /** A blob that proved damaged is one in part: the next fetch keeps what of it is sound. */
  demote(id: BlobId): Promise<void> {
    return this.#serial.run(async () => {
      const entry = this.#entries.get(id)
      if (entry?.isWhole !== true) return
      this.#deps.log.warn('a stored blob is damaged', { blob: id })
      await this.#deps.disk.rename(dataName(id), partName(id))
      entry.isWhole = false
    })
  }

  // Writing

  /** A file for bytes whose id is not known yet. */
  async newFile(): Promise<{ readonly name: string; readonly file: BlobFile }> {
    const name = `${toHex(this.#deps.entropy.bytes(16))}.new`
    return { name, file: await this.#deps.disk.create(name) }
  }

  async discard(name: string): Promise<void> {
    await this.#deps.disk.remove(name)
  }

  /**
   * Gives a file that is complete its name. `bytes` of room pass from the reservation to the entry.
   * @returns whether the blob is new here
   */
  commit(list: BlobList, from: CommitFrom): Promise<boolean> {
    return this.#serial.run(async () => {
      const { disk, clock } = this.#deps
      const { id } = list
      const known = this.#entries.get(id)
      if (known?.isWhole === true) {
        if (from.isPinned) await this.pin(id, true)
        await disk.remove(from.name)
        this.release(from.reserved)
        return false
      }
      await from.file.sync()
      await this.#writeList(list)
      const isPinned = from.isPinned || known?.isPinned === true
      const addedAt = known?.addedAt ?? clock.wall()
      const lastUse = ++this.#uses
      const record = { id, isWhole: true, bytes: list.size, isPinned, lastUse, addedAt }
      await this.#save(record)
      await disk.rename(from.name, dataName(id))
      // From here the blob is durable (S1). A crash before it leaves a part, or nothing.
      this.release(from.reserved)
      // In place, where there is an entry: whoever holds it has this very object.
      this.#entries.set(id, Object.assign(known ?? { holds: 0 }, record))
      if (known !== undefined && from.name !== partName(id)) await disk.remove(partName(id))
      return true
    })
  }

  /**
   * Opens, or begins, the file of a blob that is being fetched, and holds it until `release`.
   * @throws WeaverError `MESH_BLOB_OVER_BUDGET`
   */
  async openPart(list: BlobList): Promise<Part> {
    const { id } = list
    const entry = this.#entries.get(id) ?? this.#newPart(id)
    const release = this.hold(id)
    const more = Math.max(0, list.size - entry.bytes)
    try {
      await this.reserve(more)
      entry.bytes += more
      this.release(more) // The entry has it now.
      await this.#serial.run(() => this.#writeList(list))
      return { name: partName(id), file: await this.#deps.disk.create(partName(id)), release }
    } catch (error) {
      release()
      throw error
    }
  }

  #newPart(id: BlobId): Entry {
    const addedAt = this.#deps.clock.wall()
    const lastUse = ++this.#uses
    const entry = { id, isWhole: false, bytes: 0, isPinned: false, lastUse, addedAt, holds: 0 }
    this.#entries.set(id, entry)
    return entry
  }

  async #writeList(list: BlobList): Promise<void> {
    const { disk } = this.#deps
    if ((await this.list(list.id)) !== null) return
    const name = `${list.id}.list.new`
    const file = await disk.create(name)
    try {
      await file.write(0, list.bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await disk.rename(name, listName(list.id))
  }
}

/** The file of a blob that is being fetched. */
export interface Part {
  readonly name: string
  readonly file: BlobFile
  readonly release: () => void
}

export interface CommitFrom {
  readonly name: string
  readonly file: BlobFile
  /** Room reserved for it; 0 where an entry has it. */
  readonly reserved: number
  readonly isPinned: boolean
}

function parsedName(name: string): { readonly id: BlobId; readonly kind: string } | null {
  const [, id, kind] = ID_PATTERN.exec(name) ?? []
  return id === undefined || kind === undefined ? null : { id: blobId(id), kind }
}

function dataName(id: BlobId): string {
  return `${id}.data`
}

function partName(id: BlobId): string {
  return `${id}.part`
}

function listName(id: BlobId): string {
  return `${id}.list`
}
