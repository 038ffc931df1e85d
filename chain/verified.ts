// What has been verified, so that it need not be verified again as long as its bytes are the same: one
// fingerprint for each file of a lane, signed by this node, so that nobody else can make one.
//
// Invariants
//   F1. A fingerprint stands only for bytes that were verified without a problem, from the start of the
//       lane on without a gap.
//   F2. Whether the bytes are still those is found by reading them; unless the file system says that nobody has
//       written to the file since they were read, and that was less than VERIFIED_READ_AGAIN_MS ago. Then only
//       what rots below the file system can differ.
//   F3. A mark is taken before the bytes are read, and kept only where the last change was over by then for
//       longer than the grain of the file system's clock: a change while they are read makes another mark.

import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import {
  concatBytes,
  decodeCbor,
  encodeCbor,
  equalBytes,
  isSignedBy,
  SIGNATURE_BYTES,
  unixMillis
} from '../core/index.ts'
import type { NodeId, Signer, UnixMillis } from '../core/index.ts'
import type { Tip } from './block.ts'
import { FINGERPRINT_READ_BYTES, MARK_SETTLED_MS, VERIFIED_READ_AGAIN_MS } from './limits.ts'
import { DiskFailedError } from './errors.ts'
import type { FileMark, LaneDisk, LaneFile } from './ports.ts'
import type { Segment } from './segment.ts'

const DOMAIN = 'weft/verified/2'

/** The first `bytes` bytes of one file of a lane, and the block that ends there. */
export interface VerifiedFile {
  readonly firstHeight: number
  readonly bytes: number
  readonly sha256: Uint8Array
  readonly tip: Tip
  /** Of the file when its bytes were read last, and the time; empty where no mark says anything. */
  readonly mark: string
  readonly readAt: number
}

/** Where a verification may go on, and the running fingerprint of the file in which it does, if it was read. */
export interface ResumePoint {
  readonly files: readonly VerifiedFile[]
  readonly tip: Tip
  readonly running: Running | null
  /** Blocks in files that were not read (F2). */
  readonly unread: number
}

interface Running {
  readonly firstHeight: number
  readonly hash: Hash
  readonly bytes: number
}

/** When files were last changed, as of one moment. */
export interface Marks {
  readonly takenAt: UnixMillis
  /** By the first height of each file; only those that count (F3). */
  readonly settled: ReadonlyMap<number, string>
}

export const NO_MARKS: Marks = { takenAt: unixMillis(0), settled: new Map() }

/** To be asked before the files are read (F3). */
export async function takeMarks(
  disk: LaneDisk,
  segments: readonly Segment[],
  takenAt: UnixMillis
): Promise<Marks> {
  const settled = new Map<number, string>()
  for (const { name, firstHeight } of segments) {
    const mark = await markOf(disk, name)
    if (mark === null || takenAt - mark.changedAt < MARK_SETTLED_MS) continue
    settled.set(firstHeight, mark.text)
  }
  return { takenAt, settled }
}

async function markOf(disk: LaneDisk, name: string): Promise<FileMark | null> {
  let file: LaneFile | null = null
  try {
    file = await disk.open(name)
    return (await file?.mark()) ?? null
  } catch (error) {
    if (error instanceof DiskFailedError) return null // Whoever reads it will say so.
    throw error
  } finally {
    await file?.close()
  }
}

export function verifiedName(lane: NodeId): string {
  return `${lane}.verified`
}

/** Durable once resolved. One that a crash tears carries no signature, and counts as none. */
export async function saveVerified(
  deps: { readonly disk: LaneDisk; readonly signer: Signer },
  lane: NodeId,
  files: readonly VerifiedFile[]
): Promise<void> {
  const rows = files.map(({ firstHeight, bytes, sha256, tip, mark, readAt }) => [
    firstHeight,
    bytes,
    sha256,
    tip.height,
    tip.hash,
    tip.entries,
    tip.time.ms,
    tip.time.counter,
    mark,
    readAt
  ])
  const body = encodeCbor([lane, rows])
  const file = await deps.disk.create(verifiedName(lane))
  try {
    const bytes = concatBytes(deps.signer.sign(DOMAIN, body), body)
    await file.write(0, bytes)
    await file.truncate(bytes.length)
    await file.sync()
  } finally {
    await file.close()
  }
}

export async function loadVerified(
  { disk, signer }: { readonly disk: LaneDisk; readonly signer: Signer },
  lane: NodeId
): Promise<readonly VerifiedFile[]> {
  let file: LaneFile | null = null
  try {
    file = await disk.open(verifiedName(lane))
    if (file === null) return []
    const bytes = await file.read(0, await file.size())
    const body = bytes.subarray(SIGNATURE_BYTES)
    const isOurs = isSignedBy(signer.nodeId, DOMAIN, body, bytes.subarray(0, SIGNATURE_BYTES))
    return isOurs ? decode(lane, body) : []
  } catch (error) {
    if (error instanceof DiskFailedError) return [] // What cannot be read says nothing: all is verified anew.
    throw error
  } finally {
    await file?.close()
  }
}

// The signature says that this program wrote it, so the shape needs little checking.
function decode(lane: NodeId, body: Uint8Array): readonly VerifiedFile[] {
  const value: unknown = decodeCbor(body)
  if (!Array.isArray(value) || value[0] !== lane || !Array.isArray(value[1])) return []
  return value[1].flatMap((row: unknown): VerifiedFile[] => {
    if (!Array.isArray(row)) return []
    const [firstHeight, bytes, height, entries, ms, counter, readAt] = [0, 1, 3, 5, 6, 7, 9].map(
      (index) => Number(row[index])
    )
    const [sha256, hash, mark]: unknown[] = [row[2], row[4], row[8]]
    if (!(sha256 instanceof Uint8Array) || !(hash instanceof Uint8Array)) return []
    const time = { ms: ms ?? 0, counter: counter ?? 0 }
    const tip = { height: height ?? 0, hash, entries: entries ?? 0, time }
    const seen = { mark: typeof mark === 'string' ? mark : '', readAt: readAt ?? 0 }
    return [{ firstHeight: firstHeight ?? 0, bytes: bytes ?? 0, sha256, tip, ...seen }]
  })
}

export interface ResumeInput {
  readonly segments: readonly Segment[]
  /** Taken right now. */
  readonly marks: Marks
  readonly signal: AbortSignal | undefined
}

/** Sees that all that was verified is as it was (F2). Null when any of it has changed, or nothing was. */
export async function resumePoint(
  disk: LaneDisk,
  known: readonly VerifiedFile[],
  { segments, marks, signal }: ResumeInput
): Promise<ResumePoint | null> {
  const files: VerifiedFile[] = []
  let running: ResumePoint['running'] = null
  let unread = 0
  for (const [index, file] of known.entries()) {
    const segment = segments[index]
    const isLast = index === known.length - 1
    const { firstHeight, bytes, sha256, tip } = file
    const isSame = segment?.firstHeight === firstHeight && segment.size >= bytes
    if (!isSame || (!isLast && segment.size !== bytes)) return null
    if (segment.size === bytes && isUntouched(file, marks)) {
      files.push(file)
      unread += tip.height - firstHeight + 1
      running = null
      continue
    }
    const hash = await hashOf(disk, { name: segment.name, bytes, signal })
    if (hash === null || !equalBytes(hash.copy().digest(), sha256)) return null
    running = { firstHeight, hash, bytes }
    files.push({ firstHeight, bytes, sha256, tip, ...seenIn(marks, firstHeight) })
  }
  const last = files.at(-1)
  return last === undefined ? null : { files, tip: last.tip, running, unread }
}

function isUntouched({ firstHeight, mark, readAt }: VerifiedFile, marks: Marks): boolean {
  const age = marks.takenAt - readAt
  const isRecent = age >= 0 && age < VERIFIED_READ_AGAIN_MS
  return isRecent && mark !== '' && marks.settled.get(firstHeight) === mark
}

function seenIn(
  { settled, takenAt }: Marks,
  firstHeight: number
): { mark: string; readAt: number } {
  return { mark: settled.get(firstHeight) ?? '', readAt: takenAt }
}

async function hashOf(
  disk: LaneDisk,
  { name, bytes, signal }: { name: string; bytes: number; signal: AbortSignal | undefined }
): Promise<Hash | null> {
  const file = await disk.open(name)
  if (file === null) return null
  const hash = createHash('sha256')
  const read = (offset: number): Promise<Uint8Array> | null =>
    offset < bytes ? file.read(offset, Math.min(FINGERPRINT_READ_BYTES, bytes - offset)) : null
  let next = read(0)
  try {
    for (let offset = 0; next !== null; offset += FINGERPRINT_READ_BYTES) {
      signal?.throwIfAborted()
      const piece = await next
      next = read(offset + FINGERPRINT_READ_BYTES) // While this one is hashed.
      next?.catch(() => undefined) // Thrown where it is awaited, if that is ever reached.
      hash.update(piece)
    }
    return hash
  } finally {
    await next?.catch(() => undefined)
    await file.close()
  }
}

/** Builds the fingerprints while a lane is verified. */
export class Fingerprints {
  readonly #marks: Marks
  readonly #files: VerifiedFile[]
  #running: { firstHeight: number; hash: Hash; bytes: number } | null
  #tip: Tip | null
  #isBroken = false

  constructor(from: ResumePoint | null, marks: Marks) {
    const running = from?.running ?? null
    this.#marks = marks
    this.#files = from?.files.slice(0, running === null ? undefined : -1) ?? []
    this.#running = running === null ? null : { ...running }
    this.#tip = from?.tip ?? null
  }

  /** A record that is sound, right behind the one before it. True when it has begun a new file. */
  add(record: { readonly offset: number; readonly bytes: Uint8Array }, tip: Tip): boolean {
    if (this.#isBroken) return false
    const begins = record.offset === 0
    if (begins) {
      this.#close()
      this.#running = { firstHeight: tip.height, hash: createHash('sha256'), bytes: 0 }
    }
    if (this.#running === null || this.#running.bytes !== record.offset) {
      this.breakOff()
      return false
    }
    this.#running.hash.update(record.bytes)
    this.#running.bytes += record.bytes.length
    this.#tip = tip
    return begins
  }

  /** From here on something is wrong: nothing behind it is taken as verified (F1). */
  breakOff(): void {
    this.#isBroken = true
  }

  files(): readonly VerifiedFile[] {
    const { firstHeight, hash, bytes } = this.#running ?? {}
    if (firstHeight === undefined || hash === undefined || this.#tip === null) return this.#files
    const sha256 = new Uint8Array(hash.copy().digest())
    const seen = seenIn(this.#marks, firstHeight)
    return [...this.#files, { firstHeight, bytes: bytes ?? 0, sha256, tip: this.#tip, ...seen }]
  }

  #close(): void {
    const files = this.files()
    const last = files.at(-1)
    if (last !== undefined && files.length > this.#files.length) this.#files.push(last)
  }
}
