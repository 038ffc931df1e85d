// All lanes of a home: opened at start, created when a first block of a new one arrives.

import type { Clock, Logger, NodeId, Signer } from '../core/index.ts'
import type { Tip } from './block.ts'
import { inlineChecker } from './check-batch.ts'
import { HeadKeeper } from './head-keeper.ts'
import type { Keeping } from './keeping.ts'
import { checkRecord } from './check.ts'
import { heirIn, keepProof, Lane, proofHeight } from './lane.ts'
import type { AcceptOutcome, FoundRedaction } from './lane.ts'
import { LaneStore } from './lane-store.ts'
import { LANES_MAX, SEGMENT_BYTES } from './limits.ts'
import type { LaneDisk, RecordChecker, RecordRun } from './ports.ts'
import { parseFrameHead } from './record.ts'
import { checkStructure } from './redact.ts'
import { groupByLane } from './segment.ts'
import type { LaneFiles } from './segment.ts'

export interface ChainDeps {
  readonly disk: LaneDisk
  readonly clock: Clock
  readonly signer: Signer
  readonly log: Logger
  /** Checks the records of large lanes; on the spot when absent. */
  readonly checker?: RecordChecker
}

export interface ChainOptions {
  /** A new file of a lane starts beyond this size: see SEGMENT_BYTES. */
  readonly segmentBytes?: number
  /** Opens the own lane also when it has lost blocks, to take them back from others: see `endRepair`. */
  readonly isRepair?: boolean
  /**
   * Signs nothing with fresh randomness, so that a simulation runs twice the same way: checkpoints lack
   * their ML-DSA line, whose signing node:crypto cannot make deterministic.
   */
  readonly isRepeatable?: boolean
  /** Whether the owner of a lane may take back payloads of another one; by default only of the own. */
  readonly mayRedact?: (redactor: NodeId, lane: NodeId) => boolean
  /** The key whose place a lane's owner took, as its mesh knows it; by default none. */
  readonly predecessorOf?: (lane: NodeId) => NodeId | null
  /** How much of the lane of another this node wants to keep; by default all. */
  readonly keeping?: (lane: NodeId) => Keeping
}

export class Lanes {
  readonly byId: Map<NodeId, Lane> = new Map()
  onAdvance: (lane: Lane, tip: Tip) => void = () => undefined
  onRedactions: (lane: NodeId, found: readonly FoundRedaction[]) => Promise<void> = async () =>
    undefined
  storable: (lane: NodeId, height: number, record: Uint8Array) => Uint8Array = (
    _lane,
    _height,
    record
  ) => record
  readonly #deps: ChainDeps
  readonly #segmentBytes: number
  readonly predecessorOf: (lane: NodeId) => NodeId | null
  readonly #keeping: (lane: NodeId) => Keeping
  readonly #isRepair: boolean
  readonly #keeper: HeadKeeper
  readonly #opening = new Map<NodeId, Promise<Lane>>()

  constructor(deps: ChainDeps, options: ChainOptions) {
    this.#deps = deps
    this.#segmentBytes = options.segmentBytes ?? SEGMENT_BYTES
    this.#isRepair = options.isRepair ?? false
    this.#keeping = options.keeping ?? (() => 'whole')
    this.predecessorOf = options.predecessorOf ?? (() => null)
    this.#keeper = new HeadKeeper(deps)
  }

  /** Opens what the disk holds, the own lane also when it is new. */
  async openAll(): Promise<Lane> {
    const found = groupByLane(await this.#deps.disk.list())
    // First, so that a home whose own lane has lost blocks is left as it is.
    const id = this.#deps.signer.nodeId
    const own = await this.#open(id, found.get(id))
    found.delete(id)
    for (const [lane, files] of found) await this.#open(lane, files)
    return own
  }

  get(id: NodeId): Lane | undefined {
    return this.byId.get(id)
  }

  all(): readonly Lane[] {
    return [...this.byId.values()]
  }

  /** Of the own lane everything is kept. */
  keeping(id: NodeId): Keeping {
    return id === this.#deps.signer.nodeId ? 'whole' : this.#keeping(id)
  }

  /** Takes a lane of another out of what is held, and closes it; its files are the caller's. */
  async release(lane: Lane): Promise<void> {
    this.byId.delete(lane.store.lane)
    await lane.settle()
    lane.store.retire()
    await lane.store.close()
  }

  noteHead(lane: Lane): void {
    this.#keeper.note(lane.store)
  }

  async accept(id: NodeId, records: readonly Uint8Array[]): Promise<AcceptOutcome> {
    const lane = await this.#laneFor(id, records[0])
    return 'kind' in lane ? lane : lane.accept(records)
  }

  async acceptRun(id: NodeId, run: RecordRun): Promise<AcceptOutcome> {
    const [first] = run.records
    const record = first === undefined ? undefined : run.bytes.subarray(0, first.size)
    const lane = await this.#laneFor(id, record)
    return 'kind' in lane ? lane : lane.acceptRun(run)
  }

  /** The lane, begun if this is its first record; else why nothing is to be stored. */
  async #laneFor(id: NodeId, first: Uint8Array | undefined): Promise<Lane | AcceptOutcome> {
    const known = this.get(id)
    const isWanted = first !== undefined && this.keeping(id) !== 'none'
    if (!isWanted) return { kind: 'known', head: known?.head ?? null }
    if (known !== undefined) return known
    const refused = this.#refuseStart(id, first)
    if (refused !== null) return refused
    // Before the first await, so that two accepts of a new lane open it once.
    const opening = this.#opening.get(id) ?? this.#open(id, undefined)
    this.#opening.set(id, opening)
    try {
      return await opening
    } finally {
      this.#opening.delete(id)
    }
  }

  /** Waits for accepts under way, writes the head files and closes all. Idempotent. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#opening.values())
    for (const lane of this.all()) await lane.settle()
    await this.#keeper.stop()
    for (const lane of this.all()) await lane.store.close()
  }

  /** Nothing is created on disk for bytes that do not start a lane. */
  #refuseStart(id: NodeId, record: Uint8Array): AcceptOutcome | null {
    const height = parseFrameHead(record)?.height ?? null
    if (height !== null && height !== 1) return { kind: 'gap', head: null, need: 1 }
    const [problem] = checkStructure(id, record, 1).problems
    if (problem !== undefined) {
      const { code, message } = problem
      return { kind: 'refused', head: null, code, height, message }
    }
    if (this.byId.size + this.#opening.size < LANES_MAX) return null
    const message = `Cannot keep another lane: ${LANES_MAX} are kept already`
    return { kind: 'refused', head: null, code: 'CHAIN_TOO_MANY_LANES', height, message }
  }

  async #open(id: NodeId, files: LaneFiles | undefined): Promise<Lane> {
    const { disk, log, signer } = this.#deps
    const isOwn = id === signer.nodeId
    const laneFiles = files ?? { segments: [], hasHead: false, hasFork: false }
    const isInRepair = isOwn && this.#isRepair
    const options = {
      lane: id,
      isOwn,
      isInRepair,
      segmentBytes: this.#segmentBytes,
      files: laneFiles
    }
    const store = await LaneStore.open({ disk, log }, options)
    const onAdvance = (tip: Tip): void => {
      this.#keeper.note(store)
      this.onAdvance(lane, tip)
    }
    let forkHeight = laneFiles.hasFork ? await proofHeight(disk, id) : null
    if (store.found === 'replaced' && forkHeight === null) {
      forkHeight = store.knownHead?.height ?? null
      const record = forkHeight === null ? null : await store.record(forkHeight)
      if (record !== null) await keepProof(disk, id, record)
    }
    const lane: Lane = new Lane(
      {
        disk,
        log,
        store,
        onAdvance,
        checker: this.#deps.checker ?? inlineChecker,
        predecessorOf: this.predecessorOf,
        onRedactions: (owner, found) => this.onRedactions(owner, found),
        storable: (owner, height, record) => this.storable(owner, height, record)
      },
      { isOwn, forkHeight, isInRepair, heir: await heirOf(store) }
    )
    this.byId.set(id, lane)
    return lane
  }
}

/** The key that took over from the lane's, as its last block says. */
async function heirOf(store: LaneStore): Promise<NodeId | null> {
  const { height } = store.tip
  const record = height === 0 ? null : await store.record(height)
  return record === null ? null : heirIn(checkRecord(store.lane, record, height), store.lane)
}
