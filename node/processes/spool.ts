// What processes write when nobody is attached: bounded files that any number of readers may follow.
//
// Invariants
//   O1. Offsets count the output bytes of one pid from its first and only grow. Bytes that were dropped
//       (rotated away, disk full) leave a gap in them.
//   O2. A reader sees records in order, each once, and never a part of a record that is being written.
//   O3. Output is never a reason to stop or delay a process for longer than the disk takes: what cannot
//       be written is dropped and counted.

import { mkdirSync, readdirSync, statSync, unlinkSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { pid as checkedPid } from '../../core/index.ts'
import type { Logger, Pid } from '../../core/index.ts'
import {
  SPOOL_BYTES_MAX,
  SPOOL_RECORD_BYTES_MAX,
  SPOOL_SEGMENTS_MAX,
  SPOOL_TOTAL_BYTES_MAX
} from './limits.ts'
import { encodeRecordHead, parseRecords, READ_BYTES, SEGMENT_MAGIC } from './spool-format.ts'
import type { OutputStream, SpoolChunk } from './spool-format.ts'

interface Segment {
  /** The offset of its first byte of output. */
  readonly start: number
  readonly path: string
  fileBytes: number
}

/** The output of one pid. */
interface Reel {
  segments: readonly Segment[]
  nextOffset: number
  /** Who may still write: readers that follow wait as long as there is one. */
  holders: number
  writer: FileHandle | null
  /** Appends and closings happen one after the other. */
  turn: Promise<void>
  changed: PromiseWithResolvers<void>
  bytesDropped: number
}

export interface SpoolOptions {
  readonly directory: string
  readonly processBytesMax?: number
  readonly totalBytesMax?: number
}

export class Spool {
  readonly #deps: { readonly log: Logger }
  readonly #directory: string
  readonly #segmentBytesMax: number
  readonly #totalBytesMax: number
  readonly #reels = new Map<Pid, Reel>()
  #totalBytes = 0
  #isStopped = false

  constructor(deps: { readonly log: Logger }, options: SpoolOptions) {
    this.#deps = deps
    this.#directory = options.directory
    const bytesMax = options.processBytesMax ?? SPOOL_BYTES_MAX
    this.#segmentBytesMax = Math.ceil(bytesMax / SPOOL_SEGMENTS_MAX)
    this.#totalBytesMax = options.totalBytesMax ?? SPOOL_TOTAL_BYTES_MAX
  }

  /** Takes stock of what earlier kernels left: it stays readable until it has to make room. */
  start(): void {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 })
    const names = readdirSync(this.#directory).flatMap((name) => parseName(name) ?? [])
    names.sort((a, b) => a.pid - b.pid || a.start - b.start)
    for (const { pid, start, name } of names) {
      const path = join(this.#directory, name)
      const fileBytes = statSync(path).size
      const reel = this.#reel(pid)
      reel.segments = [...reel.segments, { start, path, fileBytes }]
      reel.nextOffset = start + fileBytes // At least: a gap does no harm (O1).
      this.#totalBytes += fileBytes
    }
    this.#makeRoom()
  }

  /** Says that `pid` may still write. The returned function takes that back, once. */
  hold(pid: Pid): () => void {
    const reel = this.#reel(pid)
    reel.holders += 1
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      reel.holders -= 1
      if (reel.holders === 0) this.#finish(reel)
    }
  }

  /** Resolves when the operating system has the bytes. Never rejects (O3). */
  append(pid: Pid, stream: OutputStream, bytes: Uint8Array): Promise<void> {
    const reel = this.#reel(pid)
    for (let from = 0; from < bytes.length; from += SPOOL_RECORD_BYTES_MAX) {
      const piece = bytes.subarray(from, from + SPOOL_RECORD_BYTES_MAX)
      reel.turn = reel.turn.then(() => this.#write(pid, reel, stream, piece))
    }
    return reel.turn
  }

  /**
   * The output of `pid` from `fromOffset` on, or from the oldest byte that is still there. Follows what
   * is being written while anybody holds the pid, unless `isFollowing` is false; ends without an
   * error when `signal` aborts. Slow readers hold nobody up: they may find that files have gone meanwhile.
   */
  async *read(
    pid: Pid,
    fromOffset: number,
    signal: AbortSignal,
    isFollowing: boolean = true
  ): AsyncGenerator<SpoolChunk, void, void> {
    const aborted = Promise.withResolvers<void>()
    const onAbort = (): void => aborted.resolve()
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      const cursor: Cursor = { offset: fromOffset, path: null, position: 0 }
      const reel = this.#reels.get(pid)
      if (reel === undefined) return
      while (!signal.aborted) {
        // Before anything is read, so that what changes meanwhile is seen in the next round.
        const { changed } = reel
        const isClosed = reel.holders === 0 && reel.writer === null
        const isLast = !isFollowing || this.#isStopped || isClosed
        for await (const chunk of readSegments(reel, cursor)) {
          if (signal.aborted) return
          yield chunk
        }
        if (isLast) return
        await Promise.race([changed.promise, aborted.promise])
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** Bytes that `pid` could not keep because the disk refused them. */
  bytesDropped(pid: Pid): number {
    return this.#reels.get(pid)?.bytesDropped ?? 0
  }

  /** Ends every reader. What comes later is dropped. */
  async stop(): Promise<void> {
    this.#isStopped = true
    for (const reel of this.#reels.values()) this.#finish(reel)
    await Promise.all([...this.#reels.values()].map((reel) => reel.turn))
  }

  #reel(pid: Pid): Reel {
    const known = this.#reels.get(pid)
    if (known !== undefined) return known
    const reel: Reel = {
      segments: [],
      nextOffset: 0,
      holders: 0,
      writer: null,
      turn: Promise.resolve(),
      changed: Promise.withResolvers(),
      bytesDropped: 0
    }
    this.#reels.set(pid, reel)
    return reel
  }

  async #write(pid: Pid, reel: Reel, stream: OutputStream, bytes: Uint8Array): Promise<void> {
    const offset = reel.nextOffset
    reel.nextOffset += bytes.length // Also when it fails: what was lost shows as a gap (O1).
    if (this.#isStopped) return
    try {
      const writer = reel.writer ?? (await this.#openSegment(pid, reel, offset))
      const head = encodeRecordHead({ offset, stream, size: bytes.length })
      const { bytesWritten } = await writer.writev([head, bytes])
      this.#count(reel, bytesWritten)
      if (bytesWritten < head.length + bytes.length) throw new Error('ENOSPC: written in part')
      if ((reel.segments.at(-1)?.fileBytes ?? 0) >= this.#segmentBytesMax) await close(reel)
    } catch (error) {
      // The segment may end in half a record: the next write begins another one.
      if (reel.bytesDropped === 0) {
        this.#deps.log.warn('Cannot keep output of a process', { pid, error: String(error) })
      }
      reel.bytesDropped += bytes.length
      await close(reel)
      const newest = reel.segments.at(-1)
      const isEmpty = newest !== undefined && newest.fileBytes <= SEGMENT_MAGIC.length
      if (isEmpty) this.#drop(reel, newest) // Or a full disk would rotate away what was kept before.
    }
    wake(reel)
  }

  async #openSegment(pid: Pid, reel: Reel, start: number): Promise<FileHandle> {
    const path = join(this.#directory, `${pid}.${start}`)
    const writer = await open(path, 'w', 0o600)
    reel.writer = writer
    // Known before its first byte is written: readers look for it by then.
    reel.segments = [...reel.segments, { start, path, fileBytes: 0 }]
    while (reel.segments.length > SPOOL_SEGMENTS_MAX) this.#drop(reel, reel.segments[0])
    await writer.write(SEGMENT_MAGIC)
    this.#count(reel, SEGMENT_MAGIC.length)
    return writer
  }

  #count(reel: Reel, bytes: number): void {
    const segment = reel.segments.at(-1)
    if (segment === undefined) return
    segment.fileBytes += bytes
    this.#totalBytes += bytes
    this.#makeRoom()
  }

  /** Gives up the spools of those that have ended, the oldest pid first. */
  #makeRoom(): void {
    if (this.#totalBytes <= this.#totalBytesMax) return
    for (const [pid, reel] of this.#reels) {
      if (reel.holders > 0 || reel.writer !== null) continue
      while (reel.segments.length > 0) this.#drop(reel, reel.segments[0])
      this.#reels.delete(pid)
      if (this.#totalBytes <= this.#totalBytesMax) return
    }
  }

  #drop(reel: Reel, segment: Segment | undefined): void {
    if (segment === undefined) return
    reel.segments = reel.segments.filter((other) => other !== segment)
    this.#totalBytes -= segment.fileBytes
    try {
      unlinkSync(segment.path)
    } catch (error) {
      this.#deps.log.warn('Cannot remove output', { path: segment.path, error: String(error) })
    }
  }

  #finish(reel: Reel): void {
    reel.turn = reel.turn.then(() => this.#close(reel))
  }

  async #close(reel: Reel): Promise<void> {
    // A new holder may have come meanwhile: then it goes on writing into the same file.
    if (reel.holders === 0 || this.#isStopped) await close(reel)
    wake(reel)
  }
}

async function close(reel: Reel): Promise<void> {
  const { writer } = reel
  reel.writer = null
  try {
    await writer?.close()
  } catch {
    // Its bytes are written or were counted as dropped; there is nothing left to close.
  }
}

function wake(reel: Reel): void {
  const { changed } = reel
  reel.changed = Promise.withResolvers()
  changed.resolve()
}

/** Where a reader is: the next offset that it wants, and where in which file it stopped reading. */
interface Cursor {
  offset: number
  path: string | null
  position: number
}

/** What the files hold from the cursor to the end of the last whole record. */
async function* readSegments(reel: Reel, cursor: Cursor): AsyncGenerator<SpoolChunk, void, void> {
  for (;;) {
    // Chosen anew each time: segments are added and dropped while this reads.
    const next = reel.segments.findIndex((segment) => segment.start > cursor.offset)
    const segment = reel.segments.at(next === -1 ? -1 : Math.max(0, next - 1))
    if (segment === undefined) return
    const isNewest = segment === reel.segments.at(-1)
    yield* readSegment(segment.path, cursor)
    const follower = reel.segments.find((other) => other.start > segment.start)
    // A newest segment may have grown since; whoever follows comes back for that.
    if (isNewest || follower === undefined) return
    cursor.offset = Math.max(cursor.offset, follower.start)
  }
}

async function* readSegment(path: string, cursor: Cursor): AsyncGenerator<SpoolChunk, void, void> {
  if (cursor.path !== path) {
    cursor.path = path
    cursor.position = SEGMENT_MAGIC.length
  }
  let file: FileHandle
  try {
    file = await open(path, 'r')
  } catch {
    return // Dropped meanwhile; the next segment takes over.
  }
  try {
    for (;;) {
      const block = new Uint8Array(READ_BYTES)
      const { bytesRead } = await file.read(block, 0, block.length, cursor.position)
      const { chunks, consumed } = parseRecords(block.subarray(0, bytesRead))
      if (consumed === 0) return // The end, or half a record.
      cursor.position += consumed
      for (const { offset, stream, bytes } of chunks) {
        const skipped = Math.max(0, cursor.offset - offset)
        if (skipped >= bytes.length) continue
        cursor.offset = offset + bytes.length
        yield { offset: offset + skipped, stream, bytes: bytes.subarray(skipped) }
      }
    }
  } finally {
    await file.close()
  }
}

function parseName(name: string): { pid: Pid; start: number; name: string } | null {
  const match = /^([1-9]\d{0,14})\.(\d{1,15})$/.exec(name)
  if (match === null) return null
  return { pid: checkedPid(Number(match[1])), start: Number(match[2]), name }
}
