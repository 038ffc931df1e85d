// Another node's document as this node holds it: its signed steps, and what they come to. It has one writer, and
// its steps come in order and without gaps, so there is nothing to merge: the last word on each key counts.
//
// Invariant P1: steps are kept, counted and forwarded whether or not they can be merged, so positions
//   stay honest. One that cannot be read loses the document; the rows of before stay, and the owner's next
//   base (at its next start at the latest) brings it back.
// Invariant P2: rows are at most what an honest owner may have, however little the steps weigh that make them.

import { MeshError } from '../errors.ts'
import { DOCUMENT_TEXT_BYTES_MAX, ROWS_PER_DOCUMENT_MAX } from '../limits.ts'
import type { DocumentLog, Position } from './log.ts'
import { acceptEnvelope, positionOf } from './log.ts'
import type { Acceptance } from './log.ts'
import { readChange, readDocument } from './automerge.ts'
import type { Envelope } from './envelope.ts'
import { parseRow, SectionsView } from './rows.ts'
import type { JsonValue, Sections } from './rows.ts'

export interface ReplicaOutcome {
  readonly kind: Acceptance['kind']
  readonly hasChanged: boolean
  /** Why the document was lost, once. */
  readonly poisoned: Error | null
}

export class Replica {
  #log: DocumentLog | null = null
  /** A step could not be read: the ones after it wait for a base (P1). */
  #isLost = false
  readonly #sizes = new Map<string, number>()
  #textSize = 0
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
      this.#isLost = true
      return { kind, hasChanged: false, poisoned: error instanceof Error ? error : new Error('?') }
    }
  }

  #begin(envelope: Envelope): boolean {
    this.#take([...readDocument(envelope.payload)], { isWhole: true })
    this.#isLost = false
    return true
  }

  #extend(envelope: Envelope): boolean {
    if (this.#isLost) return false
    const { edits } = readChange(envelope.payload)
    this.#take([...edits], { isWhole: false })
    return edits.size > 0
  }

  /** All of them, or none (P1). Each field comes once. */
  #take(
    texts: readonly (readonly [field: string, text: string | null])[],
    { isWhole }: { readonly isWhole: boolean }
  ): void {
    const rows = texts.map(([field, text]) => {
      const row = parseRow(text)
      return { field, row, size: row === undefined ? 0 : field.length + (text?.length ?? 0) }
    })
    let count = isWhole ? 0 : this.#sizes.size
    let textSize = isWhole ? 0 : this.#textSize
    for (const { field, size } of rows) {
      const before = isWhole ? 0 : (this.#sizes.get(field) ?? 0)
      count += Number(size > 0) - Number(before > 0)
      textSize += size - before
    }
    if (count > ROWS_PER_DOCUMENT_MAX || textSize > DOCUMENT_TEXT_BYTES_MAX) throw tooLarge() // P2
    if (isWhole) {
      this.#sizes.clear()
      this.#rows.clear()
    }
    this.#textSize = textSize
    for (const { field, row, size } of rows) {
      if (size === 0) this.#sizes.delete(field)
      else this.#sizes.set(field, size)
      this.#rows.set(field, row)
    }
  }
}

function tooLarge(): MeshError {
  return new MeshError(
    'MESH_DOCUMENT_INVALID',
    `Cannot take in rows: a document has <= ${ROWS_PER_DOCUMENT_MAX} rows and ` +
      `<= ${DOCUMENT_TEXT_BYTES_MAX} bytes of text`
  )
}
