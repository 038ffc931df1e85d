// The one file that knows Automerge. A document is a flat map of strings with one writer, so its merges
// never conflict; what Automerge gives is compact, incremental history that others can apply.

import * as Automerge from '@automerge/automerge'
import { shake256, toHex, utf8 } from '../../core/index.ts'
import { MeshError } from '../errors.ts'

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

  /** An empty document of one writer. `writer` must never come twice with other changes. */
  static create(writer: string): RowDocument {
    const actor = toHex(shake256('weft/document-actor/1', utf8(writer)).slice(0, ACTOR_BYTES))
    const store = Automerge.getBackend(Automerge.init({ actor }))
    store.resetDiffCursor() // Nobody will ask what changed: it is not to be kept.
    return new RowDocument(store)
  }

  /** @throws MeshError `MESH_DOCUMENT_INVALID` */
  static load(bytes: Uint8Array): RowDocument {
    return guarded(() => {
      const store = Automerge.getBackend(Automerge.load(bytes))
      store.updateDiffCursor()
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
   * Applies another's change and returns the keys it touched. After a throw the document is not to be
   * used again.
   * @throws MeshError `MESH_DOCUMENT_INVALID`
   */
  apply(change: Uint8Array): ReadonlySet<string> {
    return guarded(() => {
      this.#store.applyChanges([change])
      return new Set(this.#store.diffIncremental().map(({ path }) => String(path[0])))
    })
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
