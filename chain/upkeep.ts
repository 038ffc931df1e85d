// Keeping a home's lanes whole: redactions, repair from the copies of others, and the way back of an own
// lane that has lost blocks.

import type { NodeId } from '../core/index.ts'
import { cutRecords } from './cut.ts'
import { entryId } from './entry.ts'
import type { EntryRef, PendingEntry } from './entry.ts'
import { RedactionDeniedError, RepairIncompleteError } from './errors.ts'
import type { Lane } from './lane.ts'
import type { ChainDeps, ChainOptions, Lanes } from './lanes.ts'
import type { LogEntry, LogQuery } from './log.ts'
import { REDACTED_KIND, redactionTarget } from './redaction-entry.ts'
import { Redactions } from './redactions.ts'
import { Redactor } from './redactor.ts'
import { repairLane } from './repair.ts'
import type { LaneRepair, RepairDeps, RepairSource } from './repair.ts'

/** The own lane while it is opened for repair, and the height that was acknowledged. */
export interface OwnRepair {
  readonly lane: NodeId
  readonly height: number
  readonly expected: number
}

interface UpkeepParts {
  readonly lanes: Lanes
  readonly own: Lane
  readonly index: Redactions
  /** The index was there and cannot be read: it is made again from the lanes. */
  readonly isIndexLost: boolean
}

export class Upkeep {
  readonly redactor: Redactor
  readonly #deps: ChainDeps
  readonly #parts: UpkeepParts
  readonly #mayRedact: (redactor: NodeId, lane: NodeId) => boolean

  private constructor(deps: ChainDeps, options: ChainOptions, parts: UpkeepParts) {
    const { lanes, index } = parts
    this.#deps = deps
    this.#parts = parts
    this.#mayRedact = options.mayRedact ?? (() => false)
    this.redactor = new Redactor({ lanes, index, mayRedact: this.#mayRedact, log: deps.log })
  }

  static async open(
    deps: ChainDeps,
    options: ChainOptions,
    parts: { readonly lanes: Lanes; readonly own: Lane }
  ): Promise<Upkeep> {
    const { index, isLost } = await Redactions.open(deps.disk, deps.log)
    return new Upkeep(deps, options, { ...parts, index, isIndexLost: isLost })
  }

  /**
   * Whether a `chain.redacted` entry of this node would count for an entry of that lane.
   * @throws RedactionDeniedError `CHAIN_REDACTION_DENIED`
   */
  checkMayRedact(lane: NodeId): void {
    const self = this.#deps.signer.nodeId
    if (lane !== self && !this.#mayRedact(self, lane)) throw new RedactionDeniedError(lane)
  }

  /** The `chain.redacted` entry for which an entry's payload is absent, or null. */
  redactionOf(target: EntryRef): EntryRef | null {
    return this.redactor.of(target)?.by ?? null
  }

  /** Appends entries of which some take payloads back, and takes them out here. */
  async redact(
    entries: readonly PendingEntry[],
    append: () => Promise<readonly EntryRef[]>
  ): Promise<readonly EntryRef[]> {
    const self = this.#deps.signer.nodeId
    const targets = entries.map(({ kind, subject }) => redactionTarget(kind, subject))
    const known = targets.filter((target) => target !== null)
    for (const { lane } of known) this.checkMayRedact(lane)
    await this.redactor.begin(self, known)
    let refs: readonly EntryRef[]
    try {
      refs = await append()
    } catch (error) {
      await this.redactor.giveUp(self, known)
      throw error
    }
    const pairs = targets.flatMap((target, index) => {
      const by = refs[index]
      return target === null || by === undefined ? [] : [{ target, by }]
    })
    await this.redactor.finish(self, pairs)
    return refs
  }

  /** Carries out what a crash interrupted. Once, when it is known who is an admin. */
  async resumeRedactions(log: (query: LogQuery) => AsyncIterable<LogEntry>): Promise<void> {
    const { index, isIndexLost } = this.#parts
    const isBegun = index.all().some(({ by }) => by === null)
    if (isIndexLost || isBegun) {
      const lane = isIndexLost ? {} : { lane: this.#deps.signer.nodeId }
      for await (const entry of log({ ...lane, kind: REDACTED_KIND })) {
        const target = redactionTarget(entry.kind, entry.subject)
        const by = entryId(entry.entry)
        if (target !== null) await index.note([{ target, lane: entry.lane, by }])
      }
      for (const each of index.all()) if (each.by === null) await index.forget(each)
    }
    await this.redactor.applyAll()
  }

  /** Puts right what of these lanes is damaged and others still hold. */
  async repair(
    lanes: readonly Lane[],
    source: RepairSource,
    signal: AbortSignal | undefined
  ): Promise<readonly LaneRepair[]> {
    const { redactor } = this
    const isRedacted: RepairDeps['isRedacted'] = async (lane, height, index) =>
      this.#parts.lanes.keeping(lane) === 'headers' || redactor.isRedacted(lane, height, index)
    const repairs: LaneRepair[] = []
    for (const lane of lanes) repairs.push(await repairLane(lane, { source, isRedacted, signal }))
    await this.redactor.applyAll()
    return repairs
  }

  /** Where the own lane stands that was opened for repair; null when it was not, or is repaired. */
  repairState(): OwnRepair | null {
    const { own } = this.#parts
    if (!own.isInRepair) return null
    const { lane, tip, knownHead } = own.store
    return { lane, height: tip.height, expected: knownHead?.height ?? 0 }
  }

  /** Offers the own lane, in repair, what was cut off it: blocks may be in there that no peer has. */
  async salvage(): Promise<void> {
    const { own } = this.#parts
    for await (const record of cutRecords(this.#deps.disk, own.store.lane)) {
      await own.accept([record])
    }
  }

  /**
   * The own lane is written again from here on. `least` is a height that it is known to have had, beside
   * what its head file says. Resolves to the height up to which blocks were given up,
   * or to null when none were.
   * @throws RepairIncompleteError `CHAIN_REPAIR_INCOMPLETE` when the lane is still shorter than what was
   * acknowledged, unless `isLossAccepted`
   */
  async endRepair(isLossAccepted: boolean, least = 0): Promise<number | null> {
    const { own } = this.#parts
    const { store } = own
    const known = Math.max(store.knownHead?.height ?? 0, least)
    const { height } = store.tip
    if (height < known && !isLossAccepted) {
      throw new RepairIncompleteError(store.lane, height, known)
    }
    if (height < known) await store.giveUpLost()
    own.endRepair()
    return height < known ? known : null
  }
}
