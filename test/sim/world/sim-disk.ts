// One machine's disk for chain lanes, with a page cache that a power loss empties.
//
// Invariants
//   D1. What `sync` has acknowledged is there after any crash.
//   D2. A dead process leaves its finished writes to the system: they survive it, synced or not. What it was
//       writing at that moment is there up to some byte.
//   D3. Without power, each unsynced change is kept, lost, or kept in some of its sectors, in any order.
//   D4. After a failed sync the cache may lie: it shows what a power loss will take.

import { DiskFailedError, DiskFullError } from '../../../chain/index.ts'
import type { LaneDisk, LaneFile } from '../../../chain/ports.ts'
import { unixMillis } from '../../../core/index.ts'
import type { Prng } from '../../../core/index.ts'
import type { Ending, Life } from './life.ts'
import type { StorageTiming } from './storage-timing.ts'

const SECTOR_BYTES = 512
const CAPACITY_MIN = 4096

type Change =
  | { readonly kind: 'write'; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly size: number }

interface StoredFile {
  readonly durable: Content
  /** What a reader sees: what is durable, and all changes since. */
  readonly cached: Content
  /** Since the last sync, oldest first. */
  readonly changes: Change[]
  /** Writes that the system has not finished taking. */
  readonly inFlight: Set<Change>
}

export class SimDisk {
  readonly #files = new Map<string, StoredFile>()
  readonly #timing: StorageTiming
  readonly #onSync: (file: string, bytes: Uint8Array) => void
  #revision = 0

  constructor(timing: StorageTiming, onSync: (file: string, bytes: Uint8Array) => void) {
    this.#timing = timing
    this.#onSync = onSync
  }

  /** Grows whenever what is durable has changed. */
  get revision(): number {
    return this.#revision
  }

  /** The names of all files. */
  get names(): readonly string[] {
    return [...this.#files.keys()]
  }

  /** What is on the platters, for oracles: the part of a file that no crash can take. */
  durable(name: string): Uint8Array {
    return this.#files.get(name)?.durable.bytes() ?? new Uint8Array()
  }

  /** Flips one bit of what is stored in the file, at `index`. */
  flipBit(name: string, index: number, prng: Prng): void {
    const file = this.#files.get(name)
    if (file === undefined) return
    const byte = file.durable.bytes().at(index) ?? 0
    const flipped: Change = {
      kind: 'write',
      offset: index,
      bytes: Uint8Array.of(byte ^ (1 << prng.below(8)))
    }
    this.#revision += 1
    file.durable.apply(flipped)
    file.cached.apply(flipped)
  }

  /** The disk as the kernel of one life sees it. */
  attach(life: Life): LaneDisk {
    life.onEnd((ending) => this.#crash(ending))
    const timing = this.#timing
    return {
      list: async () => {
        await timing.quick(life)
        return this.names
      },
      open: async (name) => {
        await timing.quick(life)
        const file = this.#files.get(name)
        return file === undefined ? null : this.#handle(file, name, life)
      },
      create: async (name) => {
        // The name may be there after a crash in the middle of this: harmless, the file is empty.
        if (timing.fault === 'full') throw this.#refuse(name)
        if (timing.fails()) throw new DiskFailedError('create', name, new Error('EIO'))
        const file = this.#files.get(name) ?? emptyFile()
        if (timing.prng.below(2) === 0) this.#files.set(name, file)
        await timing.synced(life)
        this.#files.set(name, file)
        return this.#handle(file, name, life)
      },
      remove: async (name) => {
        if (timing.fails()) throw new DiskFailedError('remove', name, new Error('EIO'))
        if (timing.prng.below(2) === 0) this.#files.delete(name)
        await timing.synced(life)
        this.#files.delete(name)
      },
      rename: async (from, to) => {
        if (timing.fails()) throw new DiskFailedError('rename', from, new Error('EIO'))
        const file = this.#files.get(from)
        if (file === undefined) throw new DiskFailedError('rename', from, new Error('ENOENT'))
        const move = (): void => {
          this.#files.delete(from)
          this.#files.set(to, file)
        }
        if (timing.prng.below(2) === 0) move() // A crash in the middle: done, or not at all.
        await timing.synced(life)
        move()
      }
    }
  }

  #handle(file: StoredFile, name: string, life: Life): LaneFile {
    const timing = this.#timing
    let isOpen = true
    const refuseClosed = (action: string): void => {
      if (!isOpen) throw new DiskFailedError(action, name, new Error('it is closed'))
    }
    return {
      size: async () => {
        refuseClosed('measure')
        await timing.quick(life)
        return file.cached.size
      },
      // As of a file system that keeps no times: bits that flip here are never to be overlooked.
      mark: async () => {
        refuseClosed('measure')
        await timing.quick(life)
        return { text: '', changedAt: unixMillis(0) }
      },
      read: async (offset, length) => {
        refuseClosed('read')
        await timing.quick(life)
        return file.cached.bytes().slice(offset, offset + length)
      },
      write: async (offset, bytes) => {
        refuseClosed('write')
        await this.#write(file, name, life, { kind: 'write', offset, bytes: bytes.slice() })
      },
      truncate: async (size) => {
        refuseClosed('truncate')
        await timing.quick(life)
        change(file, { kind: 'truncate', size })
      },
      sync: async () => {
        refuseClosed('sync')
        await this.#sync(file, name, life)
      },
      close: async () => {
        isOpen = false
        await timing.quick(life)
      }
    }
  }

  async #write(
    file: StoredFile,
    name: string,
    life: Life,
    next: Change & { readonly kind: 'write' }
  ): Promise<void> {
    const timing = this.#timing
    if (timing.fault === 'full') {
      change(file, firstPart(next, timing.prng))
      throw this.#refuse(name)
    }
    if (timing.fails()) throw new DiskFailedError('write', name, new Error('EIO'))
    file.inFlight.add(next)
    await timing.quick(life)
    file.inFlight.delete(next)
    change(file, next)
    if (timing.isMisreported()) throw new DiskFailedError('write', name, new Error('EIO'))
  }

  async #sync(file: StoredFile, name: string, life: Life): Promise<void> {
    const covered = file.changes.length
    await this.#timing.synced(life)
    const synced = file.changes.splice(0, covered)
    if (this.#timing.fails()) throw new DiskFailedError('sync', name, new Error('EIO')) // D4
    for (const each of synced) file.durable.apply(each) // D1
    this.#revision += 1
    this.#onSync(name, file.durable.bytes())
    if (this.#timing.isMisreported()) throw new DiskFailedError('sync', name, new Error('EIO'))
  }

  #refuse(name: string): DiskFullError {
    this.#timing.counts.refused += 1
    return new DiskFullError(name, new Error('ENOSPC'))
  }

  #crash(ending: Ending): void {
    this.#revision += 1
    for (const file of this.#files.values()) {
      for (const write of file.inFlight) {
        this.#timing.counts.tornWrites += 1
        change(file, firstPart(write, this.#timing.prng)) // D2
      }
      file.inFlight.clear()
      if (ending === 'power-lost') {
        for (const each of file.changes) {
          for (const part of this.#survivors(each)) file.durable.apply(part)
        }
        file.cached.become(file.durable)
      } else {
        file.durable.become(file.cached)
      }
      file.changes.length = 0
    }
  }

  /** What of an unsynced change a power loss leaves (D3). */
  #survivors(each: Change): readonly Change[] {
    const { prng, counts } = this.#timing
    const fate = prng.below(3)
    if (fate === 0) {
      counts.lostWrites += 1
      return []
    }
    if (fate === 1 || each.kind === 'truncate') return [each]
    counts.tornWrites += 1
    const sectors: Change[] = []
    for (let start = 0; start < each.bytes.length; start += SECTOR_BYTES) {
      if (prng.below(2) === 0) continue
      const bytes = each.bytes.subarray(start, start + SECTOR_BYTES)
      sectors.push({ kind: 'write', offset: each.offset + start, bytes })
    }
    return sectors
  }
}

/** The bytes of one file, with room to grow. */
class Content {
  #buffer = new Uint8Array(CAPACITY_MIN)
  #size = 0

  get size(): number {
    return this.#size
  }

  /** A view: it changes with the file. */
  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#size)
  }

  apply(next: Change): void {
    if (next.kind === 'truncate') {
      this.#resize(next.size)
      return
    }
    const end = next.offset + next.bytes.length
    if (end > this.#size) this.#resize(end)
    this.#buffer.set(next.bytes, next.offset)
  }

  become(other: Content): void {
    this.#resize(0)
    this.#resize(other.size)
    this.#buffer.set(other.bytes())
  }

  #resize(size: number): void {
    if (size > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(size, 2 * this.#buffer.length))
      larger.set(this.bytes())
      this.#buffer = larger
    }
    // What a file gains without being written reads as zeros, also where it was longer once.
    this.#buffer.fill(0, Math.min(size, this.#size), Math.max(size, this.#size))
    this.#size = size
  }
}

function emptyFile(): StoredFile {
  return { durable: new Content(), cached: new Content(), changes: [], inFlight: new Set() }
}

function change(file: StoredFile, next: Change): void {
  file.changes.push(next)
  file.cached.apply(next)
}

function firstPart(whole: Change, prng: Prng): Change {
  if (whole.kind === 'truncate') return whole
  return { ...whole, bytes: whole.bytes.subarray(0, prng.below(whole.bytes.length + 1)) }
}
