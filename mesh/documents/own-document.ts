// This node's own document: rows as plain text, and the signed steps that tell others of them.

import { invariant } from '../../core/index.ts'
import type { MeshId, Signer } from '../../core/index.ts'
import { MeshError } from '../errors.ts'
import { DOCUMENT_TEXT_BYTES_MAX, ROWS_PER_DOCUMENT_MAX } from '../limits.ts'
import { RowDocument } from './automerge.ts'
import { signEnvelope } from './envelope.ts'
import type { EnvelopeKind } from './envelope.ts'
import { acceptEnvelope, needsRebase, positionOf } from './log.ts'
import type { DocumentLog } from './log.ts'
import { parseRow, SectionsView } from './rows.ts'
import type { JsonValue, Sections } from './rows.ts'

export interface OwnDocumentOptions {
  /** Higher than in any earlier start: others drop the document of a lower one. */
  readonly generation: number
}

interface Published {
  readonly mesh: MeshId
  readonly document: RowDocument
  readonly log: DocumentLog
}

export class OwnDocument {
  readonly #signer: Signer
  readonly #generation: number
  /** What is true. The Automerge document follows at the next `publish`. */
  readonly #rows = new Map<string, string>()
  readonly #dirty = new Set<string>()
  #textBytes = 0
  #published: Published | null = null
  readonly #shown = new SectionsView()

  constructor(signer: Signer, options: OwnDocumentOptions) {
    this.#signer = signer
    this.#generation = options.generation
  }

  get log(): DocumentLog | null {
    return this.#published?.log ?? null
  }

  get isDirty(): boolean {
    return this.#dirty.size > 0
  }

  /** About what the next step will take. */
  get dirtyBytes(): number {
    const published = this.#published
    if (published !== null && needsRebase(published.log)) return this.#textBytes
    let bytes = 0
    for (const field of this.#dirty) bytes += sizeOf(field, this.#rows.get(field) ?? '')
    return bytes
  }

  sections(): Sections {
    return this.#shown.sections
  }

  row(section: string, key: string): JsonValue | undefined {
    return this.#shown.row(section, key)
  }

  /**
   * @returns whether anything changed
   * @throws MeshError `MESH_LIMIT_REACHED`
   */
  set(field: string, text: string | null): boolean {
    const old = this.#rows.get(field) ?? null
    if (old === text) return false
    const rows = this.#rows.size - (old === null ? 0 : 1) + (text === null ? 0 : 1)
    const textBytes = this.#textBytes - sizeOf(field, old) + sizeOf(field, text)
    if (rows > ROWS_PER_DOCUMENT_MAX || textBytes > DOCUMENT_TEXT_BYTES_MAX) {
      throw new MeshError(
        'MESH_LIMIT_REACHED',
        `Cannot put row '${field}': a document has <= ${ROWS_PER_DOCUMENT_MAX} rows and ` +
          `<= ${DOCUMENT_TEXT_BYTES_MAX} bytes of text; delete rows that have ended`
      )
    }
    if (text === null) this.#rows.delete(field)
    else this.#rows.set(field, text)
    this.#textBytes = textBytes
    this.#dirty.add(field)
    this.#shown.set(field, text === null ? undefined : (parseRow(text) ?? null))
    return true
  }

  /** Begins the document in `mesh` with a base of all rows. */
  open(mesh: MeshId): void {
    this.#published?.document.free()
    this.#published = null
    this.#rebase(mesh)
  }

  /** Turns what has changed into one signed step. @returns the bytes of it */
  publish(): number {
    const published = this.#published
    if (published === null || this.#dirty.size === 0) return 0
    const edits = new Map([...this.#dirty].map((key) => [key, this.#rows.get(key) ?? null]))
    this.#dirty.clear()
    if (needsRebase(published.log)) {
      this.#rebase(published.mesh)
      return this.#baseBytes()
    }
    const change = published.document.edit(edits)
    if (change === null) return 0
    const log = this.#signed(published, { kind: 'delta', payload: change })
    if (log === null) this.#rebase(published.mesh)
    else this.#published = { ...published, log }
    return log?.deltas.at(-1)?.bytes.length ?? this.#baseBytes()
  }

  #baseBytes(): number {
    return this.#published?.log.base.bytes.length ?? 0
  }

  free(): void {
    this.#published?.document.free()
    this.#published = null
  }

  #rebase(mesh: MeshId): void {
    const previous = this.#published
    const sequence = this.#nextSequence()
    const writer = `${this.#signer.nodeId}/${mesh}/${this.#generation}/${sequence}`
    const document = RowDocument.create(writer)
    document.edit(new Map(this.#rows))
    this.#dirty.clear()
    const payload = document.save()
    const base = { mesh, document, log: previous?.log ?? null }
    const log = this.#signed(base, { kind: 'base', payload })
    invariant(log !== null, 'A base always extends its own log')
    previous?.document.free()
    this.#published = { mesh, document, log }
  }

  #signed(
    on: { readonly mesh: MeshId; readonly log: DocumentLog | null },
    step: { readonly kind: EnvelopeKind; readonly payload: Uint8Array }
  ): DocumentLog | null {
    const envelope = signEnvelope(this.#signer, {
      mesh: on.mesh,
      owner: this.#signer.nodeId,
      generation: this.#generation,
      sequence: this.#nextSequence(),
      ...step
    })
    const acceptance = acceptEnvelope(on.log, envelope)
    return 'log' in acceptance ? acceptance.log : null
  }

  #nextSequence(): number {
    return this.#published === null ? 1 : positionOf(this.#published.log).sequence + 1
  }
}

function sizeOf(field: string, text: string | null): number {
  return text === null ? 0 : Buffer.byteLength(field) + Buffer.byteLength(text)
}
