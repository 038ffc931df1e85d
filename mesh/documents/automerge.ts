// The one file that knows Automerge. A document is a flat map of strings with one writer, so its merges
// never conflict; what Automerge gives is compact, incremental history that others can apply.

import * as Automerge from '@automerge/automerge'
import { shake256, toHex, utf8 } from '../../core/index.ts'
import { MeshError } from '../errors.ts'

type Fields = Record<string, Automerge.ImmutableString>

/** What to change: a text to put, or null to delete. */
export type Edits = ReadonlyMap<string, string | null>

const ACTOR_BYTES = 16

export class RowDocument {
  #doc: Automerge.Doc<Fields>

  private constructor(doc: Automerge.Doc<Fields>) {
    this.#doc = doc
  }

  /** An empty document of one writer. `writer` must never come twice with other changes. */
  static create(writer: string): RowDocument {
    const actor = toHex(shake256('weft/document-actor/1', utf8(writer)).slice(0, ACTOR_BYTES))
    return new RowDocument(Automerge.init<Fields>({ actor }))
  }

  /** @throws MeshError `MESH_DOCUMENT_INVALID` */
  static load(bytes: Uint8Array): RowDocument {
    return guarded(() => new RowDocument(Automerge.load<Fields>(bytes)))
  }

  /** Makes one change of all edits and returns its bytes; null if they change nothing. */
  edit(edits: Edits): Uint8Array | null {
    const before = Automerge.getHeads(this.#doc)
    this.#doc = Automerge.change(this.#doc, { time: 0 }, (fields) => {
      for (const [key, value] of edits) {
        if (value === null) Reflect.deleteProperty(fields, key)
        else fields[key] = new Automerge.ImmutableString(value)
      }
    })
    if (Automerge.equals(before, Automerge.getHeads(this.#doc))) return null
    return Automerge.getLastLocalChange(this.#doc) ?? null
  }

  /**
   * Applies another's change and returns the keys it touched. After a throw the document is not to be
   * used again.
   * @throws MeshError `MESH_DOCUMENT_INVALID`
   */
  apply(change: Uint8Array): ReadonlySet<string> {
    return guarded(() => {
      const touched = new Set<string>()
      const patchCallback: Automerge.PatchCallback<Fields> = (patches) => {
        for (const { path } of patches) touched.add(String(path[0]))
      }
      const [doc] = Automerge.applyChanges(this.#doc, [change], { patchCallback })
      this.#doc = doc
      return touched
    })
  }

  /** Null where there is none, or where a hostile writer put something else than text. */
  get(key: string): string | null {
    const value: unknown = Object.hasOwn(this.#doc, key) ? this.#doc[key] : null
    return Automerge.isImmutableString(value) ? value.val : null
  }

  keys(): readonly string[] {
    return Object.keys(this.#doc)
  }

  save(): Uint8Array {
    return Automerge.save(this.#doc)
  }

  /** Gives the memory back; the document is not to be used again. */
  free(): void {
    try {
      Automerge.free(this.#doc)
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
