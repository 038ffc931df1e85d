// Reading whole lanes back and checking every byte, in bounded memory. Damage is named and stepped over:
// the rest of the lane is checked all the same.

import { equalBytes } from '../core/index.ts'
import type { NodeId } from '../core/index.ts'
import { checkLink, EMPTY_TIP, tipOf } from './block.ts'
import type { Problem, SignedBlock, Tip } from './block.ts'
import { checkRecord } from './check.ts'
import type { Lane } from './lane.ts'
import { PROBLEMS_MAX } from './limits.ts'
import { LinkedHashes } from './linked-hashes.ts'
import type { ScanItem } from './scan.ts'

export interface VerifyReport {
  readonly ok: boolean
  readonly lanes: number
  readonly blocks: number
  readonly entries: number
  readonly signatures: number
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
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: VerifyProgress) => void
}

/** Checks the chosen lanes up to the heads they have now. Rejects with `signal.reason` when aborted. */
export async function verifyLanes(
  lanes: ReadonlyMap<NodeId, Lane>,
  chosen: readonly Lane[],
  options: VerifyOptions
): Promise<VerifyReport> {
  const tally = new Tally()
  const links = new LinkedHashes(lanes)
  try {
    for (const lane of chosen) await new LaneCheck(lane, { tally, links, options }).run()
  } finally {
    await links.close()
  }
  return tally.report()
}

class Tally {
  lanes = 0
  blocks = 0
  entries = 0
  signatures = 0
  readonly #problems: Problem[] = []
  #omitted = 0

  add(problem: Problem): void {
    if (this.#problems.length < PROBLEMS_MAX) this.#problems.push(problem)
    else this.#omitted += 1
  }

  report(): VerifyReport {
    const { lanes, blocks, entries, signatures } = this
    const problems = this.#problems
    const ok = problems.length === 0
    return { ok, lanes, blocks, entries, signatures, problems, problemsOmitted: this.#omitted }
  }
}

interface CheckDeps {
  readonly tally: Tally
  readonly links: LinkedHashes
  readonly options: VerifyOptions
}

const HEIGHTS_NAMED_MAX = 100 // Of one stretch of damage; the last problem of it names the rest.
const PROGRESS_BLOCKS = 256

class LaneCheck {
  readonly #lane: Lane
  readonly #deps: CheckDeps
  readonly #end: Tip
  #height = 0
  /** What the next block must follow; null behind a block that cannot be trusted or is not there. */
  #tip: Tip | null = EMPTY_TIP
  #isBehindDamage = false

  constructor(lane: Lane, deps: CheckDeps) {
    this.#lane = lane
    this.#deps = deps
    this.#end = lane.store.tip
  }

  async run(): Promise<void> {
    const { tally, options } = this.#deps
    tally.lanes += 1
    this.#standing()
    for await (const item of this.#lane.store.scan(1)) {
      options.signal?.throwIfAborted()
      if (item.kind === 'damage') this.#isBehindDamage = true
      else if (item.head.height > this.#end.height) break
      else await this.#record(item)
      if (tally.blocks % PROGRESS_BLOCKS === 0) this.#progress()
    }
    this.#missing(this.#end.height)
    if (this.#isBehindDamage) this.#addUnknownBytes(this.#end.height)
    if (this.#tip !== null && !equalBytes(this.#tip.hash, this.#end.hash)) {
      this.#add(this.#end.height, 'CHAIN_LANE_REPLACED', 'is not the block that was written last')
    }
    this.#progress()
  }

  /** What is known about the lane without reading it. */
  #standing(): void {
    const { forkHeight, isTruncated, store } = this.#lane
    if (forkHeight !== null) {
      this.#add(forkHeight, 'CHAIN_LANE_FORKED', 'exists in two versions signed by its owner')
    }
    if (isTruncated) {
      const height = store.tip.height + 1
      this.#add(height, 'CHAIN_LANE_TRUNCATED', 'was written once and is not here any more')
    }
  }

  async #record(item: ScanItem & { readonly kind: 'record' }): Promise<void> {
    const { tally } = this.#deps
    const { height } = item.head
    if (height <= this.#height) {
      this.#add(height, 'CHAIN_BLOCK_MISPLACED', `stands behind block ${this.#height}`)
      return
    }
    if (height > this.#height + 1) this.#missing(height - 1)
    else if (this.#isBehindDamage) this.#addUnknownBytes(height)
    this.#isBehindDamage = false
    const { block, problems } = checkRecord(this.#lane.store.lane, item.bytes, height)
    for (const problem of problems) tally.add(problem)
    tally.blocks += 1
    tally.entries += item.head.count
    if (block !== null) {
      tally.signatures += 1
      if (this.#tip !== null) for (const problem of checkLink(this.#tip, block)) tally.add(problem)
      await this.#crossLinks(block)
    }
    this.#tip = block === null ? null : tipOf(block)
    this.#height = height
  }

  async #crossLinks({ header }: SignedBlock): Promise<void> {
    for (const link of header.links) {
      const stored = await this.#deps.links.hashAt(link.lane, link.height)
      if (stored === null || equalBytes(stored, link.hash)) continue
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
    this.#deps.tally.add({ lane: this.#lane.store.lane, height, entry: null, code, message })
  }

  #progress(): void {
    const { tally, options } = this.#deps
    const { lane } = this.#lane.store
    const { blocks, entries } = tally
    const heightMax = this.#end.height
    options.onProgress?.({ lane, height: this.#height, heightMax, blocks, entries })
  }
}
