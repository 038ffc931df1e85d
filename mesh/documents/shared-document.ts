// One document with several writers as this node holds it: the signed steps, and what they come to.
//
// A change also puts a row `~<author>/<stream>` that says how far its stream has come. So every base tells by
// itself what of each writer it holds, also when it was made from a base that was made from a base.
//
// Invariants
//   W1. What this node wrote last to each row is lost by no base of the next SHARED_OWN_KEPT_MS: where one does
//       not hold it, it is written again on top, by its author alone, if that still may write.
//   W2. A change that cannot be merged costs nothing but itself, on every node the same: it stays in the log,
//       is forwarded, and goes with the next base.
//   W3. A change is taken for nobody but the writer who signed it: its Automerge actor is that writer's, and
//       it puts no other stream's row.

import { toHex } from '../../core/index.ts'
import type { Clock, Entropy, MeshId, NodeId, Signer } from '../../core/index.ts'
import { MeshError } from '../errors.ts'
import {
  DOCUMENT_TEXT_BYTES_MAX,
  SHARED_EPOCH_MAX,
  SHARED_EPOCH_RESTART,
  SHARED_OPERATION_MAX,
  SHARED_OWN_KEPT_MS,
  SHARED_ROWS_MAX,
  SHARED_STREAMS_PER_AUTHOR_MAX
} from '../limits.ts'
import { actorOf, readChange, RowDocument } from './automerge.ts'
import type { Edits } from './automerge.ts'
import { parseRow } from './rows.ts'
import type { JsonValue } from './rows.ts'
import { acceptStep, baseIdOf, EMPTY_LOG, isLong, isVoid, lastOf, streamKey } from './shared-log.ts'
import type { SharedAcceptance, SharedLog } from './shared-log.ts'
import { isSharedKey, OWN_PREFIX } from './shared-rows.ts'
import type { SharedName, SharedTable } from './shared-rows.ts'
import { signBase, signDelta } from './shared-step.ts'
import type { SharedDelta, SharedStep } from './shared-step.ts'

export interface SharedDocumentDeps {
  readonly signer: Signer
  readonly clock: Clock
  readonly entropy: Entropy
  /** Who may write now. */
  readonly isAdmin: (author: NodeId) => boolean
}

export interface SharedOutcome {
  readonly kind: SharedAcceptance['kind']
  /** Our own changes that the new base did not hold, made anew: to be kept and sent as any other. */
  readonly again: readonly SharedDelta[]
  /** Why the step could not be merged (W2). */
  readonly spoiled: Error | null
}

/** A row as this node wrote it last. */
export interface OwnWrite {
  /** Null where it deleted the row. */
  readonly text: string | null
  /** The key of the stream of the change, and its sequence there. */
  readonly stream: string
  readonly sequence: number
  readonly at: number
}

export type OwnWrites = ReadonlyMap<string, OwnWrite>

const STREAM_BYTES = 8

export class SharedDocument {
  readonly #deps: SharedDocumentDeps
  readonly #of: { readonly mesh: MeshId; readonly document: SharedName }
  readonly #stream: string
  #sequence = 0
  #log: SharedLog = EMPTY_LOG
  #document: RowDocument
  #own = new Map<string, OwnWrite>()
  /** As it was before the last change. */
  #ownBefore = new Map<string, OwnWrite>()
  /** Not merged (W2). */
  readonly #spoiled = new Set<SharedDelta>()
  #isBaseSpoiled = false
  #highestOperation = 0
  #table: SharedTable | null = null

  constructor(deps: SharedDocumentDeps, mesh: MeshId, document: SharedName) {
    this.#deps = deps
    this.#of = { mesh, document }
    this.#stream = toHex(deps.entropy.bytes(STREAM_BYTES))
    this.#document = RowDocument.create(this.#writer())
  }

  get log(): SharedLog {
    return this.#log
  }

  /** What this node wrote last to each row, for the disk (W1). */
  get own(): OwnWrites {
    return this.#own
  }

  table(): SharedTable {
    this.#table ??= this.#read()
    return this.#table
  }

  /** `step` is verified, of the right mesh and document. With `mayWrite`, this node may still write (W1). */
  receive(step: SharedStep, mayWrite: boolean): SharedOutcome {
    const { kind, spoiled } = this.#take(step)
    const again = kind === 'replaced' ? this.#writeAgain(mayWrite) : []
    return { kind, again, spoiled }
  }

  /** What an earlier run kept. */
  restore(steps: readonly SharedStep[], own: OwnWrites): void {
    for (const step of steps) this.#take(step)
    for (const [key, write] of own) this.#own.set(key, write)
  }

  /**
   * Makes one signed change of all edits; null if they change nothing.
   * @throws MeshError `MESH_LIMIT_REACHED`
   */
  edit(edits: Edits): SharedDelta | null {
    const isNews = [...edits].some(([key, text]) => this.#document.get(key) !== text)
    if (!isNews) return null
    this.#checkRoom(edits)
    return this.#write(edits)
  }

  /** Takes back our last change, which could not be kept. Nobody has seen it. */
  retract(delta: SharedDelta): void {
    this.#own = this.#ownBefore
    const { base, deltas, deltaBytes } = this.#log
    const kept = deltas.filter((each) => each !== delta)
    this.#log = { base, deltas: kept, deltaBytes: deltaBytes - delta.bytes.length }
    this.#begin()
    this.#table = null
  }

  /** Whether a new base is due. `mayWrite` says who may write now. */
  needsBase(mayWrite: (author: NodeId) => boolean): boolean {
    const { base, deltas } = this.#log
    if (isLong(this.#log) || this.#spoiled.size > 0 || this.#isBaseSpoiled) return true
    if (this.#highestOperation > SHARED_OPERATION_MAX / 2) return true
    // Whoever has not got these yet will not take them any more: only a base gives them to everybody.
    return (
      (base !== null && !mayWrite(base.author)) || deltas.some((each) => !mayWrite(each.author))
    )
  }

  /**
   * Puts all that is here into a base of our own, and with it what of ours it could not hold yet. What departed
   * writers said of their streams goes.
   */
  rebase(isMember: (author: string) => boolean): readonly SharedStep[] {
    const { signer, isAdmin } = this.#deps
    const epoch = isVoid(this.#log, isAdmin) ? SHARED_EPOCH_RESTART : this.#nextEpoch()
    const rows = new Map([...this.#texts()].filter(([key]) => isSharedKey(key)))
    for (const [key, text] of this.#streamRows(isMember)) rows.set(key, text)
    const whole = RowDocument.create(`${this.#writer()}/${epoch}`)
    whole.edit(rows)
    const payload = whole.save()
    whole.free()
    const body = { ...this.#of, kind: 'base', author: signer.nodeId, epoch, payload } as const
    const base = signBase(signer, body)
    const { again } = this.receive(base, true)
    return [base, ...again]
  }

  #nextEpoch(): number {
    return Math.min((this.#log.base?.epoch ?? 0) + 1, SHARED_EPOCH_MAX)
  }

  free(): void {
    this.#document.free()
  }

  #take(step: SharedStep): Omit<SharedOutcome, 'again'> {
    const acceptance = acceptStep(this.#log, step, this.#deps.isAdmin)
    const { kind } = acceptance
    if (kind !== 'replaced' && kind !== 'extended') return { kind, spoiled: null }
    this.#log = acceptance.log
    this.#table = null
    return { kind, spoiled: step.kind === 'base' ? this.#begin() : this.#extend(step) }
  }

  /** One run on one base: no two kernels, and no two bases, ever number the same changes. */
  #writer(): string {
    return writerOf({ ...this.#of, ...this.#ownStream(), base: baseIdOf(this.#log) })
  }

  #ownStream(): { readonly author: NodeId; readonly stream: string } {
    return { author: this.#deps.signer.nodeId, stream: this.#stream }
  }

  #write(edits: Edits): SharedDelta {
    const { signer, clock } = this.#deps
    const own = this.#ownStream()
    this.#sequence += 1
    const key = OWN_PREFIX + streamKey(own)
    const all = new Map([...edits, [key, `${this.#sequence} ${clock.wall()}`]])
    const payload = this.#document.edit(all)
    if (payload === null) throw new MeshError('MESH_DOCUMENT_INVALID', 'A change came to nothing')
    const delta = signDelta(signer, {
      ...this.#of,
      ...own,
      kind: 'delta',
      base: baseIdOf(this.#log),
      sequence: this.#sequence,
      previous: lastOf(this.#log, streamKey(own)),
      payload
    })
    const { base, deltas, deltaBytes } = this.#log
    this.#log = { base, deltas: [...deltas, delta], deltaBytes: deltaBytes + delta.bytes.length }
    this.#table = null
    this.#remember(edits, streamKey(own))
    return delta
  }

  #remember(edits: Edits, stream: string): void {
    const at = this.#deps.clock.wall()
    this.#ownBefore = new Map(this.#own)
    for (const [key, write] of this.#own) {
      if (write.at < at - SHARED_OWN_KEPT_MS) this.#own.delete(key)
    }
    for (const [key, text] of edits) {
      this.#own.set(key, { text, stream, sequence: this.#sequence, at })
    }
  }

  /** W1. Of all our runs: an earlier one may have had no time to learn of this base. */
  #writeAgain(mayWrite: boolean): readonly SharedDelta[] {
    const missing = [...this.#own].filter(([, { stream, sequence }]) => {
      return sequence > this.#heldOf(stream)
    })
    for (const [key] of missing) this.#own.delete(key)
    if (missing.length === 0 || !mayWrite) return []
    return [this.#write(new Map(missing.map(([key, { text }]) => [key, text])))]
  }

  /** How much of a stream the document holds. */
  #heldOf(stream: string): number {
    return parseProgress(this.#document.get(OWN_PREFIX + stream)).sequence
  }

  /** The document anew, from the base and what is on top of it. */
  #begin(): Error | null {
    const { base, deltas } = this.#log
    this.#document.free()
    this.#highestOperation = 0
    let failure: Error | null = null
    this.#isBaseSpoiled = false
    try {
      this.#document =
        base === null
          ? RowDocument.create(this.#writer())
          : RowDocument.load(base.payload, this.#writer())
    } catch (error) {
      failure = asError(error)
      this.#isBaseSpoiled = true
      this.#document = RowDocument.create(this.#writer())
    }
    if (deltas.length === 0) this.#spoiled.clear()
    for (const delta of deltas) {
      if (this.#spoiled.has(delta)) continue
      failure ??= this.#extend(delta)
    }
    return failure
  }

  #extend(delta: SharedDelta): Error | null {
    try {
      const { actor, firstOperation, edits, isOfRowsAlone } = readChange(delta.payload)
      if (!isOfRowsAlone) throw notItsOwn()
      if (actor !== actorOf(writerOf(delta))) throw notItsOwn()
      const own = OWN_PREFIX + streamKey(delta)
      for (const key of edits.keys()) if (!isSharedKey(key) && key !== own) throw notItsOwn()
      if (parseProgress(edits.get(own) ?? null).sequence !== delta.sequence) throw notItsOwn()
      if (firstOperation > SHARED_OPERATION_MAX) throw notItsOwn()
      this.#highestOperation = Math.max(this.#highestOperation, firstOperation)
    } catch (error) {
      this.#spoiled.add(delta)
      return asError(error)
    }
    try {
      this.#document.apply(delta.payload)
      return null
    } catch (error) {
      this.#spoiled.add(delta)
      this.#begin()
      return asError(error)
    }
  }

  #texts(): ReadonlyMap<string, string> {
    const document = this.#document
    return new Map(
      document.keys().flatMap((key) => {
        const text = document.get(key)
        return text === null ? [] : [[key, text] as const]
      })
    )
  }

  /** How far the streams of members have come: of each the latest few runs. */
  #streamRows(isMember: (author: string) => boolean): readonly (readonly [string, string])[] {
    const streams = [...this.#texts()].filter(([key]) => key.startsWith(OWN_PREFIX))
    const byAuthor = Map.groupBy(streams, ([key]) => authorOf(key))
    return [...byAuthor].flatMap(([author, runs]) => {
      if (!isMember(author)) return []
      const latest = runs.toSorted(([, a], [, b]) => parseProgress(b).at - parseProgress(a).at)
      return latest.slice(0, SHARED_STREAMS_PER_AUTHOR_MAX)
    })
  }

  #read(): SharedTable {
    const table: Record<string, JsonValue> = Object.create(null)
    for (const [key, text] of this.#texts()) {
      const value = isSharedKey(key) ? parseRow(text) : undefined
      if (value !== undefined) table[key] = value
    }
    return table
  }

  #checkRoom(edits: Edits): void {
    const after = new Map([...this.#texts()].filter(([key]) => isSharedKey(key)))
    for (const [key, text] of edits) {
      if (text === null) after.delete(key)
      else after.set(key, text)
    }
    let bytes = 0
    for (const [key, text] of after) bytes += Buffer.byteLength(key) + Buffer.byteLength(text)
    if (after.size <= SHARED_ROWS_MAX && bytes <= DOCUMENT_TEXT_BYTES_MAX) return
    throw new MeshError(
      'MESH_LIMIT_REACHED',
      `Cannot put more rows: a shared document has <= ${SHARED_ROWS_MAX} rows and ` +
        `<= ${DOCUMENT_TEXT_BYTES_MAX} bytes of text; delete rows that are not needed`
    )
  }
}

function writerOf(of: {
  readonly mesh: MeshId
  readonly document: SharedName
  readonly author: NodeId
  readonly base: string
  readonly stream: string
}): string {
  return `${of.author}/${of.mesh}/shared/${of.document}/${of.base}/${of.stream}`
}

interface Progress {
  readonly sequence: number
  /** When that was written, by its author's clock. */
  readonly at: number
}

function parseProgress(text: string | null): Progress {
  const [sequence = 0, at = 0] = (text ?? '').split(' ').map(Number)
  return {
    sequence: Number.isSafeInteger(sequence) ? sequence : 0,
    at: Number.isFinite(at) ? at : 0
  }
}

function authorOf(key: string): string {
  return key.slice(OWN_PREFIX.length, key.indexOf('/'))
}

function notItsOwn(): MeshError {
  return new MeshError(
    'MESH_DOCUMENT_INVALID',
    'Cannot accept a change that is not its writer’s own'
  )
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
