// This node as a witness of the others' lanes, and what it does with proof that one of them cheats.
//
// Invariants
//   W2. A cosignature leaves this node only after the checkpoint is stored as the newest it cosigned.
//   W3. Evidence is kept for good, and a lane that it speaks against is cosigned no more.

import { encodeCbor, equalBytes, publicKeyOf } from '../../core/index.ts'
import type { Cbor, Clock, Logger, NodeId } from '../../core/index.ts'
import type { Lanes } from '../lanes.ts'
import { RECORD_BYTES_MAX } from '../limits.ts'
import { Malformed } from '../offline/errors.ts'
import { readEvidence } from '../offline/evidence.ts'
import type { Evidence } from '../offline/evidence.ts'
import { nodePrimitives } from '../offline/node-primitives.ts'
import type { NoteLine } from '../offline/note.ts'
import type { LaneDisk } from '../ports.ts'
import { headerBytesOf, parseFrameHead, signatureOf } from '../record.ts'
import { forkName } from '../segment.ts'
import type { KeptCheckpoint, LaneNotes } from './lane-notes.ts'
import type { Notary, SentCheckpoint } from './notary.ts'
import { readSent } from './notary.ts'
import { judgeCheckpoint } from './witness.ts'

export interface CosignRequest extends SentCheckpoint {
  /** The size of the last checkpoint that the witness cosigned, as far as the asker knows. */
  readonly oldSize: number
  /** From there to the checkpoint. */
  readonly path: readonly Uint8Array[]
}

/** With the statuses of C2SP tlog-witness. */
export type CosignAnswer =
  | { readonly status: 200; readonly text: string; readonly line: NoteLine }
  | { readonly status: 400 | 403 | 404 | 422 }
  | { readonly status: 409; readonly size: number }

export interface WitnessingDeps {
  readonly disk: LaneDisk
  readonly clock: Clock
  readonly log: Logger
  readonly lanes: Lanes
  readonly notary: Notary
  /** Told once for each lane that evidence is first kept against. */
  readonly onEvidence: (lane: NodeId) => void
}

export class Witnessing {
  readonly #deps: WitnessingDeps

  constructor(deps: WitnessingDeps) {
    this.#deps = deps
  }

  /** `isKnown` says whose lanes this node witnesses. Never throws on what the request says. */
  async cosign(request: CosignRequest, isKnown: (lane: NodeId) => boolean): Promise<CosignAnswer> {
    const sent = readSent(request)
    if (sent === null) return { status: 403 }
    const { lane, kept } = sent
    if (!isKnown(lane)) return { status: 404 }
    return this.#deps.notary.inTurn(lane, () => this.#judge(lane, kept, request))
  }

  async #judge(lane: NodeId, kept: KeptCheckpoint, request: CosignRequest): Promise<CosignAnswer> {
    const { notary, clock, log } = this.#deps
    const { checkpoint, note } = kept
    const notes = await notary.notesOf(lane)
    const { answer, contradiction } = judgeCheckpoint(notes.memory, { ...request, checkpoint })
    const before = notes.memoryNote
    if (contradiction !== null && before !== null) {
      const laneKey = contradiction === 'truncation' ? (request.laneKey ?? notes.laneKey) : null
      await this.#convict(notes, [contradiction, before, note, laneKey])
    }
    if (notes.evidence !== null) return { status: 422 } // W3
    if (answer.status !== 200) return answer
    if (!(await this.#isHeldAlike(lane, kept))) {
      log.error('A member signed a checkpoint of other blocks than those held here', { lane })
      return { status: 422 }
    }
    const { size, root, time, text } = checkpoint
    await notes.remember({ size, root, time }, note)
    // From here no smaller or other checkpoint of this lane will be cosigned (W2).
    if (size >= (notes.latest?.checkpoint.size ?? 0)) await notes.keep(kept, request.laneKey)
    const line = notary.noteSigner.cosign(text, Math.floor(clock.wall() / 1000))
    return { status: 200, text, line }
  }

  /** Whether the blocks held here lead to the same root; true where not so many are held. */
  async #isHeldAlike(lane: NodeId, { checkpoint }: KeptCheckpoint): Promise<boolean> {
    const held = this.#deps.lanes.get(lane)
    if (held === undefined || held.store.tip.height < checkpoint.size) return true
    const tree = await this.#deps.notary.treeOf(held)
    const { root } = await tree.head(checkpoint.size)
    if (equalBytes(root, checkpoint.root)) return true
    await tree.rebuild() // The files may have rotted: the blocks decide.
    return equalBytes((await tree.head(checkpoint.size)).root, checkpoint.root)
  }

  /**
   * Compares a checkpoint from whomever with the newest one known of its lane, and keeps the two as
   * evidence where they contradict each other.
   */
  async compare(lane: NodeId, { checkpoint, note }: KeptCheckpoint): Promise<void> {
    await this.#deps.notary.inTurn(lane, async () => {
      const notes = await this.#deps.notary.notesOf(lane)
      for (const known of [notes.latest, notes.cosigned]) {
        if (known === null || known.checkpoint.size !== checkpoint.size) continue
        if (equalBytes(known.checkpoint.root, checkpoint.root)) continue
        await this.#convict(notes, ['checkpoints', known.note, note, null])
      }
    })
  }

  /**
   * The evidence against a lane, or null: checkpoints that contradict each other, or the two blocks that
   * `accept` has found.
   */
  async evidence(lane: NodeId): Promise<Uint8Array | null> {
    const known = this.#deps.notary.known(lane)?.evidence
    if (known) return known.bytes
    if (this.#deps.lanes.get(lane)?.forkHeight === null) return null
    return this.#deps.notary.inTurn(lane, async () => {
      const notes = await this.#deps.notary.notesOf(lane)
      const pair = notes.evidence === null ? await this.#forkedBlocks(lane) : null
      if (pair !== null) await this.#convict(notes, ['blocks', ...pair, null])
      return notes.evidence?.bytes ?? null
    })
  }

  /** Checks and keeps evidence from a peer. Null where it proves nothing, or nothing new. */
  async acceptEvidence(bytes: Uint8Array): Promise<Evidence | null> {
    let evidence: Evidence
    let lane: NodeId | undefined
    try {
      evidence = readEvidence(nodePrimitives, bytes)
      lane = this.#deps.lanes.all().find(({ store }) => store.lane === evidence.lane)?.store.lane
    } catch (error) {
      if (error instanceof Malformed) return null
      throw error
    }
    if (lane === undefined) return null // A lane of nobody here: nothing to quarantine.
    const id = lane
    return this.#deps.notary.inTurn(id, async () => {
      const notes = await this.#deps.notary.notesOf(id)
      if (notes.evidence !== null) return null
      await this.#keepEvidence(notes, bytes, evidence)
      return evidence
    })
  }

  async #convict(
    notes: LaneNotes,
    [kind, first, second, laneKey]: readonly [string, Cbor, Cbor, Uint8Array | null]
  ): Promise<void> {
    if (notes.evidence !== null) return
    const bytes = encodeCbor([1, kind, publicKeyOf(notes.lane), first, second, laneKey])
    try {
      await this.#keepEvidence(notes, bytes, readEvidence(nodePrimitives, bytes))
    } catch (error) {
      if (!(error instanceof Malformed)) throw error
      const { lane } = notes
      this.#deps.log.warn('What contradicts itself does not prove it', {
        lane,
        kind,
        why: error.message
      })
    }
  }

  async #keepEvidence(notes: LaneNotes, bytes: Uint8Array, evidence: Evidence): Promise<void> {
    await notes.convict(bytes, evidence)
    const { lane } = notes
    const { kind, height } = evidence
    this.#deps.log.error('A member has signed two histories of its lane', { lane, kind, height })
    this.#deps.onEvidence(lane)
  }

  /** The held block and the one kept beside the lane, each as [header, signature], in the right order. */
  async #forkedBlocks(lane: NodeId): Promise<readonly [Cbor, Cbor] | null> {
    const store = this.#deps.lanes.get(lane)?.store
    const file = await this.#deps.disk.open(forkName(lane))
    if (store === undefined || file === null) return null
    let other: Uint8Array
    try {
      other = await file.read(0, RECORD_BYTES_MAX)
    } finally {
      await file.close()
    }
    const height = parseFrameHead(other)?.height ?? 0
    const held = (await store.record(height)) ?? (await store.record(height - 1))
    const [a, b] = [held === null ? null : signedPart(held), signedPart(other)]
    return a === null || b === null ? null : [a, b]
  }
}

function signedPart(record: Uint8Array): Cbor {
  const head = parseFrameHead(record)
  return head === null ? null : [headerBytesOf(record, head), signatureOf(record, head)]
}
