// All documents of this node: its own, and the replicas of the others'. Knows nothing of connections.

import { millis } from '../../core/index.ts'
import type {
  Clock,
  KeyValueStore,
  Logger,
  MeshId,
  Millis,
  NodeId,
  Signer
} from '../../core/index.ts'
import { MeshError } from '../errors.ts'
import { publishPause, smoothTurn } from './pace.ts'
import type { Tasks } from '../tasks.ts'
import { Budgets } from './budget.ts'
import { checkedEnvelope, readEnvelope } from './envelope.ts'
import type { ClaimedEnvelope, Envelope } from './envelope.ts'
import { isBehind, positionOf } from './log.ts'
import type { DocumentLog, Position, Vector } from './log.ts'
import { OwnDocument } from './own-document.ts'
import { Replica } from './replica.ts'
import { fieldOf, NO_ROWS, rowText } from './rows.ts'
import type { JsonValue, Rows, Sections } from './rows.ts'
import { Shelf } from './shelf.ts'

export interface DocumentsDeps {
  readonly signer: Signer
  readonly clock: Clock
  readonly log: Logger
  readonly tasks: Tasks
  readonly store: KeyValueStore
  /** Whose documents are taken in. */
  readonly isMember: (id: NodeId) => boolean
  /** Called when our own document has new steps to send. */
  readonly onPublished: () => void
}

export class Documents implements Rows {
  readonly #deps: DocumentsDeps
  readonly #self: NodeId
  readonly #own: OwnDocument
  readonly #replicas = new Map<NodeId, Replica>()
  readonly #shelf: Shelf
  readonly #budgets = new Budgets<NodeId>()
  /** What members cost that forward what its owner did not sign. */
  readonly #forgers = new Budgets<NodeId>()
  readonly #ownBudget = new Budgets<'own'>({ share: 0.5 })
  readonly #listeners = new Set<(node: NodeId) => void>()
  #mesh: MeshId | null = null
  #isPublishing = false
  #publishedAt: Millis | null = null
  #turnMs = millis(0)

  constructor(deps: DocumentsDeps, options: { readonly generation: number }) {
    this.#deps = deps
    this.#self = deps.signer.nodeId
    this.#own = new OwnDocument(deps.signer, options)
    const logOf = (owner: NodeId): DocumentLog | null => this.#replicas.get(owner)?.log ?? null
    this.#shelf = new Shelf({ ...deps, logOf })
  }

  put(section: string, key: string, value: JsonValue): void {
    if (this.#own.set(fieldOf(section, key), rowText(value))) this.#publishSoon()
  }

  delete(section: string, key: string): void {
    if (this.#own.set(fieldOf(section, key), null)) this.#publishSoon()
  }

  of(node: NodeId): Sections {
    if (node === this.#self) return this.#own.sections()
    return this.#replicas.get(node)?.sections() ?? NO_ROWS
  }

  /** One row; undefined where there is none. */
  get(node: NodeId, section: string, key: string): JsonValue | undefined {
    if (node === this.#self) return this.#own.row(section, key)
    return this.#replicas.get(node)?.row(section, key)
  }

  nodes(): readonly NodeId[] {
    return [this.#self, ...this.#replicas.keys()]
  }

  onChange(listener: (node: NodeId) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Begins anew in `mesh`: other meshes' documents are none of ours any more. */
  open(mesh: MeshId): void {
    if (this.#mesh === mesh) return
    this.#mesh = mesh
    this.#freeReplicas()
    this.#own.open(mesh)
    this.#deps.tasks.run('read replicas', () => this.#readShelf())
  }

  /** Whether `owner` has cost too much, and is left alone for now. */
  isQuarantined(owner: NodeId): boolean {
    return this.#budgets.isQuarantined(owner, this.#deps.clock.now())
  }

  /** Writes replicas to disk that have changed since the last time. */
  async save(): Promise<void> {
    await this.#shelf.save()
  }

  async #readShelf(): Promise<void> {
    for (const [owner, steps] of await this.#shelf.load()) {
      if (this.#deps.isMember(owner)) this.receive(this.#self, steps)
      this.#shelf.touch(owner) // What could not be used goes.
      await Promise.resolve() // Between two documents others get their turn.
    }
  }

  /** There is no mesh any more: our rows stay, everybody else's go. */
  shut(): void {
    this.#mesh = null
    this.#own.free()
    this.#freeReplicas()
  }

  /** Drops the documents of nodes that are no members. */
  retainMembers(): void {
    for (const node of this.#replicas.keys()) {
      if (this.#deps.isMember(node)) continue
      this.#replicas.delete(node)
      this.#budgets.forget(node)
      this.#forgers.forget(node)
      this.#shelf.touch(node)
      this.#changed(node)
    }
  }

  vector(): Vector {
    const logs = [...this.nodes()].map((node) => [node, this.position(node)] as const)
    return new Map(logs.flatMap(([node, at]) => (at === null ? [] : [[node, at] as const])))
  }

  position(node: NodeId): Position | null {
    const log = this.log(node)
    return log === null ? null : positionOf(log)
  }

  log(node: NodeId): DocumentLog | null {
    return node === this.#self ? this.#own.log : (this.#replicas.get(node)?.log ?? null)
  }

  /**
   * Takes in steps from `from`, whoever made them. A bad one is dropped and counted against nobody but
   * its document.
   * @returns the owners it was about
   */
  receive(from: NodeId, envelopes: readonly unknown[]): ReadonlySet<NodeId> {
    const touched = new Set<NodeId>()
    const changed = new Set<NodeId>()
    for (const bytes of envelopes) {
      try {
        const owner = this.#receiveOne(from, bytes, changed)
        touched.add(owner)
      } catch (error) {
        this.#deps.log.warn('refused a document change', { from, error: String(error) })
      }
    }
    for (const node of changed) this.#changed(node)
    return touched
  }

  /** Frees the documents' memory. Nothing may be called afterwards but the readers. */
  close(): void {
    this.#own.free()
    this.#freeReplicas()
    this.#listeners.clear()
  }

  #receiveOne(from: NodeId, bytes: unknown, changed: Set<NodeId>): NodeId {
    const now = this.#deps.clock.now()
    const claimed = readEnvelope(bytes)
    const { owner } = claimed
    if (claimed.mesh !== this.#mesh || !this.#deps.isMember(owner) || owner === this.#self) {
      throw new MeshError('MESH_DOCUMENT_INVALID', `Cannot take in a document of ${owner} here`)
    }
    // It changes nothing, whoever made it, and costs its owner nothing.
    if (!isBehind(this.position(owner), claimed)) return owner
    const envelope = this.#checked(from, claimed, now)
    const replica = this.#replicas.get(owner) ?? new Replica()
    const outcome = replica.receive(envelope)
    if (replica.log !== null) this.#replicas.set(owner, replica)
    if (outcome.hasChanged) changed.add(owner)
    if (outcome.kind === 'replaced' || outcome.kind === 'extended') this.#shelf.touch(owner)
    if (outcome.kind === 'over-budget') {
      this.#budgets.quarantine(owner, now)
      this.#deps.log.warn('a document is over its budget', { owner })
    }
    if (outcome.poisoned !== null) {
      const { cause, message } = outcome.poisoned
      this.#deps.log.warn('lost a document', { owner, error: `${message}: ${String(cause)}` })
    }
    return owner
  }

  /** Of a forgery the forwarder bears the cost, not the owner whose name is on it. */
  #checked(from: NodeId, claimed: ClaimedEnvelope, now: Millis): Envelope {
    const { owner, bytes } = claimed
    const isForwarded = from !== owner && from !== this.#self
    if (isForwarded) {
      if (this.#forgers.isQuarantined(from, now)) throw overBudget(from)
    } else this.#checkBudget(this.#budgets, claimed, now)
    let envelope: Envelope
    try {
      envelope = checkedEnvelope(claimed)
    } catch (error) {
      if (isForwarded) this.#checkBudget(this.#forgers, { owner: from, bytes }, now)
      throw error
    }
    if (isForwarded) this.#checkBudget(this.#budgets, claimed, now)
    return envelope
  }

  #checkBudget(
    budgets: Budgets<NodeId>,
    { owner, bytes }: { readonly owner: NodeId; readonly bytes: Uint8Array },
    now: Millis
  ): void {
    if (!budgets.isQuarantined(owner, now)) {
      if (budgets.spend(owner, bytes.length, now)) return
      budgets.quarantine(owner, now)
      this.#deps.log.warn('a document changes faster than its budget allows', { owner })
    }
    throw overBudget(owner)
  }

  /** At once after a quiet time, else when the pause is over: what comes meanwhile shares the delta. */
  #publishSoon(): void {
    if (this.#isPublishing) return
    this.#isPublishing = true
    const { clock, tasks } = this.#deps
    tasks.run('publish', async (signal) => {
      try {
        const due = this.#publishedAt === null ? 0 : this.#publishedAt + publishPause(this.#turnMs)
        const saving = this.#ownBudget.wait('own', this.#own.dirtyBytes, clock.now())
        const delay = Math.max(due - clock.now(), saving)
        // Also without a delay this runs after the current tick's puts.
        if (delay > 0) await clock.sleep(millis(delay), signal)
        else await Promise.resolve()
      } finally {
        this.#isPublishing = false
      }
      this.#publishedAt = clock.now()
      this.#ownBudget.spend('own', this.#own.publish(), clock.now())
      this.#deps.onPublished()
      this.#changed(this.#self)
      const began = this.#publishedAt
      await clock.sleep(millis(0), signal)
      this.#turnMs = smoothTurn(this.#turnMs, millis(clock.now() - began))
    })
  }

  #changed(node: NodeId): void {
    for (const listener of this.#listeners) {
      try {
        listener(node)
      } catch (error) {
        this.#deps.log.error('a listener of rows failed', { node, error: String(error) })
      }
    }
  }

  #freeReplicas(): void {
    this.#replicas.clear()
  }
}

function overBudget(member: NodeId): MeshError {
  return new MeshError('MESH_DOCUMENT_INVALID', `Left ${member} alone: it is over its budget`)
}
