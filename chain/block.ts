// Assembling and checking blocks. Pure: no disk, no clock; whoever calls passes the time in.
//
// Invariants
//   B1. A block names the hash of the block before it, and its height is one more.
//   B2. Times grow strictly from entry to entry along a lane.
//   B3. The same tip, entries, time, links and key always make the same bytes.

import { equalBytes, HASH_BYTES } from '../core/index.ts'
import type { NodeId, Signer, UnixMillis } from '../core/index.ts'
import { encodeEntry } from './entry.ts'
import type { PendingEntry } from './entry.ts'
import { BLOCK_SIGNATURE_DOMAIN, blockHash, hashAll, leafHashes, payload } from './hashes.ts'
import { encodeHeader, NO_HASH } from './header.ts'
import type { CrossLink, Header } from './header.ts'
import { compareHlc, HLC_ZERO, tick } from './hlc.ts'
import type { Hlc } from './hlc.ts'
import { SALT_BYTES } from './limits.ts'
import { merkleRoot } from './merkle.ts'
import { encodeRecord } from './record.ts'

/** The end of a lane: all that the next block must agree with. */
export interface Tip {
  readonly height: number
  readonly hash: Uint8Array
  /** Entries in the whole lane so far. */
  readonly entries: number
  readonly time: Hlc
}

export const EMPTY_TIP: Tip = { height: 0, hash: NO_HASH, entries: 0, time: HLC_ZERO }

export interface NewBlock {
  readonly tip: Tip
  readonly record: Uint8Array
}

export interface BlockInput {
  readonly tip: Tip
  /** The node's clock, which may be ahead of the tip's time when other lanes have been seen. */
  readonly clock: Hlc
  readonly wall: UnixMillis
  readonly entries: readonly PendingEntry[]
  readonly links: readonly CrossLink[]
  readonly salts: Uint8Array
}

/** The next block of the signer's own lane (B1, B2, B3). `salts` holds SALT_BYTES for each entry. */
export function assembleBlock(signer: Signer, input: BlockInput): NewBlock {
  const { tip } = input
  let time = compareHlc(tip.time, input.clock) > 0 ? tip.time : input.clock
  const slots = slotsOf(input)
  const hashes = hashAll(slots.map(([salt, bytes]) => payload(salt, bytes)))
  const entries = input.entries.map(({ kind, actor, subject }, index) => {
    time = tick(time, input.wall)
    return encodeEntry({ kind, actor, subject, time, payloadHash: hashes[index] ?? NO_HASH })
  })
  const leaves = leafHashes(entries)
  const height = tip.height + 1
  const header = encodeHeader({
    lane: signer.nodeId,
    height,
    previous: tip.hash,
    entriesBefore: tip.entries,
    count: entries.length,
    root: merkleRoot(leaves),
    time,
    links: input.links
  })
  const signature = signer.sign(BLOCK_SIGNATURE_DOMAIN, header)
  const parts = { height, header, signature, leaves, entries, slots: slots.flat() }
  const record = encodeRecord(parts)
  const next = { height, hash: blockHash(header), entries: tip.entries + entries.length, time }
  return { tip: next, record }
}

/** Salt and payload of each entry. */
function slotsOf({ entries, salts }: BlockInput): readonly (readonly [Uint8Array, Uint8Array])[] {
  return entries.map((entry, index) => {
    return [salts.subarray(index * SALT_BYTES, (index + 1) * SALT_BYTES), entry.payload]
  })
}

/** What is wrong with a stored or received block. `entry` is null where it is the block as a whole. */
export interface Problem {
  readonly lane: NodeId
  readonly height: number
  readonly entry: number | null
  readonly code: string
  readonly message: string
}

/** A block whose header could be read and carries its lane's signature. */
export interface SignedBlock {
  readonly header: Header
  readonly hash: Uint8Array
  /** The time of the first entry, or null where that entry could not be read. */
  readonly firstTime: Hlc | null
}

/** The tip of a lane that ends with this block. */
export function tipOf({ header, hash }: Omit<SignedBlock, 'firstTime'>): Tip {
  const entries = header.entriesBefore + header.count
  return { height: header.height, hash, entries, time: header.time }
}

/** Whether `block` follows `tip` (B1, B2): what only two blocks together can show. */
export function checkLink(tip: Tip, { header, firstTime }: SignedBlock): readonly Problem[] {
  const { lane, height } = header
  const problems: Problem[] = []
  const add = (entry: number | null, code: string, message: string): void => {
    problems.push({ lane, height, entry, code, message })
  }
  if (header.previous.length !== HASH_BYTES || !equalBytes(header.previous, tip.hash)) {
    add(null, 'CHAIN_LINK_BROKEN', `Block ${height} does not name the block before it`)
  }
  if (header.entriesBefore !== tip.entries) {
    add(null, 'CHAIN_COUNT_WRONG', `Block ${height} miscounts the entries before it`)
  }
  if (firstTime !== null && compareHlc(firstTime, tip.time) <= 0) {
    add(0, 'CHAIN_TIME_BACKWARDS', `Block ${height} starts before the time of the block before it`)
  }
  return problems
}
