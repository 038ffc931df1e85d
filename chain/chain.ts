// The chain of one node: its own lane, which it alone writes, and the lanes of the others, as far as they
// have been fetched.
//
// Invariants
//   C1. Only `append` writes the own lane, one block at a time.
//   C2. A head is announced only when its block is durable.
//   C3. After the disk failed under the own lane, nothing more is acknowledged until the next start.

import { equalBytes, readRotation } from '../core/index.ts'
import type { Logger, NodeId, Signer, WeaverError } from '../core/index.ts'
import { assembleBlock } from './block.ts'
import type { Tip } from './block.ts'
import { inlineChecker } from './check-batch.ts'
import { entryId, pendingEntry } from './entry.ts'
import type { EntryDraft, EntryRef, PendingEntry } from './entry.ts'
import { ChainQueryError, ChainStoppedError, InRepairError, LaneEndedError } from './errors.ts'
import { GroupCommit } from './group-commit.ts'
import type { CrossLink } from './header.ts'
import { HLC_ZERO, observe } from './hlc.ts'
import type { Hlc } from './hlc.ts'
import { freeLane, freePayloads } from './freeing.ts'
import { lacksPayloads } from './keeping.ts'
import type { Keeping } from './keeping.ts'
import type { AcceptOutcome, Lane } from './lane.ts'
import { Lanes } from './lanes.ts'
import type { ChainDeps, ChainOptions } from './lanes.ts'
import {
  CLOCK_AHEAD_MAX_MS,
  ENTRY_BYTES_USUAL,
  LANES_MAX,
  LINKS_PER_BLOCK_MAX,
  READ_BYTES_MAX,
  RECORDS_PER_BATCH_MAX,
  SERVE_READ_BYTES
} from './limits.ts'
import { entriesIn, readLog } from './log.ts'
import type { LogEntry, LogQuery } from './log.ts'
import { planWants } from './plan.ts'
import type { LaneHead, Want } from './plan.ts'
import type { RecordRun } from './ports.ts'
import { Proofs } from './proofs/proofs.ts'
import type { LaneCheckpoint } from './proofs/proofs.ts'
import { REDACTED_KIND } from './redaction-entry.ts'
import type { LaneRepair, RepairSource } from './repair.ts'
import { ROTATION_KIND } from './rotation-entry.ts'
import { joinedPieces } from './run.ts'
import { saltSource } from './salts.ts'
import type { SaltSource } from './salts.ts'
import { Upkeep } from './upkeep.ts'
import { verifyLanes } from './verify.ts'
import type { VerifyOptions, VerifyReport } from './verify.ts'

export type LaneState = 'ok' | 'behind' | 'ended' | 'forked' | 'truncated'

export interface LaneStatus {
  readonly lane: NodeId
  readonly isOwn: boolean
  readonly height: number
  readonly entries: number
  /** The hash of the last block; null for a lane of which nothing is held yet. */
  readonly head: Uint8Array | null
  /** What the lane's blocks take on this disk. */
  readonly bytes: number
  /**
   * `behind`: a peer says that there are more blocks than are held here. `ended`: its key has handed over to
   * `heir`, and the lane is whole.
   */
  readonly state: LaneState
  readonly heir: NodeId | null
  /** The newest that somebody cosigned, else the newest; null before the first. */
  readonly checkpoint: LaneCheckpoint | null
  /** How much of the lane this node was told to keep. */
  readonly keeping: Keeping
  /** By how much the last entry is ahead of this node's wall clock; 0 up to CLOCK_AHEAD_MAX_MS. */
  readonly clockAheadMs: number
}

/** Records to send to a peer, and the height to ask for next. */
export interface ServedRecords {
  readonly records: readonly Uint8Array[]
  readonly next: number
}

/**
 * Opens the lanes of a home, recovering what a crash left.
 * @throws LaneTruncatedError `CHAIN_LANE_TRUNCATED`, LaneReplacedError `CHAIN_LANE_REPLACED`,
 * LaneDamagedError `CHAIN_LANE_DAMAGED`: the own lane has lost what it acknowledged
 */
export async function openChain(deps: ChainDeps, options: ChainOptions): Promise<Chain> {
  const lanes = new Lanes(deps, options)
  try {
    const own = await lanes.openAll()
    const upkeep = await Upkeep.open(deps, options, { lanes, own })
    const proofs = await Proofs.open({
      ...deps,
      lanes,
      isRepair: options.isRepair === true,
      hasMlDsa: options.isRepeatable !== true
    })
    return new Chain(deps, { lanes, own, proofs, upkeep })
  } catch (error) {
    await lanes.close()
    throw error
  }
}

interface ChainParts {
  readonly lanes: Lanes
  readonly own: Lane
  readonly proofs: Proofs
  readonly upkeep: Upkeep
}

export class Chain {
  /** Redactions and repair. */
  readonly upkeep: Upkeep
  /** Checkpoints, cosignatures, proofs, exports, evidence. */
  readonly proofs: Proofs
  readonly #deps: ChainDeps
  readonly #log: Logger
  readonly #signer: Signer
  readonly #lanes: Lanes
  readonly #own: Lane
  readonly #salts: SaltSource
  readonly #queue: GroupCommit
  readonly #listeners = new Set<(head: LaneHead) => void>()
  readonly #stopping = new AbortController()
  /** The height of each other lane that the own lane has last linked to. */
  readonly #linked = new Map<NodeId, number>()
  /** The greatest height that any peer has claimed for a lane. */
  readonly #claims = new Map<NodeId, number>()
  #clock: Hlc = HLC_ZERO
  #stopped: Promise<void> | null = null

  constructor(deps: ChainDeps, parts: ChainParts) {
    this.proofs = parts.proofs
    this.upkeep = parts.upkeep
    this.#deps = deps
    this.#log = deps.log
    this.#signer = deps.signer
    this.#lanes = parts.lanes
    this.#own = parts.own
    this.#salts = saltSource(deps.signer)
    this.#queue = new GroupCommit({
      lane: deps.signer.nodeId,
      commit: (entries) => this.#commit(entries)
    })
    for (const lane of parts.lanes.all()) this.#observe(lane.store.tip)
    parts.lanes.onAdvance = (lane, tip) => this.#advanced(lane, tip)
  }

  /**
   * Records the drafts together in one block of the own lane. Durable once resolved. Calls may overlap and
   * keep their order. An abort withdraws drafts that still wait; those in a block that is being written
   * are recorded all the same.
   * @throws WeaverError `CHAIN_DRAFT_INVALID`, `CHAIN_APPEND_TOO_LARGE`, `CHAIN_STOPPED`; nothing is
   * recorded and later calls may succeed: `CHAIN_QUEUE_FULL`, `CHAIN_DISK_FULL`; fatal: `CHAIN_LANE_FAILED`
   */
  append(drafts: readonly EntryDraft[], signal?: AbortSignal): Promise<readonly EntryRef[]> {
    try {
      const { failure } = this.#own.store
      if (failure !== null) return Promise.reject(failure)
      if (this.#own.isInRepair) return Promise.reject(new InRepairError(this.#own.store.lane))
      const { heir } = this.#own
      if (heir !== null) return Promise.reject(new LaneEndedError(this.#own.store.lane, heir))
      const entries = drafts.map(pendingEntry)
      const append = (): Promise<readonly EntryRef[]> => this.#queue.append(entries, signal)
      return entries.some(isRedaction) ? this.upkeep.redact(entries, append) : append()
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** The last durable block of every lane that has one. */
  heads(): readonly LaneHead[] {
    return this.#lanes.all().flatMap((lane) => lane.head ?? [])
  }

  /** Tells of every new head, own and fetched, once it is durable (C2). Returns the way to stop listening. */
  onAdvance(listener: (head: LaneHead) => void): () => void {
    const own = (head: LaneHead): void => listener(head) // So that one function may listen twice.
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  /** Stored records from a height on: at least one if it is held and sound, and then up to `bytesMax`. */
  async read(
    lane: NodeId,
    fromHeight: number,
    bytesMax: number,
    toHeight: number = Number.MAX_SAFE_INTEGER
  ): Promise<ServedRecords> {
    const records: Uint8Array[] = []
    let next = fromHeight
    let bytesLeft = Math.min(bytesMax, READ_BYTES_MAX)
    const store = this.#lanes.get(lane)?.store
    if (store === undefined || !Number.isSafeInteger(fromHeight) || fromHeight < 1) {
      return { records, next }
    }
    if (fromHeight > store.tip.height) return { records, next }
    for await (const item of store.scan(fromHeight, SERVE_READ_BYTES)) {
      if (item.kind === 'damage') continue // What follows it is not the next height, and ends the answer.
      bytesLeft -= item.bytes.length
      if (item.head.height !== next || records.length === RECORDS_PER_BATCH_MAX) break
      if (next > toHeight) break
      if (bytesLeft < 0 && records.length > 0) break
      records.push(item.bytes)
      next += 1
    }
    return { records, next }
  }

  /**
   * The same as the bytes that lie on disk, piece by piece: whole records, one behind another, as long as the
   * heights follow one another up to `toHeight`. `next` is the height behind the piece. Views, not copies.
   */
  async *pieces(
    lane: NodeId,
    fromHeight: number,
    toHeight: number
  ): AsyncGenerator<{ readonly bytes: Uint8Array; readonly next: number }> {
    const store = this.#lanes.get(lane)?.store
    if (store === undefined || !Number.isSafeInteger(fromHeight) || fromHeight < 1) return
    if (fromHeight > store.tip.height) return
    yield* joinedPieces(store.scan(fromHeight, SERVE_READ_BYTES), fromHeight, toHeight)
  }

  /**
   * Verifies records that a peer sent and stores those that follow the lane's head. Durable once resolved.
   * Idempotent; calls may overlap. Bad bytes are an outcome, never an error. Whether `lane` is a
   * member's is for the caller to know.
   * @throws WeaverError `CHAIN_DISK_FULL`, `CHAIN_LANE_FAILED`, `CHAIN_STOPPED`
   */
  async accept(lane: NodeId, records: readonly Uint8Array[]): Promise<AcceptOutcome> {
    if (this.#stopped !== null) throw new ChainStoppedError()
    return this.#lanes.accept(lane, records)
  }

  /** The same for records that came as a run, whose bytes it takes over. Many may be under way at once. */
  async acceptRun(lane: NodeId, run: RecordRun): Promise<AcceptOutcome> {
    if (this.#stopped !== null) throw new ChainStoppedError()
    return this.#lanes.acceptRun(lane, run)
  }

  /** About so many entries of other lanes are to come: what checks them may get ready. */
  expect(entries: number): void {
    this.#deps.checker?.expect(entries * ENTRY_BYTES_USUAL)
  }

  /** Whether a lane has one history, as far as anybody has shown: else its entries count for nothing. */
  isBelieved(lane: NodeId): boolean {
    const isForked = (this.#lanes.get(lane)?.forkHeight ?? null) !== null
    return !isForked && this.proofs.stateOf(lane) === null
  }

  /** Whether a peer's head is another block than the one held at its height. */
  async contradicts({ lane, height, hash }: Omit<LaneHead, 'entries'>): Promise<boolean> {
    const store = this.#lanes.get(lane)?.store
    if (store === undefined || height < 1 || height > store.tip.height) return false
    const held = await store.hashAt(height)
    return held !== null && !equalBytes(held, hash)
  }

  /** What to fetch from a peer that has these heads; remembers its claims for `status`. */
  plan(remoteHeads: readonly Pick<LaneHead, 'lane' | 'height'>[]): readonly Want[] {
    for (const { lane, height } of remoteHeads) {
      if (this.#claims.size >= LANES_MAX && !this.#claims.has(lane)) continue
      if (height > (this.#claims.get(lane) ?? 0)) this.#claims.set(lane, height)
    }
    return planWants(this.#signer.nodeId, this.heads(), remoteHeads)
  }

  /** Own lane first, then by node id. */
  status(): readonly LaneStatus[] {
    const held = this.#lanes.all().map((lane) => this.#statusOf(lane))
    const lacking = [...this.#claims.keys()].filter((id) => this.#lanes.get(id) === undefined)
    for (const lane of lacking) {
      const nothing = { height: 0, entries: 0, head: null, bytes: 0 }
      held.push({
        lane,
        isOwn: false,
        ...nothing,
        state: 'behind',
        heir: null,
        keeping: this.#lanes.keeping(lane),
        checkpoint: this.proofs.latest(lane),
        clockAheadMs: 0
      })
    }
    return held.toSorted((a, b) => Number(b.isOwn) - Number(a.isOwn) || (a.lane < b.lane ? -1 : 1))
  }

  /**
   * Reads back and checks every byte of every lane, or of one, up to the heads of now.
   * @throws ChainQueryError `CHAIN_QUERY_INVALID` for a lane that is not held; `signal.reason`
   */
  verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    try {
      const { redactor } = this.upkeep
      const isRedacted = redactor.isRedacted.bind(redactor)
      const chosen = this.#chosen(options.lane)
      const { disk, clock, signer, checker = inlineChecker } = this.#deps
      const { predecessorOf, byId } = this.#lanes
      const parts = { lanes: byId, disk, clock, signer, checker, isRedacted, predecessorOf }
      const deps = {
        ...parts,
        lacksPayloads: (lane: NodeId) => this.lacksPayloads(lane),
        proven: (lane: NodeId) => this.proofs.proven(lane)
      }
      return verifyLanes(deps, chosen, options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Puts right what of the lanes, or of one, is damaged and others still hold.
   * @throws ChainQueryError `CHAIN_QUERY_INVALID`; DiskFullError, LaneFailedError
   */
  async repair(
    source: RepairSource,
    options: { readonly lane?: NodeId; readonly signal?: AbortSignal } = {}
  ): Promise<readonly LaneRepair[]> {
    return this.upkeep.repair(this.#chosen(options.lane), source, options.signal)
  }

  /** How much of a lane this node was told to keep. */
  keeping(lane: NodeId): Keeping {
    return this.#lanes.keeping(lane)
  }

  /** Whether payloads of this lane may be absent here because this node was told not to keep them. */
  lacksPayloads(lane: NodeId): boolean {
    return lacksPayloads(this.#lanes.keeping(lane))
  }

  /**
   * Gives back the room of what is held of a lane beyond what this node is told to keep of it. Durable once
   * resolved, to the bytes that are free again; a crash leaves less to do for the next call.
   * @throws DiskFullError, DiskFailedError, LaneFailedError
   */
  async free(lane: NodeId): Promise<number> {
    const keeping = this.#lanes.keeping(lane)
    if (keeping === 'whole' || keeping === 'filling') return 0
    const isAccused = (id: NodeId): boolean => this.proofs.stateOf(id) !== null
    const deps = { disk: this.#deps.disk, lanes: this.#lanes, isAccused }
    if (keeping === 'headers') return freePayloads(deps, lane)
    const freed = await freeLane(deps, lane)
    if (this.#lanes.get(lane) === undefined) this.proofs.forgetTree(lane)
    return freed
  }

  /** @throws ChainQueryError `CHAIN_QUERY_INVALID` */
  #chosen(id: NodeId | undefined): readonly Lane[] {
    const chosen = this.#lanes.all().filter(({ store }) => id === undefined || store.lane === id)
    if (id === undefined || chosen.length > 0) return chosen
    throw new ChainQueryError(`Cannot check lane ${id}: nothing of it is held here`)
  }

  /** Entries in the order of their clocks, and with `follow` as they arrive. */
  log(query: LogQuery = {}): AsyncGenerator<LogEntry> {
    const deps = {
      log: this.#log,
      lanes: () => this.#lanes.all(),
      onAdvance: (listener: () => void) => this.onAdvance(listener),
      stopping: this.#stopping.signal
    }
    return readLog(deps, query)
  }

  /**
   * One entry by its id, or null when it is not held.
   * @throws ChainQueryError `CHAIN_QUERY_INVALID`; FormatError `CHAIN_FORMAT_INVALID`: its block is damaged
   */
  async entry(id: string): Promise<LogEntry | null> {
    const ref = entryId(id)
    const record = (await this.#lanes.get(ref.lane)?.store.record(ref.height)) ?? null
    return record === null ? null : (entriesIn(ref.lane, record)[ref.index] ?? null)
  }

  /** The key that took over from this node's: its lane has ended. Null while it goes on. */
  heir(): NodeId | null {
    return this.#own.heir
  }

  /** Why the own lane cannot be written any more (C3), or null. */
  failure(): WeaverError | null {
    return this.#own.store.failure
  }

  /** Finishes what was accepted, writes the head files and closes. Idempotent. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stopNow()
    return this.#stopped
  }

  async #stopNow(): Promise<void> {
    await this.#queue.stop()
    this.#stopping.abort()
    await this.upkeep.redactor.settle()
    await this.#lanes.close()
    this.#listeners.clear()
  }

  async #commit(entries: readonly PendingEntry[]): Promise<number> {
    const { tip } = this.#own.store
    const links = this.#crossLinks()
    const block = assembleBlock(this.#signer, {
      tip,
      clock: this.#clock,
      wall: this.#deps.clock.wall(),
      entries,
      links,
      salts: this.#salts(tip.height + 1, entries.length)
    })
    const records = [{ height: block.tip.height, offset: 0 }]
    await this.#own.store.append({ parts: [block.record], records, tip: block.tip })
    // From here the block is durable.
    const rotation = entries.findLast(({ kind }) => kind === ROTATION_KIND)
    const heir = rotation === undefined ? null : readRotation(rotation.payload)
    if (heir?.from === this.#signer.nodeId) this.#own.endWith(heir.to)
    for (const { lane, height } of links) {
      this.#linked.delete(lane)
      this.#linked.set(lane, height)
    }
    this.#lanes.noteHead(this.#own)
    this.#advanced(this.#own, block.tip)
    return block.tip.height
  }

  /** The heads that have moved since they were last linked, those waiting longest first. */
  #crossLinks(): readonly CrossLink[] {
    const moved: CrossLink[] = []
    for (const lane of this.#lanes.all()) {
      const { tip } = lane.store
      const id = lane.store.lane
      if (lane.isOwn || tip.height <= (this.#linked.get(id) ?? 0)) continue
      moved.push({ lane: id, height: tip.height, hash: tip.hash })
    }
    if (moved.length <= LINKS_PER_BLOCK_MAX) return moved
    const order = [...this.#linked.keys()] // Re-inserted at each link: the first was linked longest ago.
    const rank = new Map(order.map((id, index) => [id, index]))
    moved.sort((a, b) => (rank.get(a.lane) ?? -1) - (rank.get(b.lane) ?? -1))
    return moved.slice(0, LINKS_PER_BLOCK_MAX)
  }

  #advanced(lane: Lane, tip: Tip): void {
    this.#observe(tip)
    const { head } = lane
    if (head === null) return
    for (const listener of this.#listeners) {
      try {
        listener(head)
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        this.#log.error('A listener of the chain failed', { reason })
      }
    }
  }

  #observe(tip: Tip): void {
    this.#clock = observe(this.#clock, tip.time, this.#deps.clock.wall())
  }

  #statusOf(lane: Lane): LaneStatus {
    const { store, isOwn, forkHeight, isTruncated, heir } = lane
    const { height, entries, hash } = store.tip
    const claimed = this.#claims.get(store.lane) ?? 0
    const proven = this.proofs.stateOf(store.lane)
    let state: LaneState = 'ok'
    if (proven !== null) state = proven
    else if (forkHeight !== null) state = 'forked'
    else if (isTruncated) state = 'truncated'
    else if (heir !== null) state = 'ended'
    else if (!isOwn && claimed > height) state = 'behind'
    const head = height === 0 ? null : hash
    const ahead = store.tip.time.ms - this.#deps.clock.wall()
    const clockAheadMs = ahead > CLOCK_AHEAD_MAX_MS ? ahead : 0
    const checkpoint = this.proofs.latest(store.lane)
    const place = { lane: store.lane, isOwn, height, entries, head, heir, bytes: store.bytes }
    const keeping = this.#lanes.keeping(store.lane)
    return { ...place, state, keeping, checkpoint, clockAheadMs }
  }
}

function isRedaction({ kind }: PendingEntry): boolean {
  return kind === REDACTED_KIND
}
