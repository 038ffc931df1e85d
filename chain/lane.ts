// One lane of another node, as this node keeps it: takes verified blocks, remembers contradictions.
//
// Invariants
//   A1. A block is stored only if everything in it checks out and it follows the stored tip.
//   A2. A stored block is never replaced. A second signed version of a height, or a signed block that
//       names another predecessor, is refused and kept beside the lane as proof, across restarts.
//   A4. Behind the block in which the lane's key hands over nothing is stored, and the lane of the new key
//       is stored only where it begins with that word of both.
//   A3. Blocks are verified and written in the order of the calls; calls for one lane do not overlap.

import { concatBytes, equalBytes } from '../core/index.ts'
import type { Logger, NodeId } from '../core/index.ts'
import { AcceptQueue } from './accept-queue.ts'
import { checkLink, tipOf } from './block.ts'
import type { SignedBlock, Tip } from './block.ts'
import { checkRecord, signedHeader } from './check.ts'
import type { BlockCheck, RedactionPlace } from './check.ts'
import { LaneTruncatedError } from './errors.ts'
import { blockHash } from './hashes.ts'
import {
  ACCEPT_WRITE_BYTES,
  CHECK_AHEAD_BYTES,
  RECORD_BYTES_MAX,
  RECORDS_PER_BATCH_MAX
} from './limits.ts'
import type { LaneStore } from './lane-store.ts'
import type { LaneHead } from './plan.ts'
import type { CheckedRun, LaneDisk, RecordChecker, RecordRun } from './ports.ts'
import { headerBytesOf, parseFrameHead } from './record.ts'
import { structureOf } from './redact.ts'
import { recordsIn, runOf } from './run.ts'
import { forkName } from './segment.ts'

/** What became of the records that were offered. `head` is the lane's stored head afterwards. */
export type AcceptOutcome =
  | { readonly kind: 'extended'; readonly head: LaneHead; readonly blocks: number }
  | { readonly kind: 'known'; readonly head: LaneHead | null }
  /** Blocks from `need` on are missing before the first that could not be used. */
  | { readonly kind: 'gap'; readonly head: LaneHead | null; readonly need: number }
  | {
      readonly kind: 'refused'
      readonly head: LaneHead | null
      /** `CHAIN_LANE_FORKED`, or the code of the first problem. */
      readonly code: string
      readonly height: number | null
      readonly message: string
    }

/** The first record of a batch that stopped it. */
type Stop = Extract<AcceptOutcome, { readonly kind: 'gap' | 'refused' }>

export interface LaneDeps {
  readonly disk: LaneDisk
  readonly log: Logger
  readonly store: LaneStore
  readonly onAdvance: (tip: Tip) => void
  /** Told of redactions before the blocks that carry them are stored (X1 of redactions.ts). */
  readonly onRedactions: (lane: NodeId, places: readonly FoundRedaction[]) => Promise<void>
  /** Checks many records, perhaps on other cores. */
  readonly checker: RecordChecker
  /** The key whose place the lane's owner took, as its mesh knows it: then its first block must say so. */
  readonly predecessorOf: (lane: NodeId) => NodeId | null
  /** The record as it may be stored: without the payloads that have been redacted. */
  readonly storable: (lane: NodeId, height: number, record: Uint8Array) => Uint8Array
}

/** A `chain.redacted` entry at `height` of the lane at hand. */
export interface FoundRedaction extends RedactionPlace {
  readonly height: number
}

interface Fresh {
  readonly record: Uint8Array
  readonly tip: Tip
  readonly redactions: readonly FoundRedaction[]
  readonly heir: NodeId | null
}

type Verdict =
  | {
      readonly kind: 'next'
      readonly block: SignedBlock
      readonly redactions: readonly RedactionPlace[]
      /** The key that goes on where this block ends the lane. */
      readonly heir: NodeId | null
    }
  | { readonly kind: 'known' }
  | { readonly kind: 'stop'; readonly stop: Stop }

export class Lane {
  readonly store: LaneStore
  readonly isOwn: boolean
  readonly #deps: LaneDeps
  #forkHeight: number | null
  /** The owner's key has signed blocks of the own lane that are not on this disk. */
  #isOutrun = false
  /** The own lane takes its blocks back from others, and nothing is appended to it. */
  #isInRepair: boolean
  /** The key that took over from the lane's, behind whose last block nothing may stand. */
  #heir: NodeId | null
  #turn: Promise<unknown> = Promise.resolve()
  readonly #queue: AcceptQueue

  constructor(
    deps: LaneDeps,
    options: {
      isOwn: boolean
      forkHeight: number | null
      isInRepair?: boolean
      heir?: NodeId | null
    }
  ) {
    this.store = deps.store
    this.isOwn = options.isOwn
    this.#deps = deps
    this.#queue = new AcceptQueue({ store: deps.store, onWritten: deps.onAdvance })
    this.#forkHeight = options.forkHeight
    this.#isInRepair = options.isInRepair ?? false
    this.#heir = options.heir ?? null
  }

  get isInRepair(): boolean {
    return this.#isInRepair
  }

  /** From now on the own lane is written by this node again. */
  endRepair(): void {
    this.#isInRepair = false
  }

  /** The key that took over from the lane's: the lane is complete. Null while it goes on. */
  get heir(): NodeId | null {
    return this.#heir
  }

  /** The own lane ends with the block that is durable now. */
  endWith(heir: NodeId): void {
    this.#heir = heir
  }

  /** The height of which two signed versions have been seen, or null. */
  get forkHeight(): number | null {
    return this.#forkHeight
  }

  get isTruncated(): boolean {
    const known = this.store.knownHead
    return this.#isOutrun || (known !== null && known.height > this.store.tip.height)
  }

  get head(): LaneHead | null {
    const { tip, lane } = this.store
    const { height, hash, entries } = tip
    return height === 0 ? null : { lane, height, hash, entries }
  }

  /** Never throws on bad bytes; throws what the disk throws. */
  accept(records: readonly Uint8Array[]): Promise<AcceptOutcome> {
    const offered = records.slice(0, RECORDS_PER_BATCH_MAX)
    const bytes = offered.reduce((sum, record) => sum + record.length, 0)
    const run = bytes < CHECK_AHEAD_BYTES ? null : runOf(offered)
    return run === null ? this.#inTurn(() => this.#acceptNow(offered)) : this.acceptRun(run)
  }

  /** The same for records that a run holds. Takes its bytes over. */
  acceptRun(run: RecordRun): Promise<AcceptOutcome> {
    const { lane } = this.store
    // Before its turn comes: bytes alone decide, and the run before may still be on its way to the disk.
    const checking = this.#deps.checker.checkRun({ lane, ...run })
    checking.catch(() => undefined) // Thrown in its turn.
    const turn = this.#turn.then(async () => {
      const checked = await checking
      const queued = this.#queued(run, checked)
      if (queued !== null) return { outcome: queued } // Wrapped: the next turn need not wait for the disk.
      await this.#queue.settled()
      const records = recordsIn({ bytes: checked.bytes, records: run.records })
      return { outcome: Promise.resolve(await this.#acceptNow(records)) }
    })
    this.#turn = turn.catch(() => undefined) // The caller has the failure; the next turn is its own.
    return turn.then(({ outcome }) => outcome)
  }

  /** Puts sound records in the place of what is held at their heights, in turn with accepts (A3). */
  mend(records: ReadonlyMap<number, Uint8Array>): Promise<void> {
    return this.#inTurn(() => this.store.mend(records))
  }

  /** Puts what `change` makes of it in the place of each record held, in turn with accepts (A3). */
  rewrite(change: (record: Uint8Array) => Uint8Array): Promise<void> {
    const turn = this.#turn.then(() => this.store.rewrite(change))
    this.#turn = turn.catch(() => undefined) // The caller has the failure.
    return turn
  }

  /** The record as this node may store it. */
  storable(height: number, record: Uint8Array): Uint8Array {
    return this.#deps.storable(this.store.lane, height, record)
  }

  /** Resolves when no accept is under way. */
  async settle(): Promise<void> {
    await this.#turn
    await this.#queue.settled()
  }

  /** After all accepts before it, durable or failed. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(async () => {
      await this.#queue.settled()
      return work()
    })
    this.#turn = turn.catch(() => undefined) // The caller has the failure; the next turn is its own.
    return turn
  }

  /**
   * What becomes of a run that can be stored as it is, right behind what is stored or on its way there. Null
   * where there is more to it: then each of its records is judged by itself.
   */
  #queued(run: RecordRun, { bytes, plain }: CheckedRun): Promise<AcceptOutcome> | null {
    if (plain === null || this.isOwn || this.#heir !== null) return null
    const { lane } = this.store
    const { tip } = this.#queue
    const { first } = plain
    const isNext = first.header.height === tip.height + 1 && checkLink(tip, first).length === 0
    // A lane that has lost its end grows back under the eyes of #checkKnown.
    const isBehind = (this.store.knownHead?.height ?? 0) > tip.height
    const hasForerunner = tip.height === 0 && this.#deps.predecessorOf(lane) !== null
    if (!isNext || isBehind || hasForerunner || !this.#areStorable({ ...run, bytes })) return null
    let offset = 0
    const records = run.records.map(({ height, size }) => {
      const place = { height, offset }
      offset += size
      return place
    })
    const written = this.#queue.push({ parts: [bytes], records, tip: plain.tip })
    return written.then(() => {
      const { height, hash, entries } = plain.tip
      const head = { lane, height, hash, entries }
      return { kind: 'extended', head, blocks: records.length }
    })
  }

  /** Whether none of them holds a payload that has been taken back. */
  #areStorable(run: RecordRun): boolean {
    const { lane } = this.store
    return recordsIn(run).every((record, index) => {
      return this.#deps.storable(lane, run.records[index]?.height ?? 0, record) === record
    })
  }

  async #acceptNow(offered: readonly Uint8Array[]): Promise<AcceptOutcome> {
    const startHeight = this.store.tip.height
    let fresh: Fresh[] = []
    let bytes = 0
    let stop: Stop | null = null
    for (const record of offered) {
      const verdict = await this.#judge(record, fresh)
      if (verdict.kind === 'stop') {
        stop = verdict.stop
        break
      }
      if (verdict.kind === 'known') continue
      const { height } = verdict.block.header
      const redactions = verdict.redactions.map((place) => ({ ...place, height }))
      const { heir } = verdict
      fresh.push({
        record: this.storable(height, record),
        tip: tipOf(verdict.block),
        redactions,
        heir
      })
      bytes += record.length
      if (bytes < ACCEPT_WRITE_BYTES) continue
      await this.#write(fresh)
      fresh = []
      bytes = 0
    }
    if (fresh.length > 0) await this.#write(fresh)
    const head = this.head
    if (stop !== null) return { ...stop, head }
    const blocks = this.store.tip.height - startHeight
    return blocks > 0 && head !== null
      ? { kind: 'extended', head, blocks }
      : { kind: 'known', head }
  }

  async #judge(record: Uint8Array, fresh: readonly Fresh[]): Promise<Verdict> {
    const tip = fresh.at(-1)?.tip ?? this.store.tip
    const head = parseFrameHead(record)
    if (head === null)
      return this.#refuse('CHAIN_FRAME_DAMAGED', null, 'A record has no valid frame')
    const { height } = head
    if (height > tip.height + 1 && (!this.isOwn || this.#isInRepair)) {
      return { kind: 'stop', stop: { kind: 'gap', head: null, need: tip.height + 1 } }
    }
    const check = checkRecord(this.store.lane, record, height)
    const { block, problems } = structureOf(check)
    const [first] = problems
    if (block === null || first !== undefined) {
      const { code, message } = first ?? {
        code: 'CHAIN_HEADER_DAMAGED',
        message: 'No signed header'
      }
      return this.#refuse(code, height, message)
    }
    if (height <= tip.height) return this.#compare(record, block, fresh)
    if (this.isOwn && !this.#isInRepair) return this.#outrun(block)
    const [broken] = checkLink(tip, block)
    if (broken === undefined) return this.#inLine(block, check, fresh)
    if (broken.code !== 'CHAIN_LINK_BROKEN')
      return this.#refuse(broken.code, height, broken.message)
    return this.#fork(record, height)
  }

  /** A change of key stands where it must, and nothing stands behind the one that ends the lane (A4). */
  #inLine(block: SignedBlock, check: BlockCheck, fresh: readonly Fresh[]): Verdict {
    const { store } = this
    const { height } = block.header
    const ended = fresh.length === 0 ? this.#heir : (fresh.at(-1)?.heir ?? null)
    if (ended !== null) {
      const message = `Block ${height} stands behind the last one of a key that has handed over`
      return this.#refuse('CHAIN_LANE_ENDED', height, message)
    }
    const before = height === 1 ? this.#deps.predecessorOf(store.lane) : null
    if (before !== null && !check.rotations.some(({ rotation }) => rotation?.from === before)) {
      const message = 'The lane of a new key does not begin with the word of the old one'
      return this.#refuse('CHAIN_ROTATION_MISSING', height, message)
    }
    const { redactions } = check
    return { kind: 'next', block, redactions, heir: heirIn(check, store.lane) }
  }

  /** A block at or below the tip: the stored one once more, or a contradiction (A2). */
  async #compare(
    record: Uint8Array,
    block: SignedBlock,
    fresh: readonly Fresh[]
  ): Promise<Verdict> {
    const { height } = block.header
    const pending = fresh.find((candidate) => candidate.tip.height === height)
    const ours = pending?.tip.hash ?? (await this.#storedHash(height))
    // Where our own copy is unreadable nothing can be said; `verify` reports the damage.
    if (ours === null || equalBytes(ours, block.hash)) return { kind: 'known' }
    return this.#fork(record, height)
  }

  /** The hash of the stored block, if its owner's signature still stands. */
  async #storedHash(height: number): Promise<Uint8Array | null> {
    const { store } = this
    const record = await store.record(height)
    const head = record === null ? null : parseFrameHead(record)
    if (record === null || head === null) return null
    const isSound = signedHeader(store.lane, record, head) !== null
    return isSound ? blockHash(headerBytesOf(record, head)) : null
  }

  async #fork(record: Uint8Array, height: number): Promise<Verdict> {
    const { lane } = this.store
    if (this.#forkHeight === null) {
      this.#deps.log.error('A lane has two versions of one height', { lane, height })
      await keepProof(this.#deps.disk, lane, record)
      this.#forkHeight = height
    }
    const message = `Block ${height} contradicts the stored lane, and both are signed by its owner`
    return this.#refuse('CHAIN_LANE_FORKED', height, message)
  }

  /** A block of the own lane above its tip: this disk has lost blocks, or a second node has our key. */
  async #outrun({ header, hash }: SignedBlock): Promise<Verdict> {
    const { lane } = this.store
    const { height } = header
    this.#isOutrun = true
    // The own key signed that block: going on from a shorter lane would make two versions of it.
    this.store.refuse(new LaneTruncatedError(lane, this.store.tip.height, height))
    await this.store.nameLost({ height, hash })
    this.#deps.log.error('A member holds blocks of this node that its disk does not', {
      lane,
      height
    })
    const message = `Block ${height} of this node's own lane is not on its disk`
    return this.#refuse('CHAIN_LANE_TRUNCATED', height, message)
  }

  #refuse(code: string, height: number | null, message: string): Verdict {
    const stop: Stop = { kind: 'refused', head: null, code, height, message }
    return { kind: 'stop', stop }
  }

  async #write(fresh: readonly Fresh[]): Promise<void> {
    const { store } = this
    let offset = 0
    const records = fresh.map(({ record, tip }) => {
      const place = { height: tip.height, offset }
      offset += record.length
      return place
    })
    const bytes = concatBytes(...fresh.map(({ record }) => record))
    const tip = fresh.at(-1)?.tip
    if (tip === undefined) return
    const redactions = fresh.flatMap((each) => each.redactions)
    if (redactions.length > 0) await this.#deps.onRedactions(store.lane, redactions)
    await store.append({ parts: [bytes], records, tip })
    this.#heir = fresh.at(-1)?.heir ?? this.#heir
    await this.#checkKnown(fresh)
    this.#deps.onAdvance(tip)
  }

  /** When a lane that had lost its tail has grown back: is it the same tail? */
  async #checkKnown(fresh: readonly Fresh[]): Promise<void> {
    const known = this.store.knownHead
    const same = fresh.find(({ tip }) => tip.height === known?.height)
    if (known === null || same === undefined || equalBytes(same.tip.hash, known.hash)) return
    await this.#fork(same.record, known.height)
  }
}

/** The key that takes over where a block ends its lane. */
export function heirIn({ rotations }: Pick<BlockCheck, 'rotations'>, lane: NodeId): NodeId | null {
  return rotations.find(({ rotation }) => rotation?.from === lane)?.rotation?.to ?? null
}

/** Keeps one record that contradicts the lane. Durable once resolved. */
export async function keepProof(disk: LaneDisk, lane: NodeId, record: Uint8Array): Promise<void> {
  const file = await disk.create(forkName(lane))
  try {
    await file.write(0, record)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** The height of the block that is kept as proof, or null when there is none that the owner signed. */
export async function proofHeight(disk: LaneDisk, lane: NodeId): Promise<number | null> {
  const file = await disk.open(forkName(lane))
  if (file === null) return null
  try {
    const record = await file.read(0, RECORD_BYTES_MAX)
    const head = parseFrameHead(record)
    return head === null ? null : (signedHeader(lane, record, head)?.height ?? null)
  } finally {
    await file.close()
  }
}
