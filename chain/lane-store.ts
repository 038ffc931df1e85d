// One lane on disk: appending whole batches of records, and finding them again.
//
// Invariants
//   D1. A batch is one write and one sync. It counts (size, tip) only after the sync.
//   D2. After a write that failed for want of space, the partial write is cut off and the lane goes on.
//   D3. After any other failed write, or any failed sync, the lane takes no further write: what the disk
//       holds is unknown until the next start recovers it.
//   D4. Readers see durable bytes only, while appends go on.

import type { NodeId, WeaverError } from '../core/index.ts'
import type { Tip } from './block.ts'
import { DiskFullError, LaneFailedError } from './errors.ts'
import { blockHash } from './hashes.ts'
import type { HeadFile, KnownHead } from './head-file.ts'
import { openLane } from './lane-open.ts'
import type { FoundState, LaneDeps, LaneOptions, OpenedLane } from './lane-open.ts'
import { ANCHOR_BYTES, SCAN_CHUNK_BYTES } from './limits.ts'
import type { LaneDisk, LaneFile } from './ports.ts'
import { headerBytesOf } from './record.ts'
import { mendSegment } from './mend.ts'
import type { MendInput } from './mend.ts'
import { scanFile } from './scan.ts'
import type { ScanItem } from './scan.ts'
import { Segment, segmentName } from './segment.ts'

/** Blocks that follow the tip, ready to be written. */
export interface Batch {
  /** Written one behind another. */
  readonly parts: readonly Uint8Array[]
  /** The height of each record and its offset behind the start of the first part. */
  readonly records: readonly { readonly height: number; readonly offset: number }[]
  readonly tip: Tip
}

export class LaneStore {
  readonly lane: NodeId
  readonly found: FoundState
  readonly #disk: LaneDisk
  readonly #segmentBytes: number
  readonly #segments: Segment[]
  readonly #head: HeadFile
  #tail: LaneFile | null
  #tip: Tip
  #failure: WeaverError | null = null
  #appending: Promise<void> | null = null
  #mending: Promise<void> | null = null
  #isRetired = false

  private constructor(disk: LaneDisk, options: LaneOptions, opened: OpenedLane) {
    this.lane = options.lane
    this.found = opened.found
    this.#disk = disk
    this.#segmentBytes = options.segmentBytes
    this.#segments = opened.segments
    this.#head = opened.head
    this.#tail = opened.tail
    this.#tip = opened.tip
  }

  static async open(deps: LaneDeps, options: LaneOptions): Promise<LaneStore> {
    return new LaneStore(deps.disk, options, await openLane(deps, options))
  }

  /** The last durable block. */
  get tip(): Tip {
    return this.#tip
  }

  /** The last block that the head file names. */
  get knownHead(): KnownHead | null {
    return this.#head.known
  }

  get failure(): WeaverError | null {
    return this.#failure
  }

  /** The files as they are now. */
  get segments(): readonly Segment[] {
    return this.#segments
  }

  get bytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.size, 0)
  }

  /**
   * Durable once resolved (D1). Calls must not overlap.
   * @throws DiskFullError nothing was written (D2); LaneFailedError no more can be (D3)
   */
  append(batch: Batch): Promise<void> {
    const appending = this.#mending === null ? this.#append(batch) : this.#appendLater(batch)
    this.#appending = appending
    return appending
  }

  /**
   * Puts these sound records in the place of what is held, or missing, at their heights, which must not be
   * above the tip. Durable once resolved; each file of the lane changes in one step (M1). Calls must not
   * overlap; appends wait, readers go on with what they had opened.
   * @throws DiskFullError, LaneFailedError the lane is as it was
   */
  mend(records: ReadonlyMap<number, Uint8Array>): Promise<void> {
    return this.#whileMending(() => this.#mendAll(records))
  }

  /** Puts what `change` makes of it in the place of each record: the same block in fewer bytes. As `mend`. */
  rewrite(change: (record: Uint8Array) => Uint8Array): Promise<void> {
    return this.#whileMending(async () => {
      for (const index of this.#segments.keys()) await this.#rewriteSegment(index, change)
    })
  }

  async #whileMending(work: () => Promise<void>): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    await this.#mending
    const mended = Promise.withResolvers<void>()
    this.#mending = mended.promise
    try {
      await this.#appending?.catch(() => undefined) // Its caller has the failure.
      await work()
    } finally {
      this.#mending = null
      mended.resolve()
    }
  }

  /** No file of this lane is written any more, and none is missed: the lane is to be removed. */
  retire(): void {
    this.#isRetired = true
  }

  /** No more is written to this lane by this run of the kernel. */
  refuse(failure: WeaverError): void {
    this.#failure ??= failure
  }

  async #appendLater(batch: Batch): Promise<void> {
    await this.#mending
    await this.#append(batch)
  }

  async #mendAll(records: ReadonlyMap<number, Uint8Array>): Promise<void> {
    const heights = [...records.keys()]
    const lowest = Math.min(...heights)
    const first = this.#segments[0]?.firstHeight ?? this.#tip.height + 1
    if (lowest < first) {
      // The file that held the start of the lane is gone.
      this.#segments.unshift(new Segment(segmentName(this.lane, lowest), lowest, 0))
    }
    for (const [index, segment] of this.#segments.entries()) {
      const lastHeight = this.#lastHeight(index)
      const isMeant = (height: number): boolean =>
        height >= segment.firstHeight && height <= lastHeight
      if (!heights.some(isMeant)) continue
      await this.#putAnew(index, { lane: this.lane, segment, lastHeight, records })
    }
  }

  async #rewriteSegment(index: number, change: (record: Uint8Array) => Uint8Array): Promise<void> {
    const segment = this.#segments[index]
    if (segment === undefined) return
    const lastHeight = this.#lastHeight(index)
    const records: ReadonlyMap<number, Uint8Array> = new Map()
    await this.#putAnew(index, { lane: this.lane, segment, lastHeight, records, change })
  }

  #lastHeight(index: number): number {
    const next = this.#segments[index + 1]
    return next === undefined ? this.#tip.height : next.firstHeight - 1
  }

  async #putAnew(index: number, input: MendInput): Promise<void> {
    this.#segments[index] = await mendSegment(this.#disk, input)
    if (index < this.#segments.length - 1) return
    await this.#tail?.close()
    this.#tail = await this.#disk.create(input.segment.name)
  }

  async #append(batch: Batch): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    const { segment, file } = await this.#writable()
    const start = segment.size
    let end = start
    try {
      for (const part of batch.parts) {
        await file.write(end, part)
        end += part.length
      }
    } catch (error) {
      throw await this.#afterFailedWrite(file, start, error)
    }
    try {
      await file.sync()
    } catch (error) {
      throw this.#fail(error)
    }
    // From here the batch is durable: a crash recovers it.
    segment.size = end
    this.#tip = batch.tip
    for (const { height, offset } of batch.records) segment.note(height, start + offset)
  }

  /** Names the tip in the head file. Durable once resolved; calls must not overlap. */
  async syncHead(): Promise<void> {
    const { height, hash } = this.#tip
    if (this.#failure !== null || this.#isRetired) return
    if (height <= (this.#head.known?.height ?? 0)) return
    try {
      await this.#head.write({ height, hash })
    } catch (error) {
      if (error instanceof DiskFullError) throw error // The other slot stands; the next call may do it.
      throw this.#fail(error)
    }
  }

  /** Names a block that was durable once and is not here any more: the next start will ask for it (H1). */
  async nameLost(head: KnownHead): Promise<void> {
    if (head.height > (this.#head.known?.height ?? 0)) await this.#head.write(head)
  }

  /** Gives up what the head file names above the tip: somebody has decided to go on without it. */
  async giveUpLost(): Promise<void> {
    const { height, hash } = this.#tip
    if ((this.#head.known?.height ?? 0) > height) await this.#head.write({ height, hash })
  }

  /**
   * The records from `fromHeight` on, in the order of the files, with the damage found between them (D4).
   * The first items may be of lower heights' damage. Ends at what was durable when each file was reached.
   */
  async *scan(fromHeight: number, chunkBytes: number = SCAN_CHUNK_BYTES): AsyncGenerator<ScanItem> {
    const first = this.#segments.findLastIndex((segment) => segment.firstHeight <= fromHeight)
    for (let index = Math.max(first, 0); index < this.#segments.length; index += 1) {
      yield* this.#scanSegment(index, { fromHeight, chunkBytes })
    }
  }

  /** A segment and its file, of one moment: neither is from before a mend where the other is from after. */
  async #opened(
    index: number
  ): Promise<{ readonly segment: Segment; readonly file: LaneFile | null } | null> {
    for (;;) {
      await this.#mending
      const segment = this.#segments[index]
      if (segment === undefined) return null
      const file = await this.#disk.open(segment.name)
      if (this.#mending === null && this.#segments[index] === segment) return { segment, file }
      await file?.close()
    }
  }

  /** The stored record of a height, or null where none can be read. */
  async record(height: number): Promise<Uint8Array | null> {
    if (height < 1 || height > this.#tip.height) return null
    // In one read from the place that is known before it: each way to the disk and back is a turn to wait for.
    for await (const item of this.scan(height, ANCHOR_BYTES)) {
      if (item.kind !== 'record') continue
      if (item.head.height === height) return item.bytes
      if (item.head.height > height) return null
    }
    return null
  }

  /** The hash of the stored block of a height, or null where none can be read. */
  async hashAt(height: number): Promise<Uint8Array | null> {
    if (height === this.#tip.height && height > 0) return this.#tip.hash
    for await (const item of height < this.#tip.height ? this.scan(height) : []) {
      if (item.kind !== 'record' || item.head.height < height) continue
      return item.head.height === height ? blockHash(headerBytesOf(item.bytes, item.head)) : null
    }
    return null
  }

  async close(): Promise<void> {
    await this.#tail?.close()
    await this.#head.close()
  }

  async *#scanSegment(
    index: number,
    { fromHeight, chunkBytes }: { fromHeight: number; chunkBytes: number }
  ): AsyncGenerator<ScanItem> {
    const opened = await this.#opened(index)
    if (opened === null) return
    const { segment, file } = opened
    const anchor = segment.anchorFor(fromHeight)
    const to = segment.size
    if (file === null) {
      if (to > 0) yield { kind: 'damage', offset: 0, length: to }
      return
    }
    const range = {
      lane: this.lane,
      from: anchor.offset,
      to,
      afterHeight: anchor.height - 1,
      chunkBytes
    }
    try {
      for await (const item of scanFile(file, range)) {
        if (item.kind === 'damage') {
          yield item
          continue
        }
        segment.note(item.head.height, item.offset)
        if (item.head.height >= fromHeight) yield item
      }
    } finally {
      await file.close()
    }
  }

  /** The segment to write to: the last one, or a new one when that is full. */
  async #writable(): Promise<{ segment: Segment; file: LaneFile }> {
    const last = this.#segments.at(-1)
    if (last !== undefined && this.#tail !== null && last.size < this.#segmentBytes) {
      return { segment: last, file: this.#tail }
    }
    const firstHeight = this.#tip.height + 1
    const name = segmentName(this.lane, firstHeight)
    let file: LaneFile
    try {
      file = await this.#disk.create(name)
    } catch (error) {
      throw error instanceof DiskFullError ? error : this.#fail(error)
    }
    await this.#tail?.close()
    const segment = new Segment(name, firstHeight, 0)
    this.#segments.push(segment)
    this.#tail = file
    return { segment, file }
  }

  async #afterFailedWrite(file: LaneFile, start: number, error: unknown): Promise<unknown> {
    if (!(error instanceof DiskFullError)) return this.#fail(error)
    try {
      await file.truncate(start)
    } catch (failure) {
      return this.#fail(failure)
    }
    return error
  }

  #fail(cause: unknown): WeaverError {
    this.#failure ??= new LaneFailedError(this.lane, cause)
    return this.#failure
  }
}
