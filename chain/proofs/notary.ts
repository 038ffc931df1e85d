// The checkpoints of all lanes: makes those of the own lane, checks and keeps those of others.
//
// Invariants
//   P1. A checkpoint of the own lane covers durable blocks only, and is stored before it is shown.
//   P2. No checkpoint of the own lane contradicts one that was stored before: then the lane has lost or
//       changed blocks, and nothing more is signed.

import { equalBytes, nodeId, utf8 } from '../../core/index.ts'
import type { Clock, Logger, NodeId, Signer } from '../../core/index.ts'
import { ChainQueryError, LaneReplacedError, LaneTruncatedError } from '../errors.ts'
import type { Lane } from '../lane.ts'
import type { Lanes } from '../lanes.ts'
import { LANES_MAX } from '../limits.ts'
import { Malformed } from '../offline/errors.ts'
import { laneOf, readCheckpoint, readLaneKey } from '../offline/keys.ts'
import { nodePrimitives } from '../offline/node-primitives.ts'
import { formatNote, parseCheckpoint, parseNote } from '../offline/note.ts'
import type { NoteLine } from '../offline/note.ts'
import type { LaneDisk } from '../ports.ts'
import { LaneNotes } from './lane-notes.ts'
import type { KeptCheckpoint } from './lane-notes.ts'
import { LaneTree } from './lane-tree.ts'
import type { TreeHead } from './lane-tree.ts'
import { noteSigner } from './note-signer.ts'
import type { NoteSigner } from './note-signer.ts'

export interface NotaryDeps {
  readonly disk: LaneDisk
  readonly clock: Clock
  readonly signer: Signer
  readonly log: Logger
  readonly lanes: Lanes
  /** The own lane is opened to get lost blocks back: it may be shorter than it was once signed. */
  readonly isRepair: boolean
  /** Whether own checkpoints are signed with ML-DSA, too. */
  readonly hasMlDsa: boolean
}

/** The note of a checkpoint and the statement of its ML-DSA key, as they travel. */
export interface SentCheckpoint {
  readonly note: Uint8Array
  readonly laneKey: Uint8Array | null
}

export class Notary {
  readonly #deps: NotaryDeps
  readonly #notes = new Map<NodeId, LaneNotes>()
  readonly #trees = new Map<NodeId, Promise<LaneTree>>()
  #signer: NoteSigner | null = null
  #turns = new Map<NodeId, Promise<unknown>>()

  private constructor(deps: NotaryDeps) {
    this.#deps = deps
  }

  /** @throws LaneTruncatedError `CHAIN_LANE_TRUNCATED`: the own lane is shorter than a checkpoint of it */
  static async open(deps: NotaryDeps): Promise<Notary> {
    const notary = new Notary(deps)
    for (const name of await deps.disk.list()) {
      const match = /^([1-9A-HJ-NP-Za-km-z]{1,64})\.(?:checkpoint|witness|evidence)-[ab]$/.exec(
        name
      )
      const lane = match?.[1] === undefined ? null : laneIdOf(match[1])
      if (lane !== null && !notary.#notes.has(lane)) await notary.#open(lane)
    }
    const self = deps.signer.nodeId
    const signed = notary.#notes.get(self)?.latest?.checkpoint.size ?? 0
    const height = deps.lanes.get(self)?.store.tip.height ?? 0
    if (signed > height && !deps.isRepair) throw new LaneTruncatedError(self, height, signed)
    return notary
  }

  get noteSigner(): NoteSigner {
    this.#signer ??= noteSigner(this.#deps.signer, this.#deps)
    return this.#signer
  }

  /** What is known of a lane's checkpoints, if anything is. */
  known(lane: NodeId): LaneNotes | null {
    return this.#notes.get(lane) ?? null
  }

  all(): readonly LaneNotes[] {
    return [...this.#notes.values()]
  }

  /** @throws ChainQueryError `CHAIN_QUERY_INVALID` beyond LANES_MAX */
  async notesOf(lane: NodeId): Promise<LaneNotes> {
    return this.#notes.get(lane) ?? this.#open(lane)
  }

  /** The tree of a lane that is held here. */
  treeOf(lane: Lane): Promise<LaneTree> {
    const id = lane.store.lane
    let tree = this.#trees.get(id)
    if (tree === undefined) {
      const signed = this.#notes.get(id)?.latest?.checkpoint ?? null
      const isHeld = signed !== null && signed.size <= lane.store.tip.height
      tree = LaneTree.open(this.#deps.disk, lane, isHeld ? signed : null)
      this.#trees.set(id, tree)
    }
    return tree
  }

  /** The lane is not held any more. */
  forgetTree(lane: NodeId): void {
    this.#trees.delete(lane)
  }

  /** Work on the checkpoints of one lane, one piece at a time. */
  inTurn<T>(lane: NodeId, work: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(lane) ?? Promise.resolve()).then(work)
    const settled = turn.catch(() => undefined) // The caller has the failure; the next turn is its own.
    this.#turns.set(lane, settled)
    return turn
  }

  /**
   * A checkpoint of the own lane as it is now; the last one where nothing has been added (P1).
   * @throws LaneReplacedError `CHAIN_LANE_REPLACED` (P2); whatever the disk throws
   */
  checkpoint(own: Lane): Promise<KeptCheckpoint> {
    return this.inTurn(own.store.lane, async () => {
      const { signer, clock } = this.#deps
      const notes = await this.notesOf(signer.nodeId)
      const last = notes.latest
      const { height } = own.store.tip
      if (last !== null && last.checkpoint.size === height) return last
      const tree = await this.treeOf(own)
      const head = await tree.head(height)
      if (last !== null) await this.#refuseChanged(tree, last.checkpoint)
      await tree.flush()
      const { laneKey } = this.noteSigner
      const note = this.noteSigner.checkpoint(head, Math.floor(clock.wall() / 1000))
      const kept = keep(utf8(formatNote(note)), laneKey)
      await notes.keep(kept, laneKey)
      // From here the checkpoint is durable, and may be shown.
      return kept
    })
  }

  async #refuseChanged(tree: LaneTree, last: TreeHead): Promise<void> {
    const { root } = await tree.head(last.size)
    if (!equalBytes(root, last.root)) {
      throw new LaneReplacedError(this.#deps.signer.nodeId, last.size)
    }
  }

  /** Adds the lines of a witness to the own checkpoint they are for. @returns whether they were good */
  addCosignature(text: string, line: NoteLine): Promise<boolean> {
    const self = this.#deps.signer.nodeId
    return this.inTurn(self, async () => {
      const notes = this.#notes.get(self)
      const kept = [notes?.latest, notes?.cosigned].find((each) => each?.checkpoint.text === text)
      if (notes === undefined || kept === undefined || kept === null) return false
      const { lines } = parseNote(kept.note)
      if (lines.some(({ name }) => name === line.name)) return true
      const note = utf8(formatNote({ text, lines: [...lines, line] }))
      try {
        const more = keep(note, notes.laneKey)
        if (more.checkpoint.unknown.length > 0) return false
        await notes.keep(more, null)
        return true
      } catch (error) {
        if (error instanceof Malformed) return false
        throw error
      }
    })
  }

  /**
   * Keeps a checkpoint that another lane's owner sent, if it is newer or has more witnesses than the last.
   * Null where a line is wrong, or the lane is none that `isKnown`.
   */
  async learn(
    sent: SentCheckpoint,
    isKnown: (lane: NodeId) => boolean
  ): Promise<(KeptCheckpoint & { readonly lane: NodeId }) | null> {
    const read = readSent(sent)
    if (read === null || !isKnown(read.lane)) return null
    const { lane, kept } = read
    return this.inTurn(lane, async () => {
      const notes = await this.notesOf(lane)
      const { latest } = notes
      const news = kept.checkpoint.size - (latest?.checkpoint.size ?? -1)
      const witnesses = kept.checkpoint.witnesses.length
      const more = witnesses - (latest?.checkpoint.witnesses.length ?? 0)
      if (news > 0 || (news === 0 && more > 0)) await notes.keep(kept, sent.laneKey)
      return { ...kept, lane }
    })
  }

  async #open(lane: NodeId): Promise<LaneNotes> {
    if (this.#notes.size >= LANES_MAX) {
      throw new ChainQueryError(`Cannot keep checkpoints of more than ${LANES_MAX} lanes`)
    }
    const notes = await LaneNotes.open(this.#deps.disk, lane)
    const other = this.#notes.get(lane) // Two may have opened it at once: the first counts.
    if (other === undefined) this.#notes.set(lane, notes)
    return other ?? notes
  }
}

/** Reads a checkpoint with its key, checking all lines of known keys; null where one is wrong. */
export function readSent(
  sent: SentCheckpoint
): { readonly lane: NodeId; readonly kept: KeptCheckpoint } | null {
  try {
    return checkSent(sent)
  } catch (error) {
    if (error instanceof Malformed) return null
    throw error
  }
}

function checkSent(sent: SentCheckpoint): {
  readonly lane: NodeId
  readonly kept: KeptCheckpoint
} {
  const origin = laneOf(parseCheckpoint(parseNote(sent.note).text).origin)
  if (origin === null) throw new Malformed('a checkpoint of no lane')
  if (sent.laneKey !== null && readLaneKey(nodePrimitives, sent.laneKey).lane !== origin) {
    throw new Malformed('the statement of a key is of another lane')
  }
  return { lane: nodeId(origin), kept: keep(sent.note, sent.laneKey) }
}

function keep(note: Uint8Array, laneKey: Uint8Array | null): KeptCheckpoint {
  const mlDsa44 = laneKey === null ? null : readLaneKey(nodePrimitives, laneKey).mlDsa44
  return { note, checkpoint: readCheckpoint(nodePrimitives, note, mlDsa44) }
}

function laneIdOf(text: string): NodeId | null {
  try {
    return nodeId(text)
  } catch {
    return null // Not one of our files.
  }
}
