// Blocks of an export on their way through a checker, judged in the order in which they stand in the file.

import type { BlockChecker, BlockFacts } from './block-check.ts'
import { join } from './bytes.ts'
import type { LaneCheck } from './lane.ts'

/** Checked in one go: some 15 ms of work. */
const BATCH_BYTES = 256 * 1024

interface Waiting {
  readonly lane: LaneCheck
  readonly firstHeight: number
  readonly blocks: Uint8Array[]
  bytes: number
}

export class BlockQueue {
  readonly #checker: BlockChecker
  #waiting: Waiting | null = null
  #underWay: { readonly lane: LaneCheck; readonly facts: Promise<readonly BlockFacts[]> }[] = []

  constructor(checker: BlockChecker) {
    this.#checker = checker
  }

  /** Rejects as the checker does. Holds two batches for each of its cores, and the one being filled. */
  async push(lane: LaneCheck, height: number, block: Uint8Array): Promise<void> {
    const waiting = (this.#waiting ??= { lane, firstHeight: height, blocks: [], bytes: 0 })
    waiting.blocks.push(block)
    waiting.bytes += block.length
    if (waiting.bytes < BATCH_BYTES) return
    this.#send()
    if (this.#underWay.length > 2 * this.#checker.width) await this.#judgeOldest()
  }

  /** Resolves when all blocks have been judged. To be called before anything else of the file is. */
  async settled(): Promise<void> {
    this.#send()
    while (this.#underWay.length > 0) await this.#judgeOldest()
  }

  #send(): void {
    const waiting = this.#waiting
    if (waiting === null) return
    this.#waiting = null
    const { lane, firstHeight, blocks } = waiting
    const facts = this.#checker.check({
      lane: lane.lane,
      key: lane.key,
      firstHeight,
      bytes: join(...blocks),
      sizes: blocks.map((block) => block.length)
    })
    facts.catch(() => undefined) // Thrown where it is awaited.
    this.#underWay.push({ lane, facts })
  }

  async #judgeOldest(): Promise<void> {
    const oldest = this.#underWay.shift()
    if (oldest === undefined) return
    for (const facts of await oldest.facts) oldest.lane.block(facts)
  }
}
