// Checking one record by itself: its frame, header, signature, entries and payloads. Whether it follows
// the block before it is `checkLink`. Pure, and never throws on bad bytes: it names what is wrong.

import { equalBytes, HASH_BYTES, isSignedBy } from '../core/index.ts'
import type { NodeId } from '../core/index.ts'
import type { Problem, SignedBlock } from './block.ts'
import { isCanonicalCbor, plainEntry } from './canonical.ts'
import { decodeEntry } from './entry.ts'
import type { Entry, EntryRef } from './entry.ts'
import { FormatError } from './errors.ts'
import { BLOCK_SIGNATURE_DOMAIN, blockHash, hashesOf } from './hashes.ts'
import { decodeHeader } from './header.ts'
import type { Header } from './header.ts'
import { compareHlc } from './hlc.ts'
import type { Hlc } from './hlc.ts'
import { SALT_BYTES } from './limits.ts'
import { rootOfHashes } from './merkle.ts'
import { REDACTED_KIND, redactionTarget } from './redaction-entry.ts'
import { ROTATION_KIND, rotationIn, rotationProblem } from './rotation-entry.ts'
import type { RotationPlace } from './rotation-entry.ts'
import {
  boundsOf,
  headerBytesOf,
  LEAF_PREFIX_BYTES,
  leafPrefixAt,
  parseFrameHead,
  rowAt,
  signatureOf
} from './record.ts'
import type { Bounds, FrameHead, Row } from './record.ts'

export interface BlockCheck {
  /** Null where the header is not what the lane's key signed. */
  readonly block: SignedBlock | null
  readonly problems: readonly Problem[]
  /** Which entries of this block take back the payload of which other entry. */
  readonly redactions: readonly RedactionPlace[]
  /** Which of its entries say that a key takes the place of another one. */
  readonly rotations: readonly RotationPlace[]
}

export interface RedactionPlace {
  readonly index: number
  readonly target: EntryRef
}

/** The header of a record, if it is one of `lane` at the height its frame names and the lane's key signed it. */
export function signedHeader(lane: NodeId, record: Uint8Array, head: FrameHead): Header | null {
  const bytes = headerBytesOf(record, head)
  const header = readHeader(lane, bytes, head)
  if (header === null) return null
  return isSignedBy(lane, BLOCK_SIGNATURE_DOMAIN, bytes, signatureOf(record, head)) ? header : null
}

function readHeader(lane: NodeId, bytes: Uint8Array, head: FrameHead): Header | null {
  try {
    const header = decodeHeader(bytes)
    const isMeant =
      header.lane === lane && header.height === head.height && header.count === head.count
    return isMeant ? header : null
  } catch (error) {
    if (error instanceof FormatError) return null
    throw error
  }
}

/** Checks everything that one record says by itself. `height` names the block where its frame cannot. */
export function checkRecord(lane: NodeId, record: Uint8Array, height: number): BlockCheck {
  const head = parseFrameHead(record)
  if (head === null || head.recordBytes !== record.length) {
    const message = `The frame of block ${height} is damaged`
    const problem = { lane, height, entry: null, code: 'CHAIN_FRAME_DAMAGED', message }
    return { block: null, problems: [problem], redactions: [], rotations: [] }
  }
  const check = new RecordCheck(lane, head)
  const header = signedHeader(lane, record, head)
  if (header === null) {
    check.add(null, 'CHAIN_HEADER_DAMAGED', 'has a header or signature that was changed')
  }
  const firstTime = check.rows(record, header)
  const { problems, redactions, rotations } = check
  if (header === null) return { block: null, problems, redactions, rotations }
  const hash = blockHash(headerBytesOf(record, head))
  return { block: { header, hash, firstTime }, problems, redactions, rotations }
}

/** A record in pieces, with the hashes of its entries and payloads one behind another. */
interface Parts {
  readonly record: Uint8Array
  readonly bounds: Bounds
  readonly leaves: Uint8Array
  /** A payload that is absent has a hash of nothing here. */
  readonly payloads: Uint8Array
}

/** @throws FormatError when the record's table has changed. */
function partsOf(record: Uint8Array, head: FrameHead): Parts {
  const bounds = boundsOf(record, head)
  const leaves = hashesOf('leaf', { bytes: record, bounds: bounds.entries })
  const payloads = hashesOf('payload', { bytes: record, bounds: bounds.payloads })
  return { record, bounds, leaves, payloads }
}

class RecordCheck {
  readonly problems: Problem[] = []
  readonly redactions: RedactionPlace[] = []
  readonly rotations: RotationPlace[] = []
  readonly #lane: NodeId
  readonly #head: FrameHead

  constructor(lane: NodeId, head: FrameHead) {
    this.#lane = lane
    this.#head = head
  }

  add(entry: number | null, code: string, what: string): void {
    const { height } = this.#head
    const subject = entry === null ? `Block ${height}` : `Entry ${entry} of block ${height}`
    this.problems.push({ lane: this.#lane, height, entry, code, message: `${subject} ${what}` })
  }

  /** Returns the time of the first entry. */
  rows(record: Uint8Array, header: Header | null): Hlc | null {
    let parts: Parts
    try {
      parts = partsOf(record, this.#head)
    } catch (error) {
      if (!(error instanceof FormatError)) throw error
      this.add(null, 'CHAIN_TABLE_DAMAGED', 'has a table of entries that was changed')
      return null
    }
    const { bounds, leaves } = parts
    const { count } = this.#head
    const times: (Hlc | null)[] = []
    let areNamed = true
    for (let index = 0; index < count; index += 1) {
      const leaf = { bytes: leaves, at: index * HASH_BYTES, length: LEAF_PREFIX_BYTES }
      const isNamed = isAt(record, leafPrefixAt(bounds, index), leaf)
      areNamed &&= isNamed
      const time = isNamed ? this.#entry(parts, index) : null
      if (time === null) this.add(index, 'CHAIN_ENTRY_DAMAGED', 'was changed')
      times.push(time)
    }
    // Where an entry is already named, the root cannot but differ; where the header is not the signed
    // one, its root says nothing.
    if (header !== null && areNamed && !equalBytes(rootOfHashes(leaves), header.root)) {
      const only = count === 1 ? 0 : null
      this.add(only, 'CHAIN_ROOT_WRONG', 'does not add up to the Merkle root that was signed')
    }
    this.#times(times, header)
    return times[0] ?? null
  }

  /** The time of an entry, with the problems of its payload noted; null where it is no entry. */
  #entry({ record, bounds, payloads }: Parts, index: number): Hlc | null {
    const at = 2 * index
    const from = bounds.entries[at] ?? 0
    const plain = plainEntry(record, from, bounds.entries[at + 1])
    const row = (): Row => rowAt(record, bounds, index)
    const entry = plain === null ? slowEntry(row().entry) : null
    if (plain === null && entry === null) return null
    const kindOf = (kind: Buffer): boolean =>
      plain === null || isKind(kind, record, plain.kindAt, plain.kindEnd)
    if (kindOf(REDACTED_BYTES)) this.#redaction(row(), index)
    if (kindOf(ROTATION_BYTES)) this.#rotation(row(), index)
    const found = { bytes: payloads, at: index * HASH_BYTES, length: HASH_BYTES }
    const isNamed =
      plain === null
        ? entry !== null && isAt(entry.payloadHash, 0, found)
        : isAt(record, plain.hashAt, found)
    const slotAt = bounds.payloads[at] ?? 0
    const slotEnd = bounds.payloads[at + 1] ?? 0
    if (slotAt === slotEnd) {
      this.add(index, 'CHAIN_PAYLOAD_MISSING', 'has lost its payload')
    } else if (!isNamed) {
      this.add(index, 'CHAIN_PAYLOAD_DAMAGED', 'has a payload that was changed')
    } else if (!isCanonical(record, slotAt, slotEnd)) {
      this.add(index, 'CHAIN_PAYLOAD_DAMAGED', 'has a payload that is not canonical CBOR')
    }
    return plain === null ? (entry?.time ?? null) : { ms: plain.ms, counter: plain.counter }
  }

  #redaction(row: Row, index: number): void {
    const entry = slowEntry(row.entry)
    const target = entry === null ? null : redactionTarget(entry.kind, entry.subject)
    if (target !== null) this.redactions.push({ index, target })
  }

  #rotation(row: Row, index: number): void {
    if (slowEntry(row.entry)?.kind !== ROTATION_KIND) return
    const place = { index, rotation: rotationIn(row.payload) }
    this.rotations.push(place)
    const { height, count } = this.#head
    const problem = rotationProblem(place, { lane: this.#lane, height, count })
    if (problem !== null) this.add(index, 'CHAIN_ROTATION_INVALID', problem)
  }

  #times(times: readonly (Hlc | null)[], header: Header | null): void {
    for (const [index, time] of times.entries()) {
      const before = index === 0 ? null : (times[index - 1] ?? null)
      if (time !== null && before !== null && compareHlc(time, before) <= 0) {
        this.add(index, 'CHAIN_TIME_BACKWARDS', 'is not later than the entry before it')
      }
    }
    const last = times.at(-1) ?? null
    if (header !== null && last !== null && compareHlc(last, header.time) !== 0) {
      this.add(null, 'CHAIN_TIME_WRONG', 'does not carry the time of its last entry')
    }
  }
}

function slowEntry(bytes: Uint8Array): Entry | null {
  try {
    return decodeEntry(bytes)
  } catch (error) {
    if (error instanceof FormatError) return null
    throw error
  }
}

const REDACTED_BYTES = Buffer.from(REDACTED_KIND, 'latin1')

const ROTATION_BYTES = Buffer.from(ROTATION_KIND, 'latin1')

function isKind(kind: Buffer, entry: Uint8Array, at: number, end: number): boolean {
  if (end - at !== kind.length) return false
  return kind.every((byte, index) => entry[at + index] === byte)
}

/** Whether the named bytes of a hash stand in `bytes` at `at`. */
function isAt(
  bytes: Uint8Array,
  at: number,
  hash: { readonly bytes: Uint8Array; readonly at: number; readonly length: number }
): boolean {
  for (let index = 0; index < hash.length; index += 1) {
    if (bytes[at + index] !== hash.bytes[hash.at + index]) return false
  }
  return true
}

function isCanonical(record: Uint8Array, slotAt: number, slotEnd: number): boolean {
  return slotEnd - slotAt > SALT_BYTES && isCanonicalCbor(record, slotAt + SALT_BYTES, slotEnd)
}
