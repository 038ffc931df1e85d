// A folder of lane files in memory that fails the way disks do.
//
// A crash drops every write since the last sync of its file, or keeps it, or keeps only some of its
// 512-byte sectors, as the seed decides for each one; names are durable at once, as the port demands.

import { unixMillis } from '../../core/index.ts'
import type { Prng, UnixMillis } from '../../core/index.ts'
import { DiskFailedError, DiskFullError } from '../../chain/index.ts'
import type { LaneDisk, LaneFile } from '../../chain/index.ts'

type Write =
  | { readonly kind: 'write'; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly size: number }

interface StoredFile {
  readonly name: string
  /** What a reader sees, and what would survive a crash for certain. */
  readonly visible: Bytes
  readonly durable: Bytes
  unsynced: Write[]
  /** Of its own, and another one after each change that a file system would see. */
  mark: number
}

export interface Fault {
  readonly action: 'create' | 'remove' | 'rename' | 'write' | 'sync' | 'truncate' | 'read'
  readonly error: 'full' | 'io'
  /** Only files whose name contains this. */
  readonly name?: string
  /** How many bytes of a failing write are written all the same; true: all of it is done. */
  readonly done?: number | true
  /** How many matching calls go well first. */
  readonly after?: number
}

const SECTOR_BYTES = 512

export class MemoryLaneDisk {
  /** Writes that would make the files larger than this in all fail with `CHAIN_DISK_FULL`. */
  capacityBytes: number = Infinity
  /** When files were last changed, by the wall clock. */
  changedAt: UnixMillis = unixMillis(0)
  /** What was done, for tests that count writes and syncs. */
  readonly actions: string[] = []
  readonly #files = new Map<string, StoredFile>()
  readonly #faults: { fault: Fault; left: number }[] = []
  /** Files opened before a crash stay dead: a new process would not have them. */
  #boot = 0
  #held: { readonly name: string; readonly promise: Promise<void> } | null = null

  /** The disk as one start of a machine sees it. A crash cuts it off, with all files opened through it. */
  mount(): LaneDisk {
    const boot = this.#boot
    const check = (action: string, name: string): void => {
      this.#refuseAfterCrash(boot, action, name)
    }
    return {
      list: async () => {
        await aTurn()
        check('list', '.')
        return [...this.#files.keys()]
      },
      open: async (name) => {
        await aTurn()
        check('open', name)
        const file = this.#files.get(name)
        return file === undefined ? null : this.#opened(file)
      },
      create: async (name) => {
        await aTurn()
        check('create', name)
        this.#strike('create', name)
        const file = this.#files.get(name) ?? newFile(name)
        this.#files.set(name, file)
        return this.#opened(file)
      },
      remove: async (name) => {
        await aTurn()
        check('remove', name)
        this.#strike('remove', name)
        this.#files.delete(name)
      },
      rename: async (from, to) => {
        await aTurn()
        check('rename', from)
        this.#strike('rename', from)
        const { visible, durable, unsynced, mark } = this.#named(from)
        this.#files.delete(from)
        this.#files.set(to, { name: to, visible, durable, unsynced, mark })
      }
    }
  }

  /** The power fails: unsynced writes are lost, kept or torn, and open files are gone. */
  crash(prng: Prng): void {
    this.#boot += 1
    this.#faults.length = 0
    this.#held = null
    for (const file of this.#files.values()) {
      for (const write of file.unsynced) applyTorn(file.durable, write, prng)
      file.visible.assign(file.durable.copy())
      file.unsynced = []
      file.mark = nextMark()
    }
  }

  failNext(fault: Fault): void {
    this.#faults.push({ fault, left: fault.after ?? 0 })
  }

  /** Syncs of files with `name` in their names wait until the returned function is called. */
  holdSyncs(name: string = ''): () => void {
    const held = Promise.withResolvers<void>()
    this.#held = { name, promise: held.promise }
    return () => {
      this.#held = null
      held.resolve()
    }
  }

  names(): readonly string[] {
    return [...this.#files.keys()].toSorted()
  }

  contents(name: string): Uint8Array {
    return this.#named(name).visible.copy()
  }

  /** Puts bytes in place as they are, durable: what a backup or an attacker does. */
  put(name: string, bytes: Uint8Array): void {
    const stored = this.#files.get(name) ?? newFile(name)
    stored.visible.assign(bytes)
    stored.durable.assign(bytes)
    stored.unsynced = []
    stored.mark = nextMark()
    this.#files.set(name, stored)
  }

  /** Changes one stored byte, as whoever may write the file can. */
  flip(name: string, offset: number, mask = 0xff): void {
    this.#named(name).mark = nextMark()
    this.rot(name, offset, mask)
  }

  /** Changes one stored byte below the file system, which does not see it. */
  rot(name: string, offset: number, mask = 0xff): void {
    const file = this.#named(name)
    file.visible.flip(offset, mask)
    file.durable.flip(offset, mask)
  }

  #named(name: string): StoredFile {
    const file = this.#files.get(name)
    if (file === undefined) throw new Error(`No file ${name}`)
    return file
  }

  #opened(file: StoredFile): LaneFile {
    const boot = this.#boot
    let isOpen = true
    const check = (action: string): void => {
      this.#refuseAfterCrash(boot, action, file.name)
      if (isOpen) return
      throw new DiskFailedError(action, file.name, new Error('the file is closed'))
    }
    return {
      size: async () => {
        await aTurn()
        check('size')
        return file.visible.size
      },
      mark: async () => {
        await aTurn()
        check('stat')
        return { text: String(file.mark), changedAt: this.changedAt }
      },
      read: async (offset, length) => {
        await aTurn()
        check('read')
        this.#strike('read', file.name)
        return file.visible.read(offset, length)
      },
      write: async (offset, bytes) => {
        await aTurn()
        check('write')
        this.#write(file, offset, bytes.slice())
      },
      sync: async () => {
        await aTurn()
        check('sync')
        if (this.#held !== null && file.name.includes(this.#held.name)) await this.#held.promise
        check('sync')
        this.#sync(file)
      },
      truncate: async (size) => {
        await aTurn()
        check('truncate')
        this.#strike('truncate', file.name)
        apply(file, { kind: 'truncate', size })
      },
      close: () => {
        isOpen = false
        return Promise.resolve()
      }
    }
  }

  #refuseAfterCrash(boot: number, action: string, name: string): void {
    if (boot === this.#boot) return
    throw new DiskFailedError(action, name, new Error('the machine has crashed'))
  }

  #write(file: StoredFile, offset: number, bytes: Uint8Array): void {
    this.actions.push(`write ${file.name}`)
    const done = (part: number | true): void => {
      const written = part === true ? bytes : bytes.subarray(0, part)
      apply(file, { kind: 'write', offset, bytes: written })
    }
    this.#strike('write', file.name, done)
    const growth = Math.max(0, offset + bytes.length - file.visible.size)
    const room = this.capacityBytes - this.#used()
    if (growth > room) {
      done(Math.max(0, bytes.length - growth + Math.max(0, room)))
      throw new DiskFullError(file.name)
    }
    done(true)
  }

  #sync(file: StoredFile): void {
    this.actions.push(`sync ${file.name}`)
    const done = (): void => {
      for (const write of file.unsynced) applyTo(file.durable, write)
      file.unsynced = []
    }
    this.#strike('sync', file.name, done)
    done()
  }

  #strike(action: Fault['action'], name: string, done?: (part: number | true) => void): void {
    const index = this.#faults.findIndex(({ fault }) => {
      return fault.action === action && name.includes(fault.name ?? '')
    })
    const next = this.#faults[index]
    if (next === undefined) return
    if (next.left > 0) {
      next.left -= 1
      return
    }
    this.#faults.splice(index, 1)
    if (next.fault.done !== undefined) done?.(next.fault.done)
    if (next.fault.error === 'full') throw new DiskFullError(name)
    throw new DiskFailedError(action, name, new Error('EIO: i/o error'))
  }

  #used(): number {
    let bytes = 0
    for (const file of this.#files.values()) bytes += file.visible.size
    return bytes
  }
}

/** A real disk never answers in the same turn. What is done after it is done in one turn, or not at all. */
function aTurn(): Promise<void> {
  return Promise.resolve()
}

let marks = 0

function nextMark(): number {
  marks += 1
  return marks
}

function newFile(name: string): StoredFile {
  return { name, visible: new Bytes(), durable: new Bytes(), unsynced: [], mark: nextMark() }
}

function apply(file: StoredFile, write: Write): void {
  file.mark = nextMark()
  applyTo(file.visible, write)
  file.unsynced.push(write)
}

function applyTo(bytes: Bytes, write: Write): void {
  if (write.kind === 'truncate') bytes.truncate(write.size)
  else bytes.write(write.offset, write.bytes)
}

function applyTorn(bytes: Bytes, write: Write, prng: Prng): void {
  const fate = prng.below(3)
  if (fate === 0) return
  if (fate === 1 || write.kind === 'truncate') {
    applyTo(bytes, write)
    return
  }
  for (let start = 0; start < write.bytes.length; start += SECTOR_BYTES) {
    if (prng.below(2) === 0) continue
    bytes.write(write.offset + start, write.bytes.subarray(start, start + SECTOR_BYTES))
  }
}

/** Bytes that grow, with zeros in the gaps. */
class Bytes {
  size = 0
  #buffer: Uint8Array = new Uint8Array(1024)

  read(offset: number, length: number): Uint8Array {
    return this.#buffer.slice(Math.min(offset, this.size), Math.min(offset + length, this.size))
  }

  write(offset: number, bytes: Uint8Array): void {
    const end = offset + bytes.length
    if (end > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(end, this.#buffer.length * 2))
      grown.set(this.#buffer.subarray(0, this.size))
      this.#buffer = grown
    }
    this.#buffer.set(bytes, offset)
    this.size = Math.max(this.size, end)
  }

  truncate(size: number): void {
    if (size < this.size) this.#buffer.fill(0, size, this.size)
    else this.write(size, new Uint8Array(0))
    this.size = size
  }

  flip(offset: number, mask: number): void {
    this.#buffer[offset] = (this.#buffer[offset] ?? 0) ^ mask
  }

  copy(): Uint8Array {
    return this.#buffer.slice(0, this.size)
  }

  assign(bytes: Uint8Array): void {
    this.#buffer = bytes.slice()
    this.size = bytes.length
  }
}
