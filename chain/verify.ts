// Reading whole lanes back and checking every byte, in bounded memory. Damage is named and stepped over:
// the rest of the lane is checked all the same.

import { equalBytes } from '../core/index.ts'
import type { Clock, NodeId, Signer } from '../core/index.ts'
import { checkLink, EMPTY_TIP, tipOf } from './block.ts'
import type { Problem, SignedBlock, Tip } from './block.ts'
import { Batches } from './batches.ts'
import { inlineChecker } from './check-batch.ts'
import { checkRecord } from './check.ts'
import { heirIn } from './lane.ts'
import type { Lane } from './lane.ts'
import { CHECK_INLINE_BYTES, PROBLEMS_MAX } from './limits.ts'
import { LinkedHashes } from './linked-hashes.ts'
import type { LaneDisk, RecordChecker, RecordVerdict } from './ports.ts'
import type { ScanItem } from './scan.ts'
import {
  Fingerprints,
  loadVerified,
  NO_MARKS,
  resumePoint,
  saveVerified,
  takeMarks
} from './verified.ts'
import type { Marks, ResumePoint } from './verified.ts'

export interface VerifyReport {
  readonly ok: boolean
  readonly lanes: number
  readonly blocks: number
  readonly entries: number
  readonly signatures: number
  /** Blocks of these whose bytes are those of an earlier verification. */
  readonly unchanged: number
  /** Of those, blocks that were not even read: by the file system's word nobody has written to their files. */
  readonly unread: number
  /** Lanes of which only headers are kept, or older payloads are lacking still: those were not checked. */
  readonly headersOnly: readonly NodeId[]
  readonly problems: readonly Problem[]
  /** Problems beyond PROBLEMS_MAX, counted but not kept. */
  readonly problemsOmitted: number
}

export interface VerifyProgress {
  readonly lane: NodeId
  readonly height: number
  readonly heightMax: number
  readonly blocks: number
  readonly entries: number
}

export interface VerifyOptions {
  readonly lane?: NodeId
  /** Read and check all anew, also what has been verified before and has not changed since. */
  readonly isFull?: boolean
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: VerifyProgress) => void
}

/**
 * Checks the chosen lanes up to the heads they have now. What has been verified before and is unchanged is not
 * verified again, and not read again where the file system says that it is unchanged (F2 of verified.ts); unless
 * `isFull`, or unless anything of it has changed anywhere: then all is. Rejects with `signal.reason` when
 * aborted; the next call goes on from there.
 */
export async function verifyLanes(
  deps: VerifyDeps,
  chosen: readonly Lane[],
  options: VerifyOptions
): Promise<VerifyReport> {
  const tally = new Tally()
  const links = new LinkedHashes(deps.lanes)
  const marks = await marksOf(deps, chosen)
  const points = await resumePoints(deps, marks, options)
  try {
    for (const lane of chosen) {
      options.signal?.throwIfAborted()
      const start = { from: points.get(lane) ?? null, marks: marks.get(lane) ?? NO_MARKS }
      await new LaneCheck(lane, { ...deps, tally, links, options }, start).run()
    }
  } finally {
    await links.close()
  }
  return tally.report()
}

async function marksOf(
  { disk, clock }: VerifyDeps,
  chosen: readonly Lane[]
): Promise<ReadonlyMap<Lane, Marks>> {
  const marks = new Map<Lane, Marks>()
  for (const lane of chosen) {
    marks.set(lane, await takeMarks(disk, lane.store.segments, clock.wall()))
  }
  return marks
}

/** A lane whose verified bytes have changed may have been rewritten: then no other is taken on trust. */
async function resumePoints(
  { disk, signer }: VerifyDeps,
  chosen: ReadonlyMap<Lane, Marks>,
  { isFull, signal }: VerifyOptions
): Promise<ReadonlyMap<Lane, ResumePoint>> {
  const points = new Map<Lane, ResumePoint>()
  if (isFull === true) return points
  for (const [lane, marks] of chosen) {
    const files = await loadVerified({ disk, signer }, lane.store.lane)
    if (files.length === 0) continue
    const { segments } = lane.store
    const point = await resumePoint(disk, files, { segments, marks, signal })
    if (point === null) return new Map()
    points.set(lane, point)
  }
  return points
}

class Tally {
  lanes = 0
  blocks = 0
  entries = 0
  signatures = 0
  unchanged = 0
  unread = 0
  readonly headersOnly: NodeId[] = []
  readonly #problems: Problem[] = []
  #omitted = 0

  add(problem: Problem): void {
    if (this.#problems.length < PROBLEMS_MAX) this.#problems.push(problem)
    else this.#omitted += 1
  }

  report(): VerifyReport {
    const { lanes, blocks, entries, signatures, unchanged, unread, headersOnly } = this
    const problems = this.#problems
    const ok = problems.length === 0
    return {
      ok,
      lanes,
      blocks,
      entries,
      signatures,
      unchanged,
      unread,
      headersOnly,
      problems,
      problemsOmitted: this.#omitted
    }
  }
}

export interface VerifyDeps {
  readonly lanes: ReadonlyMap<NodeId, Lane>
  readonly disk: LaneDisk
  readonly clock: Pick<Clock, 'wall'>
  readonly signer: Signer
  readonly checker: RecordChecker
  /** The key whose place a lane's owner took, as the mesh knows it. */
  readonly predecessorOf: (lane: NodeId) => NodeId | null
  /** Whether an absent payload was taken out for a reason that is on record. */
  readonly isRedacted: (lane: NodeId, height: number, index: number) => Promise<boolean>
  /** What the evidence against a lane proves. */
  readonly proven: (
    lane: NodeId
  ) => { readonly state: 'forked' | 'truncated'; readonly height: number } | null
  /** Whether this node was told not to keep the payloads of the lane. */
  readonly lacksPayloads: (lane: NodeId) => boolean
}

interface CheckDeps extends VerifyDeps {
  readonly tally: Tally
  readonly links: LinkedHashes
  readonly options: VerifyOptions
}

type RecordItem = ScanItem & { readonly kind: 'record' }

const HEIGHTS_NAMED_MAX = 100 // Of one stretch of damage; the last problem of it names the rest.

class LaneCheck {
  readonly #lane: Lane
  readonly #deps: CheckDeps
  readonly #end: Tip
  readonly #fingerprints: Fingerprints
  readonly #checker: RecordChecker
  #height = 0
  /** What the next block must follow; null behind a block that cannot be trusted or is not there. */
  #tip: Tip | null = EMPTY_TIP
  #isBehindDamage = false
  /** The lane's key has handed over in a block before. */
  #hasEnded = false
  /** All bytes of the lane are those of an earlier verification. */
  readonly #isCovered: boolean

  constructor(
    lane: Lane,
    deps: CheckDeps,
    { from, marks }: { readonly from: ResumePoint | null; readonly marks: Marks }
  ) {
    this.#lane = lane
    this.#deps = deps
    this.#end = lane.store.tip
    this.#fingerprints = new Fingerprints(from, marks)
    const isSmall = lane.store.bytes < CHECK_INLINE_BYTES
    this.#checker = isSmall ? inlineChecker : deps.checker
    const known = from?.files.reduce((sum, { bytes }) => sum + bytes, 0) ?? 0
    this.#isCovered = from !== null && known === lane.store.bytes
    if (from === null) return
    const { height, entries } = from.tip
    this.#tip = from.tip
    this.#height = height
    deps.tally.blocks += height
    deps.tally.entries += entries
    deps.tally.signatures += height
    deps.tally.unchanged += height
    deps.tally.unread += from.unread
  }

  async run(): Promise<void> {
    const { tally } = this.#deps
    tally.lanes += 1
    const { lane } = this.#lane.store
    if (this.#deps.lacksPayloads(lane)) tally.headersOnly.push(lane)
    this.#standing()
    try {
      if (!this.#isCovered) await this.#readOn()
    } finally {
      await this.#save() // Also when aborted: the next verification goes on from here.
    }
    this.#missing(this.#end.height)
    if (this.#isBehindDamage) this.#addUnknownBytes(this.#end.height)
    if (this.#tip !== null && !equalBytes(this.#tip.hash, this.#end.hash)) {
      this.#add(this.#end.height, 'CHAIN_LANE_REPLACED', 'is not the block that was written last')
    }
    this.#progress()
  }

  async #readOn(): Promise<void> {
    const { store } = this.#lane
    const last = this.#height === 0 ? null : await store.record(this.#height)
    this.#hasEnded =
      last !== null && heirIn(checkRecord(store.lane, last, this.#height), store.lane) !== null
    await this.#read()
  }

  /** Reads ahead as far as the checker has work for; judges in the order of the lane. */
  async #read(): Promise<void> {
    const { signal } = this.#deps.options
    const batches = new Batches(this.#lane, this.#height + 1, this.#end.height)
    const underWay: { items: readonly ScanItem[]; verdicts: Promise<readonly RecordVerdict[]> }[] =
      []
    try {
      for await (const { items, batch } of batches.all()) {
        signal?.throwIfAborted()
        const verdicts = batch === null ? Promise.resolve([]) : this.#checker.check(batch)
        verdicts.catch(() => undefined) // Thrown where it is awaited, if that is ever reached.
        underWay.push({ items, verdicts })
        const oldest = underWay.length > 2 * this.#checker.width ? underWay.shift() : undefined
        if (oldest !== undefined) await this.#judge(oldest.items, await oldest.verdicts)
      }
      for (const { items, verdicts } of underWay) {
        signal?.throwIfAborted()
        await this.#judge(items, await verdicts)
      }
    } finally {
      await batches.close()
    }
  }

  async #judge(items: readonly ScanItem[], verdicts: readonly RecordVerdict[]): Promise<void> {
    let next = 0
    for (const item of items) {
      if (item.kind === 'damage') {
        this.#isBehindDamage = true
        this.#fingerprints.breakOff()
        continue
      }
      const verdict = verdicts[next]
      next += 1
      if (verdict !== undefined) await this.#record(item, verdict)
    }
    this.#progress()
  }

  async #save(): Promise<void> {
    const { disk, signer } = this.#deps
    const files = this.#fingerprints.files()
    if (files.length === 0) return
    try {
      await saveVerified({ disk, signer }, this.#lane.store.lane, files)
    } catch {
      // A full or failing disk: the verdict stands all the same, and the next one takes longer.
    }
  }

  /** What is known about the lane without reading it. */
  #standing(): void {
    const { forkHeight, isTruncated, store } = this.#lane
    const proven = this.#deps.proven(store.lane)
    const forkedAt = forkHeight ?? (proven?.state === 'forked' ? proven.height : null)
    if (forkedAt !== null) {
      this.#known(forkedAt, 'CHAIN_LANE_FORKED', 'exists in two versions signed by its owner')
    }
    if (proven?.state === 'truncated') {
      const what = 'was disowned: the owner of the lane has signed a shorter one later'
      this.#known(proven.height, 'CHAIN_LANE_TRUNCATED', what)
    }
    if (isTruncated) {
      const height = store.tip.height + 1
      this.#known(height, 'CHAIN_LANE_TRUNCATED', 'was written once and is not here any more')
    }
  }

  /** What is reported each time without being read: it says nothing about the bytes. */
  #known(height: number, code: string, what: string): void {
    const message = `Block ${height} ${what}`
    this.#deps.tally.add({ lane: this.#lane.store.lane, height, entry: null, code, message })
  }

  async #record(item: RecordItem, verdict: RecordVerdict): Promise<void> {
    const { block, problems } = verdict
    const { tally } = this.#deps
    const { height } = item.head
    if (height <= this.#height) {
      this.#add(height, 'CHAIN_BLOCK_MISPLACED', `stands behind block ${this.#height}`)
      return
    }
    if (height > this.#height + 1) this.#missing(height - 1)
    else if (this.#isBehindDamage) this.#addUnknownBytes(height)
    this.#isBehindDamage = false
    for (const problem of problems) if (!(await this.#isRedacted(problem))) this.#found(problem)
    this.#rotations(height, verdict)
    tally.blocks += 1
    tally.entries += item.head.count
    if (block !== null) {
      tally.signatures += 1
      if (this.#tip !== null) for (const each of checkLink(this.#tip, block)) this.#found(each)
      await this.#crossLinks(block)
    }
    this.#tip = block === null ? null : tipOf(block)
    this.#height = height
    if (this.#tip === null) this.#fingerprints.breakOff()
    // A whole file has been verified: a crash costs at most the next one.
    else if (this.#fingerprints.add(item, this.#tip)) await this.#save()
  }

  /** What only the lane as a whole shows of a change of key. */
  #rotations(height: number, verdict: RecordVerdict): void {
    const { lane } = this.#lane.store
    if (this.#hasEnded) {
      this.#add(
        height,
        'CHAIN_LANE_ENDED',
        'stands behind the last one of a key that has handed over'
      )
    }
    this.#hasEnded ||= heirIn(verdict, lane) !== null
    const before = height === 1 ? this.#deps.predecessorOf(lane) : null
    if (before === null || verdict.block === null) return
    if (verdict.rotations.some(({ rotation }) => rotation?.from === before)) return
    this.#add(height, 'CHAIN_ROTATION_MISSING', `does not begin with the word of the key ${before}`)
  }

  #found(problem: Problem): void {
    this.#fingerprints.breakOff()
    this.#deps.tally.add(problem)
  }

  async #isRedacted({ lane, height, entry, code }: Problem): Promise<boolean> {
    if (code !== 'CHAIN_PAYLOAD_MISSING' || entry === null) return false
    if (this.#deps.lacksPayloads(lane)) return true
    return this.#deps.isRedacted(lane, height, entry)
  }

  async #crossLinks({ header }: SignedBlock): Promise<void> {
    for (const link of header.links) {
      if (!(await this.#deps.links.contradict(link))) continue
      const what = `saw another block ${link.height} of lane ${link.lane} than the one kept here`
      this.#add(header.height, 'CHAIN_CROSS_LINK_WRONG', what)
    }
  }

  /** Reports the heights from the last one seen up to `last` as not there. */
  #missing(last: number): void {
    const first = this.#height + 1
    if (first > last) return
    const code = this.#isBehindDamage ? 'CHAIN_BLOCK_DAMAGED' : 'CHAIN_BLOCK_MISSING'
    const what = this.#isBehindDamage ? 'is damaged beyond recognition' : 'is missing'
    const named = Math.min(last, first + HEIGHTS_NAMED_MAX - 1)
    for (let height = first; height <= named; height += 1) {
      const rest = height === named && named < last ? `, and so is all up to block ${last}` : ''
      this.#add(height, code, what + rest)
    }
    this.#tip = null
    this.#height = last
    this.#isBehindDamage = false
  }

  #addUnknownBytes(height: number): void {
    this.#add(height, 'CHAIN_BYTES_UNKNOWN', 'has bytes beside it that belong to no block')
  }

  #add(height: number, code: string, what: string): void {
    const message = `Block ${height} ${what}`
    this.#found({ lane: this.#lane.store.lane, height, entry: null, code, message })
  }

  #progress(): void {
    const { tally, options } = this.#deps
    const { lane } = this.#lane.store
    const { blocks, entries } = tally
    const heightMax = this.#end.height
    options.onProgress?.({ lane, height: this.#height, heightMax, blocks, entries })
  }
}
