// What a chain can show to others: checkpoints, cosignatures, proofs, exports, evidence. The face of this
// folder; chain.ts hands it out as `chain.proofs`.

import { equalBytes, nodeIdOf, publicKeyOf, toHex, utf8 } from '../../core/index.ts'
import type { Clock, Logger, NodeId, Signer } from '../../core/index.ts'
import { decodeEntry, entryId } from '../entry.ts'
import type { EntryRef } from '../entry.ts'
import { ChainQueryError, FormatError, NotProvableError, PayloadsNotHeldError } from '../errors.ts'
import { blockHash, payloadHash } from '../hashes.ts'
import { lacksPayloads } from '../keeping.ts'
import type { Lane } from '../lane.ts'
import type { Lanes } from '../lanes.ts'
import { nodeKey } from '../offline/bytes.ts'
import type { Evidence } from '../offline/evidence.ts'
import { originOf, witnessName } from '../offline/keys.ts'
import { nodePrimitives } from '../offline/node-primitives.ts'
import { formatNote, parseNote } from '../offline/note.ts'
import type { NoteLine } from '../offline/note.ts'
import type { ProofPart } from '../offline/proof-file.ts'
import { rootOfInclusion, sha256Leaf, sha256Pair } from '../offline/tree.ts'
import type { LaneDisk } from '../ports.ts'
import { entryParts, ExportWriter, formatProof } from './bundle.ts'
import type { BundleMesh } from './bundle.ts'
import type { KeptCheckpoint, LaneNotes } from './lane-notes.ts'
import { Notary } from './notary.ts'
import type { SentCheckpoint } from './notary.ts'
import { Witnessing } from './witnessing.ts'
import type { CosignAnswer, CosignRequest } from './witnessing.ts'

export interface ProofsDeps {
  readonly disk: LaneDisk
  readonly clock: Clock
  readonly signer: Signer
  readonly log: Logger
  readonly lanes: Lanes
  readonly isRepair: boolean
  readonly hasMlDsa: boolean
}

/** The newest checkpoint of a lane, for people. */
export interface LaneCheckpoint {
  readonly size: number
  readonly root: Uint8Array
  readonly witnesses: readonly NodeId[]
}

/** The mesh of a bundle, and who of the witnesses is a member of it. */
export interface BundleOptions {
  readonly mesh: BundleMesh
  readonly isMember: (node: NodeId) => boolean
}

export interface ProveOptions extends BundleOptions {
  readonly withPayload: boolean
  /** The payload slot, from whoever has it, for an entry whose payload is not held here. */
  readonly slot?: Uint8Array | null
  /** The entry that has redacted it: shown where the payload would be. */
  readonly redaction?: EntryRef | null
}

export class Proofs {
  readonly #deps: ProofsDeps
  readonly #notary: Notary
  readonly #witnessing: Witnessing
  readonly #listeners = new Set<(lane: NodeId) => void>()
  /** Lanes whose owners hold less of them than this node does. */
  readonly #short = new Set<NodeId>()

  private constructor(deps: ProofsDeps, notary: Notary) {
    this.#deps = deps
    this.#notary = notary
    const onEvidence = (lane: NodeId): void => {
      for (const listener of this.#listeners) listener(lane)
    }
    this.#witnessing = new Witnessing({ ...deps, notary, onEvidence })
  }

  /** @throws LaneTruncatedError `CHAIN_LANE_TRUNCATED`: the own lane is shorter than it was once signed */
  static async open(deps: ProofsDeps): Promise<Proofs> {
    return new Proofs(deps, await Notary.open(deps))
  }

  /** Tells of every lane that evidence is first kept against. Returns the way to stop listening. */
  onEvidence(listener: (lane: NodeId) => void): () => void {
    const own = (lane: NodeId): void => listener(lane)
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  /** The newest checkpoint of a lane that somebody cosigned, else the newest. */
  latest(lane: NodeId): LaneCheckpoint | null {
    const notes = this.#notary.known(lane)
    const kept = notes?.cosigned ?? notes?.latest ?? null
    if (kept === null) return null
    const { size, root, witnesses } = kept.checkpoint
    return { size, root, witnesses: witnesses.map(({ node }) => idOf(node)) }
  }

  /** What the evidence against a lane makes of it, or null. */
  stateOf(lane: NodeId): 'forked' | 'truncated' | null {
    const kind = this.#notary.known(lane)?.evidence?.evidence.kind
    if (kind === undefined) return this.#short.has(lane) ? 'truncated' : null
    return kind === 'truncation' ? 'truncated' : 'forked'
  }

  /** What the evidence kept against a lane proves, and from which height on; null without any. */
  proven(lane: NodeId): { readonly state: 'forked' | 'truncated'; readonly height: number } | null {
    const evidence = this.#notary.known(lane)?.evidence?.evidence
    if (evidence === undefined) return null
    const { kind, height } = evidence
    return { state: kind === 'truncation' ? 'truncated' : 'forked', height }
  }

  /** Whether the owner of a lane, asked just now, holds less of it than this node: it has lost blocks. */
  noteOwner(lane: NodeId, isShort: boolean): void {
    if (isShort) this.#short.add(lane)
    else this.#short.delete(lane)
  }

  /** The lane is not held any more: should it be held again, its tree is made from its blocks. */
  forgetTree(lane: NodeId): void {
    this.#notary.forgetTree(lane)
  }

  /** The blocks of the own lane that no checkpoint covers yet. */
  uncovered(): number {
    const own = this.#own()
    const size = this.#notary.known(own.store.lane)?.latest?.checkpoint.size ?? 0
    return own.store.tip.height - size
  }

  /**
   * A checkpoint of the own lane as it is now, durable once resolved; the last one where nothing has been
   * added. @throws LaneReplacedError `CHAIN_LANE_REPLACED`; whatever the disk throws
   */
  async checkpoint(): Promise<SentCheckpoint & LaneCheckpoint> {
    return this.#sent(await this.#notary.checkpoint(this.#own()))
  }

  /** The own checkpoint with the most to show, to be told to peers; null before the first. */
  current(): (SentCheckpoint & LaneCheckpoint) | null {
    const notes = this.#notary.known(this.#deps.signer.nodeId)
    const kept = notes?.cosigned ?? notes?.latest ?? null
    return kept === null ? null : this.#sent(kept)
  }

  /** The newest own checkpoint as a request to a witness that cosigned one of `oldSize` last. */
  async request(oldSize: number): Promise<CosignRequest | null> {
    const own = this.#own()
    const latest = this.#notary.known(own.store.lane)?.latest ?? null
    if (latest === null || oldSize > latest.checkpoint.size) return null
    const tree = await this.#notary.treeOf(own)
    const path = await tree.consistency(oldSize, latest.checkpoint.size)
    const { note, laneKey } = this.#sent(latest)
    return { note, laneKey, oldSize, path }
  }

  /** Answers as a witness. Persisted before it resolves. Never throws on what the request says. */
  cosign(request: CosignRequest, isKnown: (lane: NodeId) => boolean): Promise<CosignAnswer> {
    return this.#witnessing.cosign(request, isKnown)
  }

  /** Adds what `witness` answered to the own checkpoint of this text. @returns whether it was good */
  addCosignature(witness: NodeId, answer: { text: string; line: NoteLine }): Promise<boolean> {
    if (answer.line.name !== witnessName(witness)) return Promise.resolve(false)
    return this.#notary.addCosignature(answer.text, answer.line)
  }

  /** Keeps a checkpoint of a lane that `isKnown`; null where it is of another, or a line of it is wrong. */
  async learn(sent: SentCheckpoint, isKnown: (lane: NodeId) => boolean): Promise<NodeId | null> {
    const learned = await this.#notary.learn(sent, isKnown)
    if (learned === null) return null
    await this.#witnessing.compare(learned.lane, learned)
    return learned.lane
  }

  /** The transferable evidence against a lane, or null. */
  evidence(lane: NodeId): Promise<Uint8Array | null> {
    return this.#witnessing.evidence(lane)
  }

  /** Checks and keeps evidence from a peer; null where it proves nothing, or nothing new. */
  acceptEvidence(bytes: Uint8Array): Promise<Evidence | null> {
    return this.#witnessing.acceptEvidence(bytes)
  }

  /**
   * A self-contained proof of one entry, as the text of a file.
   * @throws ChainQueryError `CHAIN_QUERY_INVALID`; NotProvableError `CHAIN_NOT_PROVABLE`: no checkpoint
   * covers its block yet; FormatError `CHAIN_FORMAT_INVALID`: its block is damaged, or `slot` is of another entry
   */
  async prove(id: string, options: ProveOptions): Promise<string> {
    const part = await this.#part(entryId(id), options)
    const by = options.withPayload && part.payload === null ? (options.redaction ?? null) : null
    return formatProof({
      mesh: options.mesh.id,
      statements: options.mesh.statements,
      ...part,
      redaction: by === null ? null : await this.#part(by, { ...options, slot: null })
    })
  }

  async #part(ref: EntryRef, options: ProveOptions): Promise<ProofPart> {
    const lane = this.#deps.lanes.get(ref.lane)
    const record = (await lane?.store.record(ref.height)) ?? null
    if (lane === undefined || record === null) {
      throw new ChainQueryError(`Cannot prove ${ref.id}: it is not held here`)
    }
    const { bytes, path, header, signature, ...parts } = entryParts(record, ref.index)
    const payload = parts.payload ?? slotOf(bytes, options.slot ?? null)
    const notes = await this.#covering(lane, ref.height)
    const leaf = sha256Leaf(nodePrimitives, blockHash(header))
    return {
      entry: { id: ref.id, bytes, path },
      payload: options.withPayload ? payload : null,
      header,
      signature,
      path: await this.#inclusion(lane, { height: ref.height, leaf, kept: notes.kept }),
      laneKey: notes.kept.checkpoint.hasMlDsa ? notes.laneKey : null,
      note: new TextDecoder().decode(forBundle(notes.kept, ref.lane, options.isMember))
    }
  }

  /** The bytes of an export of the chosen lanes, as they are now. @throws FormatError when one is damaged */
  async *export(chosen: readonly NodeId[], options: BundleOptions): AsyncGenerator<Uint8Array> {
    const lanes = chosen.flatMap((id) => this.#deps.lanes.get(id) ?? [])
    const bare = lanes.find(({ store }) => lacksPayloads(this.#deps.lanes.keeping(store.lane)))
    if (bare !== undefined) throw new PayloadsNotHeldError(`export lane ${bare.store.lane}`)
    lanes.sort((a, b) => Buffer.compare(publicKeyOf(a.store.lane), publicKeyOf(b.store.lane)))
    const writer = new ExportWriter()
    yield* writer.begin(options.mesh)
    for (const lane of lanes) {
      const { height, hash } = lane.store.tip
      const notes = this.#notary.known(lane.store.lane)
      const kept = best(notes, ({ size }) => size <= height)
      const note = kept === null ? null : forBundle(kept, lane.store.lane, options.isMember)
      const laneKey = kept?.checkpoint.hasMlDsa === true ? (notes?.laneKey ?? null) : null
      const records = recordsUpTo(lane, height)
      yield* writer.lane({ lane: lane.store.lane, height, hash, laneKey, note, records })
    }
    yield writer.end()
  }

  async #covering(
    lane: Lane,
    height: number
  ): Promise<{ readonly kept: KeptCheckpoint; readonly laneKey: Uint8Array | null }> {
    const id = lane.store.lane
    const held = lane.store.tip.height
    const notes = this.#notary.known(id)
    let kept = best(notes, ({ size }) => size >= height && size <= held)
    if (kept === null && lane.isOwn) kept = await this.#notary.checkpoint(lane)
    const laneKey = this.#notary.known(id)?.laneKey ?? null
    if (kept === null) throw new NotProvableError(`block ${height} of lane ${id}`)
    return { kept, laneKey }
  }

  /** Checked against the root that was signed (P4), and built anew from the lane where the files have rotted. */
  async #inclusion(
    lane: Lane,
    { height, leaf, kept }: { height: number; leaf: Uint8Array; kept: KeptCheckpoint }
  ): Promise<readonly Uint8Array[]> {
    const tree = await this.#notary.treeOf(lane)
    const { size, root } = kept.checkpoint
    for (const attempt of ['stored', 'rebuilt']) {
      const path = await tree.inclusion(height, size)
      const place = { index: height - 1, size, leaf, path }
      const found = rootOfInclusion(place, sha256Pair(nodePrimitives))
      if (found !== null && equalBytes(found, root)) return path
      if (attempt === 'stored') await tree.rebuild()
    }
    throw new FormatError(
      `lane ${lane.store.lane} is not the one whose root ${toHex(root)} was signed`
    )
  }

  #sent(kept: KeptCheckpoint): SentCheckpoint & LaneCheckpoint {
    const { note, checkpoint } = kept
    const { size, root } = checkpoint
    const { laneKey } = this.#notary.noteSigner
    const witnesses = checkpoint.witnesses.map(({ node }) => idOf(node))
    return { note, laneKey, size, root, witnesses }
  }

  #own(): Lane {
    const own = this.#deps.lanes.get(this.#deps.signer.nodeId)
    if (own === undefined) throw new FormatError('this node has no lane')
    return own
  }
}

/** A payload slot from elsewhere, if it is the one that the entry names. @throws FormatError */
function slotOf(entry: Uint8Array, slot: Uint8Array | null): Uint8Array | null {
  if (slot === null || equalBytes(payloadHash(slot), decodeEntry(entry).payloadHash)) return slot
  throw new FormatError('a payload is not the one that its entry names')
}

/** The checkpoint that fits with the most witnesses. */
function best(
  notes: LaneNotes | null,
  fits: (checkpoint: KeptCheckpoint['checkpoint']) => boolean
): KeptCheckpoint | null {
  const all = [notes?.cosigned ?? null, notes?.latest ?? null]
  return all.find((kept) => kept !== null && fits(kept.checkpoint)) ?? null
}

/** The note with the lines alone that a bundle explains: the lane's, and those of other members. */
function forBundle(
  kept: KeptCheckpoint,
  lane: NodeId,
  isMember: (node: NodeId) => boolean
): Uint8Array {
  const { text, lines } = parseNote(kept.note)
  const members = kept.checkpoint.witnesses.filter(({ node }) => {
    return node !== lane && isMember(idOf(node))
  })
  const names = new Set([originOf(lane), ...members.map(({ node }) => witnessName(node))])
  return utf8(formatNote({ text, lines: lines.filter(({ name }) => names.has(name)) }))
}

/** The id of a node whose text the verifier has already read. */
function idOf(node: string): NodeId {
  return nodeIdOf(nodeKey(node) ?? new Uint8Array(0))
}

async function* recordsUpTo(lane: Lane, height: number): AsyncGenerator<Uint8Array> {
  let next = 1
  for await (const item of height === 0 ? [] : lane.store.scan(1)) {
    if (item.kind === 'damage' || item.head.height !== next) break
    yield item.bytes
    next += 1
    if (next > height) return
  }
  if (next <= height) {
    throw new FormatError(
      `block ${next} of lane ${lane.store.lane} is damaged; see: weaver chain verify`
    )
  }
}
