// All documents of this node that several members write: who may, what is kept, and when a new base is due.
// Knows nothing of connections.
//
// Invariants
//   O1. A step counts only if its author may write when it arrives. What a writer did before it lost that
//       right, and some have and others not, is settled by the base that a keeper then makes.
//   O2. What this node wrote is on its disk before anybody else has it, and before `edit` resolves.
//   O3. Only the keeper makes bases: the admin of the lowest id among those that it is connected to. Two
//       keepers of two halves of a mesh may, and one base wins (L1); what the other held is written again (W1).

import type {
  Clock,
  Entropy,
  KeyValueStore,
  Logger,
  MeshId,
  NodeId,
  Signer
} from '../../core/index.ts'
import { MeshError } from '../errors.ts'
import { Serial } from '../tasks.ts'
import type { Tasks } from '../tasks.ts'
import { Budgets } from './budget.ts'
import type { JsonValue } from './rows.ts'
import { SharedDocument } from './shared-document.ts'
import { EMPTY_LOG, isVoid, NO_POSITION, positionOf } from './shared-log.ts'
import type { SharedLog, SharedPosition } from './shared-log.ts'
import { SHARED_NAMES, sharedEdits } from './shared-rows.ts'
import type { SharedName, SharedRows, SharedTable } from './shared-rows.ts'
import { SharedShelf } from './shared-shelf.ts'
import { checkedStep, readStep } from './shared-step.ts'
import type { SharedStep } from './shared-step.ts'

export interface SharedDocumentsDeps {
  readonly signer: Signer
  readonly clock: Clock
  readonly entropy: Entropy
  readonly log: Logger
  readonly tasks: Tasks
  readonly store: KeyValueStore
  readonly isMember: (id: string) => boolean
  readonly isAdmin: (id: NodeId) => boolean
  readonly connectedPeers: () => readonly NodeId[]
  /** Called when this node has made steps, once they are on its disk. */
  readonly onPublished: (steps: readonly SharedStep[]) => void
}

const NO_TABLE: SharedTable = Object.freeze(Object.create(null))

export class SharedDocuments implements SharedRows {
  readonly #deps: SharedDocumentsDeps
  readonly #documents = new Map<SharedName, SharedDocument>()
  readonly #shelf: SharedShelf
  /** What is handed over here costs whoever hands it over. */
  readonly #budgets = new Budgets<NodeId>()
  readonly #listeners = new Set<(document: SharedName) => void>()
  /** One change of the documents at a time, from the check to the disk (O2). */
  readonly #turn = new Serial()
  #mesh: MeshId | null = null

  constructor(deps: SharedDocumentsDeps) {
    this.#deps = deps
    this.#shelf = new SharedShelf(deps.store)
  }

  of(document: SharedName): SharedTable {
    return this.#documents.get(document)?.table() ?? NO_TABLE
  }

  async edit(document: SharedName, edits: ReadonlyMap<string, JsonValue | null>): Promise<void> {
    const texts = sharedEdits(edits)
    await this.#turn.run(async () => {
      const { signer, isAdmin } = this.#deps
      const shared = this.#documents.get(document)
      if (shared === undefined) {
        throw new MeshError('MESH_NO_MESH', `Cannot change ${document}: this node is in no mesh`)
      }
      if (!isAdmin(signer.nodeId)) {
        throw new MeshError('MESH_NOT_ADMIN', `Cannot change ${document}: only an admin may`, {
          detail: { hint: 'weaver mesh peers shows who is an admin' }
        })
      }
      const delta = shared.edit(texts)
      if (delta === null) return
      try {
        await this.#shelf.save(document, shared)
      } catch (error) {
        shared.retract(delta)
        throw error
      }
      this.#deps.onPublished([delta])
      this.#changed(document)
    })
    this.settle()
  }

  onChange(listener: (document: SharedName) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  log(document: SharedName): SharedLog {
    return this.#documents.get(document)?.log ?? EMPTY_LOG
  }

  /** Where this node stands, for whoever has more: nowhere, where its base is void (L1). */
  position(document: SharedName): SharedPosition {
    const log = this.log(document)
    return isVoid(log, this.#deps.isAdmin) ? NO_POSITION : positionOf(log)
  }

  /** Begins anew in `mesh`, with what is on the disk of it. */
  open(mesh: MeshId): void {
    if (this.#mesh === mesh) return
    this.shut()
    this.#mesh = mesh
    for (const name of SHARED_NAMES) {
      this.#documents.set(name, new SharedDocument(this.#deps, mesh, name))
    }
    this.#deps.tasks.run('read shared documents', () => this.#turn.run(() => this.#load(mesh)))
  }

  /** There is no mesh any more. */
  shut(): void {
    this.#mesh = null
    for (const document of this.#documents.values()) document.free()
    this.#documents.clear()
  }

  /** Takes in steps from `from`, whoever made them. A bad one is dropped. Resolves when they are on the disk. */
  async receive(from: NodeId, steps: readonly unknown[]): Promise<void> {
    await this.#turn.run(async () => {
      const touched = new Set<SharedName>()
      const again: SharedStep[] = []
      for (const bytes of steps) {
        try {
          this.#receiveOne(from, bytes, touched, again)
        } catch (error) {
          this.#deps.log.warn('refused a change of a shared document', {
            from,
            error: String(error)
          })
        }
      }
      await this.#keep(touched, again)
    })
    this.settle()
  }

  /** Makes a base where one is due, and this node is the one to do it (O3). To be called when members, or connections to them, have changed. */
  settle(): void {
    if (!this.#isKeeper()) return
    const due = [...this.#documents].filter(([, document]) => this.#needsBase(document))
    if (due.length === 0) return
    this.#deps.tasks.run('make a base', () =>
      this.#turn.run(async () => {
        for (const [name, document] of due) {
          if (this.#documents.get(name) !== document || !this.#isKeeper()) continue
          if (!this.#needsBase(document)) continue // Somebody else's has come meanwhile.
          await this.#keep(new Set([name]), document.rebase(this.#deps.isMember))
        }
      })
    )
  }

  close(): void {
    this.shut()
    this.#listeners.clear()
  }

  #needsBase(document: SharedDocument): boolean {
    return document.needsBase(this.#deps.isAdmin)
  }

  #isKeeper(): boolean {
    const { signer, isAdmin, connectedPeers } = this.#deps
    const self = signer.nodeId
    return isAdmin(self) && connectedPeers().every((peer) => peer > self || !isAdmin(peer))
  }

  async #load(mesh: MeshId): Promise<void> {
    for (const [name, { steps, own }] of await this.#shelf.load()) {
      const document = this.#documents.get(name)
      if (this.#mesh !== mesh || document === undefined) return
      // Who may write was looked at when they arrived (O1).
      const isOurs = (step: SharedStep): boolean => step.mesh === mesh && step.document === name
      const kept = steps.flatMap((bytes) => this.#reread(bytes) ?? []).filter(isOurs)
      document.restore(kept, kept.length === 0 ? new Map() : own)
      await this.#keep(new Set([name]), []) // What could not be used goes.
    }
    this.settle()
  }

  #reread(bytes: Uint8Array): SharedStep | null {
    try {
      return checkedStep(readStep(bytes))
    } catch (error) {
      this.#deps.log.warn('cannot use a kept change', { error: String(error) })
      return null
    }
  }

  #receiveOne(from: NodeId, bytes: unknown, touched: Set<SharedName>, again: SharedStep[]): void {
    const claimed = readStep(bytes)
    const { mesh, document: name, author } = claimed.step
    const document = this.#documents.get(name)
    if (mesh !== this.#mesh || document === undefined || !this.#deps.isAdmin(author)) {
      throw new MeshError('MESH_DOCUMENT_INVALID', `Cannot take in a change by ${author} here`)
    }
    this.#spend(from, claimed.step.bytes.length)
    const { kind, again: own } = this.#merge(document, checkedStep(claimed))
    if (kind === 'replaced' || kind === 'extended') touched.add(name)
    again.push(...own)
  }

  #merge(document: SharedDocument, step: SharedStep): ReturnType<SharedDocument['receive']> {
    const { signer, isAdmin, log } = this.#deps
    const outcome = document.receive(step, isAdmin(signer.nodeId))
    const about = { document: step.document, author: step.author }
    if (outcome.kind === 'over-budget') log.warn('a shared document is over its budget', about)
    if (outcome.spoiled !== null) {
      log.warn('cannot merge a change', { ...about, error: String(outcome.spoiled) })
    }
    return outcome
  }

  #spend(from: NodeId, bytes: number): void {
    const now = this.#deps.clock.now()
    if (!this.#budgets.isQuarantined(from, now)) {
      if (this.#budgets.spend(from, bytes, now)) return
      this.#budgets.quarantine(from, now)
    }
    throw new MeshError('MESH_DOCUMENT_INVALID', `Left ${from} alone: it is over its budget`)
  }

  async #keep(names: ReadonlySet<SharedName>, own: readonly SharedStep[]): Promise<void> {
    for (const name of names) {
      const document = this.#documents.get(name)
      if (document !== undefined) await this.#shelf.save(name, document)
    }
    if (own.length > 0) this.#deps.onPublished(own)
    for (const name of names) this.#changed(name)
  }

  #changed(document: SharedName): void {
    for (const listener of this.#listeners) {
      try {
        listener(document)
      } catch (error) {
        this.#deps.log.error('a listener of shared rows failed', { document, error: String(error) })
      }
    }
  }
}
