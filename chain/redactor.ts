// Carries redactions out: takes payloads out of what is held, keeps them out of what arrives, and tells
// `verify` which payloads may be absent.
//
// Invariants
//   Q1. A payload is taken out only for a `chain.redacted` entry of the lane's own owner, or of a member
//       that this node knows as an admin.
//   Q2. `verify` takes a payload for redacted only if that entry is held and says so.

import type { Logger, NodeId } from '../core/index.ts'
import type { EntryRef } from './entry.ts'
import { FormatError } from './errors.ts'
import type { FoundRedaction, Lane } from './lane.ts'
import type { Lanes } from './lanes.ts'
import { entriesIn } from './log.ts'
import { withoutAnyPayload, withoutPayloads } from './redact.ts'
import { redactionTarget } from './redaction-entry.ts'
import { entryRef } from './entry.ts'
import type { Redaction, Redactions } from './redactions.ts'

export interface RedactorDeps {
  readonly lanes: Lanes
  readonly index: Redactions
  readonly mayRedact: (redactor: NodeId, lane: NodeId) => boolean
  readonly log: Logger
}

export class Redactor {
  readonly #deps: RedactorDeps
  #work: Promise<void> = Promise.resolve()

  constructor(deps: RedactorDeps) {
    this.#deps = deps
    deps.lanes.onRedactions = (lane, found) => this.#found(lane, found)
    deps.lanes.storable = (lane, height, record) => this.#storable(lane, height, record)
  }

  /** The redaction of an entry that counts (Q1), or null. */
  of(target: EntryRef): Redaction | null {
    const asked = this.#deps.index.of(target.id)
    return asked.find((each) => this.#isAllowed(each)) ?? null
  }

  /** To be called before the entry itself is written: X1 of redactions.ts. */
  async begin(self: NodeId, targets: readonly EntryRef[]): Promise<void> {
    await this.#deps.index.note(targets.map((target) => ({ target, lane: self, by: null })))
  }

  /** The entry is in the own lane: from now on the payload is not. Resolves when it is gone here. */
  async finish(self: NodeId, pairs: readonly { target: EntryRef; by: EntryRef }[]): Promise<void> {
    await this.#deps.index.note(pairs.map((pair) => ({ ...pair, lane: self })))
    await this.apply(pairs.map(({ target }) => target))
  }

  async giveUp(self: NodeId, targets: readonly EntryRef[]): Promise<void> {
    for (const target of targets) {
      const begun = this.#deps.index
        .of(target.id)
        .find(({ lane, by }) => lane === self && by === null)
      if (begun !== undefined) await this.#deps.index.forget(begun)
    }
  }

  /** Whether an absent payload is absent for a reason (Q2). */
  async isRedacted(lane: NodeId, height: number, index: number): Promise<boolean> {
    const target = entryRef(lane, height, index)
    for (const redaction of this.#deps.index.of(target.id)) {
      if (this.#isAllowed(redaction) && (await this.#isHeld(redaction))) return true
    }
    return false
  }

  /** Takes the payloads out of what is held, as far as that is allowed. Calls follow one another. */
  apply(targets: readonly EntryRef[]): Promise<void> {
    const work = this.#work.then(() => this.#applyNow(targets))
    this.#work = work.catch(() => undefined) // The caller has the failure.
    return work
  }

  /** Everything in the index, after a start: a crash may have come between entry and payload. */
  async applyAll(): Promise<void> {
    await this.apply(this.#deps.index.all().map(({ target }) => target))
  }

  async settle(): Promise<void> {
    await this.#work
  }

  #isAllowed({ lane, target, by }: Redaction): boolean {
    return by !== null && (lane === target.lane || this.#deps.mayRedact(lane, target.lane))
  }

  async #isHeld({ by, lane, target }: Redaction): Promise<boolean> {
    if (by === null || by.lane !== lane) return false
    const record = (await this.#deps.lanes.get(by.lane)?.store.record(by.height)) ?? null
    try {
      const entry = record === null ? undefined : entriesIn(by.lane, record)[by.index]
      return entry !== undefined && redactionTarget(entry.kind, entry.subject)?.id === target.id
    } catch (error) {
      if (error instanceof FormatError) return false
      throw error
    }
  }

  async #found(lane: NodeId, found: readonly FoundRedaction[]): Promise<void> {
    await this.#deps.index.note(
      found.map(({ target, height, index }) => ({
        target,
        lane,
        by: entryRef(lane, height, index)
      }))
    )
    const targets = found.map(({ target }) => target)
    // Not awaited: the lane that tells of it is in the middle of its turn, and may be the one to change.
    this.apply(targets).catch((error: unknown) => {
      this.#deps.log.error('Cannot redact payloads; the next start tries again', {
        error: String(error)
      })
    })
  }

  #storable(lane: NodeId, height: number, record: Uint8Array): Uint8Array {
    if (this.#deps.lanes.keeping(lane) === 'headers') return withoutAnyPayload(record) ?? record
    const asked = this.#deps.index.at(lane, height)
    if (asked === null) return record
    const allowed = [...asked].filter((index) => this.of(entryRef(lane, height, index)) !== null)
    return withoutPayloads(record, new Set(allowed)) ?? record
  }

  async #applyNow(targets: readonly EntryRef[]): Promise<void> {
    const wanted = new Map<Lane, Set<number>>()
    for (const target of targets) {
      const lane = this.#deps.lanes.get(target.lane)
      if (lane === undefined) continue
      // It may be on its way to the disk, and was looked at before this redaction was known.
      if (target.height > lane.store.tip.height) await lane.settle()
      if (target.height > lane.store.tip.height) continue
      wanted.set(lane, (wanted.get(lane) ?? new Set<number>()).add(target.height))
    }
    for (const [lane, heights] of wanted) {
      const records = new Map<number, Uint8Array>()
      for (const height of heights) {
        const held = await lane.store.record(height)
        const stripped = held === null ? null : this.#stripped(lane.store.lane, height, held)
        if (stripped !== null) records.set(height, stripped)
      }
      if (records.size > 0) await lane.mend(records)
    }
  }

  #stripped(lane: NodeId, height: number, held: Uint8Array): Uint8Array | null {
    try {
      const stripped = this.#storable(lane, height, held)
      return stripped === held ? null : stripped
    } catch (error) {
      if (error instanceof FormatError) return null // Damaged: once it is repaired, it comes back here.
      throw error
    }
  }
}
