// What has been verified, so that it need not be verified again as long as its bytes are the same: one
// fingerprint for each file of a lane, signed by this node, so that nobody else can make one.
//
// Invariants
//   F1. A fingerprint stands only for bytes that were verified without a problem, from the start of the
//       lane on without a gap.
//   F2. Whether the bytes are still those is found by reading all of them.

import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import {
  concatBytes,
  decodeCbor,
  encodeCbor,
  equalBytes,
  isSignedBy,
  SIGNATURE_BYTES
} from '../core/index.ts'
import type { NodeId, Signer } from '../core/index.ts'
import type { Tip } from './block.ts'
import { FINGERPRINT_READ_BYTES } from './limits.ts'
import { DiskFailedError } from './errors.ts'
import type { LaneDisk, LaneFile } from './ports.ts'
import type { Segment } from './segment.ts'

const DOMAIN = 'weft/verified/1'

/** The first `bytes` bytes of one file of a lane, and the block that ends there. */
export interface VerifiedFile {
  readonly firstHeight: number
  readonly bytes: number
  readonly sha256: Uint8Array
  readonly tip: Tip
}

/** Where a verification may go on, and the running fingerprint of the file in which it does. */
export interface ResumePoint {
  readonly files: readonly VerifiedFile[]
  readonly tip: Tip
  readonly running: { readonly firstHeight: number; readonly hash: Hash; readonly bytes: number }
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
  const rows = files.map(({ firstHeight, bytes, sha256, tip }) => [
    firstHeight,
    bytes,
    sha256,
    tip.height,
    tip.hash,
    tip.entries,
    tip.time.ms,
    tip.time.counter
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
    const [firstHeight, bytes, height, entries, ms, counter] = [0, 1, 3, 5, 6, 7].map((index) =>
      Number(row[index])
    )
    const [sha256, hash]: unknown[] = [row[2], row[4]]
    if (!(sha256 instanceof Uint8Array) || !(hash instanceof Uint8Array)) return []
    const time = { ms: ms ?? 0, counter: counter ?? 0 }
    const tip = { height: height ?? 0, hash, entries: entries ?? 0, time }
    return [{ firstHeight: firstHeight ?? 0, bytes: bytes ?? 0, sha256, tip }]
  })
}

/** Reads all that was verified (F2). Null when any of it has changed, or nothing was. */
export async function resumePoint(
  disk: LaneDisk,
  files: readonly VerifiedFile[],
  segments: readonly Segment[],
  signal: AbortSignal | undefined
): Promise<ResumePoint | null> {
  let running: ResumePoint['running'] | null = null
  for (const [index, known] of files.entries()) {
    const segment = segments[index]
    const isLast = index === files.length - 1
    const isSame = segment?.firstHeight === known.firstHeight && segment.size >= known.bytes
    if (!isSame || (!isLast && segment.size !== known.bytes)) return null
    const hash = await hashOf(disk, { name: segment.name, bytes: known.bytes, signal })
    if (hash === null || !equalBytes(hash.copy().digest(), known.sha256)) return null
    running = { firstHeight: known.firstHeight, hash, bytes: known.bytes }
  }
  const last = files.at(-1)
  return last === undefined || running === null ? null : { files, tip: last.tip, running }
}

async function hashOf(
  disk: LaneDisk,
  { name, bytes, signal }: { name: string; bytes: number; signal: AbortSignal | undefined }
): Promise<Hash | null> {
  const file = await disk.open(name)
  if (file === null) return null
  const hash = createHash('sha256')
  try {
    for (let offset = 0; offset < bytes; offset += FINGERPRINT_READ_BYTES) {
      signal?.throwIfAborted()
      hash.update(await file.read(offset, Math.min(FINGERPRINT_READ_BYTES, bytes - offset)))
    }
    return hash
  } finally {
    await file.close()
  }
}

/** Builds the fingerprints while a lane is verified. */
export class Fingerprints {
  readonly #files: VerifiedFile[]
  #running: { firstHeight: number; hash: Hash; bytes: number } | null
  #tip: Tip | null
  #isBroken = false

  constructor(from: ResumePoint | null) {
    this.#files = from === null ? [] : from.files.slice(0, -1)
    this.#running = from === null ? null : { ...from.running }
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
    return [...this.#files, { firstHeight, bytes: bytes ?? 0, sha256, tip: this.#tip }]
  }

  #close(): void {
    const files = this.files()
    const last = files.at(-1)
    if (last !== undefined && files.length > this.#files.length) this.#files.push(last)
  }
}
