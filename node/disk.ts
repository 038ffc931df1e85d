// The real disk of lanes and blobs: one folder of files, 0600 in a 0700 folder, synced with fdatasync.

import { constants, fdatasync, fdatasyncSync, writeSync } from 'node:fs'
import { mkdir, open, readdir, rename, unlink } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { DiskFailedError, DiskFullError } from '../chain/index.ts'
import type { FileMark, LaneDisk, LaneFile } from '../chain/index.ts'
import { unixMillis } from '../core/index.ts'
import type { Clock } from '../core/index.ts'
import { afterSync, isOnTheSpot, SYNC_PACE_START } from './sync-pace.ts'
import type { SyncPace } from './sync-pace.ts'

/** A file that reads into memory that the caller has, for readers of many large pieces. */
export interface FolderFile extends LaneFile {
  readInto(offset: number, buffer: Uint8Array): Promise<Uint8Array>
}

export interface FolderDisk extends LaneDisk {
  open(name: string): Promise<FolderFile | null>
  create(name: string): Promise<FolderFile>
}

export interface DiskDeps {
  readonly clock: Clock
}

export interface DiskOptions {
  /** Writes are large: they and their syncs are done on other threads, whatever they took before. */
  readonly isBulk?: boolean
}

/** Opens the folder, making it first if it is not there. Its own name is durable once resolved. */
export async function openLaneDisk(
  folder: string,
  { clock }: DiskDeps,
  options: DiskOptions = {}
): Promise<FolderDisk> {
  const place = { folder, syncs: new Syncs(clock), isBulk: options.isBulk === true }
  await attempt('make', folder, async () => {
    const made = await mkdir(folder, { recursive: true, mode: 0o700 })
    if (made !== undefined) await syncFolder(join(made, '..'))
  })
  return {
    list: () => attempt('list', folder, () => readdir(folder)),
    open: (name) => openExisting(place, name),
    create: (name) => create(place, name),
    remove: (name) => remove(folder, name),
    rename: (from, to) => renameFile(folder, from, to)
  }
}

interface Place {
  readonly folder: string
  readonly syncs: Syncs
  readonly isBulk: boolean
}

async function openExisting(place: Place, name: string): Promise<FolderFile | null> {
  return attempt('open', name, async () => {
    try {
      return new DiskFile(name, await open(join(place.folder, name), 'r+'), place)
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null
      throw error
    }
  })
}

async function create(place: Place, name: string): Promise<FolderFile> {
  const { folder } = place
  const known = await openExisting(place, name)
  if (known !== null) return known
  return attempt('create', name, async () => {
    const flags = constants.O_RDWR | constants.O_CREAT
    const handle = await open(join(folder, name), flags, 0o600)
    try {
      await syncFolder(folder)
    } catch (error) {
      await handle.close()
      throw error
    }
    return new DiskFile(name, handle, place)
  })
}

async function remove(folder: string, name: string): Promise<void> {
  await attempt('remove', name, async () => {
    try {
      await unlink(join(folder, name))
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
    }
    await syncFolder(folder)
  })
}

async function renameFile(folder: string, from: string, to: string): Promise<void> {
  await attempt('rename', from, async () => {
    await rename(join(folder, from), join(folder, to))
    await syncFolder(folder)
  })
}

/** A new name is durable only when the folder that holds it has been synced. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** The syncs of one disk, whichever file they are of. */
class Syncs {
  readonly #clock: Clock
  #pace: SyncPace = SYNC_PACE_START

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** `bytes` have been written since the last one. */
  sync(fd: number, bytes: number): Promise<void> {
    const started = this.#clock.now()
    if (isOnTheSpot(this.#pace, bytes)) {
      fdatasyncSync(fd)
      this.#done(bytes, started)
      return DONE
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    fdatasync(fd, (error) => {
      this.#done(bytes, started)
      if (error === null) resolve()
      else reject(error)
    })
    return promise
  }

  #done(bytes: number, started: number): void {
    this.#pace = afterSync(this.#pace, bytes, this.#clock.now() - started)
  }
}

class DiskFile implements FolderFile {
  readonly #name: string
  readonly #handle: FileHandle
  readonly #isBulk: boolean
  readonly #syncs: Syncs
  #closed: Promise<void> | null = null
  #unsyncedBytes = 0

  constructor(name: string, handle: FileHandle, { syncs, isBulk }: Place) {
    this.#name = name
    this.#handle = handle
    this.#isBulk = isBulk
    this.#syncs = syncs
  }

  size(): Promise<number> {
    return attempt('stat', this.#name, async () => (await this.#handle.stat()).size)
  }

  mark(): Promise<FileMark> {
    return attempt('stat', this.#name, async () => {
      const { dev, ino, size, mtimeNs, ctimeNs } = await this.#handle.stat({ bigint: true })
      // The change time is set by the system at each write; a file system without one says nothing.
      const text = ctimeNs === 0n ? '' : [dev, ino, size, mtimeNs, ctimeNs].join(' ')
      return { text, changedAt: unixMillis(Number(ctimeNs / NANOSECONDS_PER_MS)) }
    })
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    // Not zeroed: what is not filled is not handed out.
    const { buffer, byteOffset } = Buffer.allocUnsafeSlow(length)
    return this.readInto(offset, new Uint8Array(buffer, byteOffset, length))
  }

  readInto(offset: number, bytes: Uint8Array): Promise<Uint8Array> {
    return attempt('read', this.#name, async () => {
      const { length } = bytes
      let filled = 0
      while (filled < length) {
        const { bytesRead } = await this.#handle.read(
          bytes,
          filled,
          length - filled,
          offset + filled
        )
        if (bytesRead === 0) break
        filled += bytesRead
      }
      return bytes.subarray(0, filled)
    })
  }

  write(offset: number, bytes: Uint8Array): Promise<void> {
    if (this.#isBulk) return attempt('write', this.#name, () => this.#writeElsewhere(offset, bytes))
    // In place: it only fills the page cache, and the way to another thread and back takes longer than
    // that. What takes time, the sync, is done elsewhere.
    this.#unsyncedBytes += bytes.length
    return attempt('write', this.#name, () => {
      let written = 0
      while (written < bytes.length) {
        const left = bytes.length - written
        written += writeSync(this.#handle.fd, bytes, written, left, offset + written)
      }
      return DONE
    })
  }

  async #writeElsewhere(offset: number, bytes: Uint8Array): Promise<void> {
    for (let written = 0; written < bytes.length;) {
      const left = bytes.length - written
      written += (await this.#handle.write(bytes, written, left, offset + written)).bytesWritten
    }
  }

  sync(): Promise<void> {
    // How long the last one took says nothing of the next where files are large: never on the spot.
    if (this.#isBulk) return attempt('sync', this.#name, () => this.#handle.datasync())
    const bytes = this.#unsyncedBytes
    this.#unsyncedBytes = 0
    return attempt('sync', this.#name, () => this.#syncs.sync(this.#handle.fd, bytes))
  }

  truncate(size: number): Promise<void> {
    return attempt('truncate', this.#name, () => this.#handle.truncate(size))
  }

  close(): Promise<void> {
    this.#closed ??= attempt('close', this.#name, () => this.#handle.close())
    return this.#closed
  }
}

const NANOSECONDS_PER_MS = 1_000_000n
const DONE = Promise.resolve()

async function attempt<T>(action: string, name: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    const code = codeOf(error)
    const isFull = code === 'ENOSPC' || code === 'EDQUOT'
    throw isFull ? new DiskFullError(name, error) : new DiskFailedError(action, name, error)
  }
}

function codeOf(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : null
}
