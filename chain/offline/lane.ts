// Checking one lane as its blocks come by, and what lanes say of each other.

import { isSame, nodeText } from './bytes.ts'
import { HASH_BYTES, isLater, payloadOf } from './block.ts'
import type { Header, Link, Time } from './block.ts'
import type { BlockFacts } from './block-check.ts'
import { Malformed } from './errors.ts'
import type { SignedCheckpoint } from './keys.ts'
import type { Primitives } from './primitives.ts'
import type { Redactions } from './redactions.ts'
import type { Findings } from './report.ts'
import { readRotation, rotationProblem } from './rotation.ts'
import { CompactTree, emptyRoot, sha256Leaf, sha256Pair } from './tree.ts'

/** The end of a lane, as the file's own table of contents names it. */
export interface LaneEnd {
  /** The key that the lane's took over from, by the membership; null where it did not. */
  readonly predecessor: string | null
  readonly key: Uint8Array
  readonly height: number
  readonly hash: Uint8Array
}

/** Cross-links to blocks that may stand anywhere in the file. */
export class LinkBook {
  readonly #hashes = new Map<string, Uint8Array[]>()
  readonly #links: { readonly from: Header; readonly link: Link }[] = []

  block(lane: string, hash: Uint8Array): void {
    const hashes = this.#hashes.get(lane)
    if (hashes === undefined) this.#hashes.set(lane, [hash])
    else hashes.push(hash)
  }

  links(from: Header): void {
    for (const link of from.links) this.#links.push({ from, link })
  }

  /** To be called when all blocks have been seen. */
  check(findings: Findings): void {
    for (const { from, link } of this.#links) {
      const hash = this.#hashes.get(link.lane)?.[link.height - 1]
      if (hash === undefined || isSame(hash, link.hash)) continue
      const message = `Block ${from.height} saw another block ${link.height} of lane ${link.lane}`
      const place = { lane: from.lane, height: from.height, entry: null }
      findings.add({ ...place, code: 'CHAIN_CROSS_LINK_WRONG', message })
    }
  }
}

interface LaneDeps {
  readonly primitives: Primitives
  readonly findings: Findings
  readonly links: LinkBook
  readonly redactions: Redactions
}

export class LaneCheck {
  readonly lane: string
  readonly #deps: LaneDeps
  readonly #end: LaneEnd
  readonly #tree: CompactTree
  #checkpoint: SignedCheckpoint | null = null
  /** What the tree was at the size of the checkpoint; null until it has grown to it. */
  #root: Uint8Array | null = null
  /** Up to this height blocks have been announced, and up to the next one they have been judged. */
  #begun = 0
  #height = 0
  #hash = new Uint8Array(HASH_BYTES)
  #entries = 0
  #time: Time = [0, 0]
  #hasEnded = false

  constructor(deps: LaneDeps, end: LaneEnd) {
    this.lane = nodeText(end.key)
    this.#deps = deps
    this.#end = end
    this.#tree = new CompactTree(sha256Pair(deps.primitives))
  }

  get key(): Uint8Array {
    return this.#end.key
  }

  /** The height of the block that comes next, or null where there should be none. */
  begin(): number | null {
    if (this.#begun === this.#end.height) return null
    this.#begun += 1
    return this.#begun
  }

  /** Takes what was found about the block behind the last one. */
  block(facts: BlockFacts): void {
    const { primitives, findings, links } = this.#deps
    const height = this.#height + 1
    const complain = (entry: number | null, code: string, what: string): void => {
      const subject = entry === null ? `Block ${height}` : `Entry ${entry} of block ${height}`
      findings.add({ lane: this.lane, height, entry, code, message: `${subject} ${what}` })
    }
    if (this.#hasEnded) complain(null, 'CHAIN_LANE_ENDED', 'stands behind the rotation of its key')
    for (const complaint of facts.complaints) complain(...complaint)
    const { header, hash } = facts
    findings.blocks += 1
    findings.entries += facts.entries
    this.#deps.redactions.block(this.lane, height, facts)
    if (header !== null) {
      findings.signatures += 1
      this.#follow(header, facts, complain)
      links.links(header)
      this.#rotations(facts, complain)
    }
    links.block(this.lane, hash)
    this.#tree.append(sha256Leaf(primitives, hash))
    if (height === this.#checkpoint?.size) this.#root = this.#tree.root()
    this.#height = height
    this.#hash = new Uint8Array(hash)
  }

  /** The checkpoint that the blocks to come must agree with. */
  expect(checkpoint: SignedCheckpoint): void {
    this.#checkpoint = checkpoint
    if (checkpoint.size === 0) this.#root = emptyRoot(this.#deps.primitives)
  }

  /** To be called behind the last block: the lane ends where the file says, and is that of its checkpoint. */
  finish(): void {
    const { findings } = this.#deps
    const checkpoint = this.#checkpoint
    if (this.#height !== this.#end.height || !isSame(this.#hash, this.#end.hash)) {
      const message = `The lane does not end with block ${this.#end.height} as the file says`
      findings.file('CHAIN_LANE_TRUNCATED', message, this.lane)
    }
    if (checkpoint === null) return
    if (this.#root === null) {
      const message = `The lane was truncated: a checkpoint of ${checkpoint.size} blocks was signed`
      findings.file('CHAIN_LANE_TRUNCATED', message, this.lane)
    } else if (!isSame(this.#root, checkpoint.root)) {
      findings.file('CHAIN_CHECKPOINT_WRONG', 'The checkpoint is of other blocks', this.lane)
    }
  }

  #follow(
    header: Header,
    { firstTime }: BlockFacts,
    complain: (entry: number | null, code: string, what: string) => void
  ): void {
    if (!isSame(header.previous, this.#hash)) {
      complain(null, 'CHAIN_LINK_BROKEN', 'does not name the block before it')
    }
    if (header.entriesBefore !== this.#entries) {
      complain(null, 'CHAIN_COUNT_WRONG', 'miscounts the entries before it')
    }
    if (firstTime !== null && this.#height > 0 && !isLater(firstTime, this.#time)) {
      complain(0, 'CHAIN_TIME_BACKWARDS', 'is not later than the block before it')
    }
    this.#entries = header.entriesBefore + header.count
    this.#time = header.time
  }

  #rotations(
    { entries, rotations }: BlockFacts,
    complain: (entry: number | null, code: string, what: string) => void
  ): void {
    const height = this.#height + 1
    let before: string | null = null
    for (const { index, slot } of rotations) {
      try {
        if (slot === null) throw new Malformed('a rotation without its payload')
        const { oldKey, newKey } = readRotation(this.#deps.primitives, payloadOf(slot))
        const place = { height, index, count: entries }
        const problem = rotationProblem({ oldKey, newKey }, this.#end.key, place)
        if (problem !== null) throw new Malformed(problem)
        if (isSame(oldKey, this.#end.key)) this.#hasEnded = true
        else before = nodeText(oldKey)
      } catch (error) {
        if (!(error instanceof Malformed)) throw error
        complain(index, 'CHAIN_ROTATION_INVALID', `is ${error.message}`)
      }
    }
    const { predecessor } = this.#end
    if (height > 1 || predecessor === null || before === predecessor) return
    complain(
      null,
      'CHAIN_ROTATION_MISSING',
      `does not begin with the word of the key ${predecessor}`
    )
  }
}
