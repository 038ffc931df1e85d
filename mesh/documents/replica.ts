// Another node's document as this node holds it: its signed steps, and what they come to.
//
// Invariant P1: steps are kept, counted and forwarded whether or not they can be merged, so positions
//   stay honest. A merge that throws costs this instance; the rows of before stay, and the owner's next
//   base (at its next start at the latest) brings the document back.

import type { DocumentLog, Position } from './log.ts'
import { acceptEnvelope, positionOf } from './log.ts'
import type { Acceptance } from './log.ts'
import { RowDocument } from './automerge.ts'
import type { Envelope } from './envelope.ts'
import { parseRow, SectionsView } from './rows.ts'
import type { JsonValue, Sections } from './rows.ts'

export interface ReplicaOutcome {
  readonly kind: Acceptance['kind']
  readonly hasChanged: boolean
  /** Why the document could not be merged, once per instance lost. */
  readonly poisoned: Error | null
}

export class Replica {
  #log: DocumentLog | null = null
  #document: RowDocument | null = null
  readonly #rows = new SectionsView()

  get log(): DocumentLog | null {
    return this.#log
  }

  get position(): Position | null {
    return this.#log === null ? null : positionOf(this.#log)
  }

  sections(): Sections {
    return this.#rows.sections
  }

  row(section: string, key: string): JsonValue | undefined {
    return this.#rows.row(section, key)
  }

  /** `envelope` is verified, of the right mesh and owner. */
  receive(envelope: Envelope): ReplicaOutcome {
    const acceptance = acceptEnvelope(this.#log, envelope)
    const { kind } = acceptance
    if (kind !== 'replaced' && kind !== 'extended') {
      return { kind, hasChanged: false, poisoned: null }
    }
    this.#log = acceptance.log
    try {
      const hasChanged = kind === 'replaced' ? this.#begin(envelope) : this.#extend(envelope)
      return { kind, hasChanged, poisoned: null }
    } catch (error) {
      this.#document?.free()
      this.#document = null
      return { kind, hasChanged: false, poisoned: error instanceof Error ? error : new Error('?') }
    }
  }

  free(): void {
    this.#document?.free()
    this.#document = null
  }

  #begin(envelope: Envelope): boolean {
    const document = RowDocument.load(envelope.payload)
    this.#document?.free()
    this.#document = document
    this.#rows.clear()
    for (const key of document.keys()) this.#take(document, key)
    return true
  }

  #extend(envelope: Envelope): boolean {
    const document = this.#document
    if (document === null) return false // P1
    const touched = document.apply(envelope.payload)
    for (const key of touched) this.#take(document, key)
    return touched.size > 0
  }

  #take(document: RowDocument, key: string): void {
    this.#rows.set(key, parseRow(document.get(key)))
  }
}
