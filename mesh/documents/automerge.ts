// The one file that knows Automerge. A document is a flat map of strings. Most have one writer, so that their
// merges never conflict, and what Automerge gives is compact, incremental history that others can apply; of
// two writers' puts of one key, it chooses the same one everywhere.

import * as Automerge from '@automerge/automerge'
import { shake256, toHex, utf8 } from '../../core/index.ts'
import { MeshError } from '../errors.ts'
import { checkChangeBounds, checkDocumentBounds } from './chunk-bounds.ts'

type Store = ReturnType<typeof Automerge.getBackend>

/** What to change: a text to put, or null to delete. */
export type Edits = ReadonlyMap<string, string | null>

const ACTOR_BYTES = 16

const ROOT = '_root'
/** Immutable text: what is put is replaced as a whole, never edited in place. */
const TEXT = 'str'

/**
 * Works on Automerge's own store: the JavaScript view of a document, which it would make anew after every
 * change, costs as much as all the rest from some hundred rows on.
 */
export class RowDocument {
  readonly #store: Store

  private constructor(store: Store) {
    this.#store = store
  }

  /** An empty document. `writer`, of whom its changes are, must never come twice with other changes. */
  static create(writer: string): RowDocument {
    const store = Automerge.getBackend(Automerge.init({ actor: actorOf(writer) }))
    store.resetDiffCursor() // Nobody will ask what changed: it is not to be kept.
    return new RowDocument(store)
  }

  /** `writer` is needed only where it is to be edited here. @throws MeshError `MESH_DOCUMENT_INVALID` */
  static load(bytes: Uint8Array, writer: string | null = null): RowDocument {
    checkDocumentBounds(bytes)
    return guarded(() => {
      const options = writer === null ? {} : { actor: actorOf(writer) }
      const store = Automerge.getBackend(Automerge.load(bytes, options))
      store.resetDiffCursor()
      return new RowDocument(store)
    })
  }

  /** Makes one change of all edits and returns its bytes; null if they change nothing. */
  edit(edits: Edits): Uint8Array | null {
    for (const [key, value] of edits) {
      if (value === null) this.#store.delete(ROOT, key)
      else this.#store.put(ROOT, key, value, TEXT)
    }
    return this.#store.commit(null, 0) === null ? null : this.#store.getLastLocalChange()
  }

  /**
   * Merges another's change. After a throw the document is not to be used again.
   * @throws MeshError `MESH_DOCUMENT_INVALID`
   */
  apply(change: Uint8Array): void {
    checkChangeBounds(change)
    guarded(() => this.#store.applyChanges([change]))
  }

  /**
   * Null where there is none, or where a hostile writer put something else than text.
   * @throws MeshError `MESH_DOCUMENT_INVALID`
   */
  get(key: string): string | null {
    const [type, value] = guarded(() => this.#store.getWithType(ROOT, key)) ?? []
    return type === TEXT && typeof value === 'string' ? value : null
  }

  keys(): readonly string[] {
    return this.#store.keys(ROOT)
  }

  save(): Uint8Array {
    return this.#store.save()
  }

  /** Gives the memory back; the document is not to be used again. */
  free(): void {
    try {
      this.#store.free()
    } catch {
      // After a panic the instance may be beyond freeing. It is dropped either way.
    }
  }
}

/**
 * The texts of a saved document, read at once: a third of what it takes to ask for one after the other.
 * @throws MeshError `MESH_DOCUMENT_INVALID`
 */
export function readDocument(bytes: Uint8Array): ReadonlyMap<string, string> {
  checkDocumentBounds(bytes)
  return guarded(() => {
    const document = Automerge.load<Record<string, unknown>>(bytes)
    const texts = new Map<string, string>()
    for (const [key, value] of Object.entries(document)) {
      if (Automerge.isImmutableString(value)) texts.set(key, value.toString())
    }
    Automerge.free(document)
    return texts
  })
}

/** A change, read without a document. */
export interface ChangeView {
  readonly actor: string
  /** The number of its first operation: above all that it builds on. */
  readonly firstOperation: number
  /** The last word of it on each key; null also where something else than text was put. */
  readonly edits: Edits
  /** Whether it puts and deletes texts at the root, and does nothing else. */
  readonly isOfRowsAlone: boolean
}

/** @throws MeshError `MESH_DOCUMENT_INVALID` */
export function readChange(change: Uint8Array): ChangeView {
  checkChangeBounds(change)
  return guarded(() => {
    const { actor, startOp, ops } = Automerge.decodeChange(change)
    const edits = new Map<string, string | null>()
    let isOfRowsAlone = true
    for (const { action, obj, key, value } of ops) {
      const isPut = action === 'set' && typeof value === 'string'
      isOfRowsAlone &&= obj === ROOT && (isPut || action === 'del')
      if (obj === ROOT && typeof key === 'string') edits.set(key, isPut ? value : null)
    }
    return { actor, firstOperation: startOp, edits, isOfRowsAlone }
  })
}

/** The name under which Automerge knows a writer. */
export function actorOf(writer: string): string {
  return toHex(shake256('weft/document-actor/1', utf8(writer)).slice(0, ACTOR_BYTES))
}

/** Automerge throws, or panics, on odd input: both become one failure of one document. */
function guarded<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw new MeshError('MESH_DOCUMENT_INVALID', 'Cannot merge a change of a document', {
      cause: error
    })
  }
}
