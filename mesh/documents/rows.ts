// Rows as the rest of the kernel sees them.

import { MeshError } from '../errors.ts'
import { ROW_BYTES_MAX, ROW_KEY_LENGTH_MAX } from '../limits.ts'
import type { NodeId } from '../../core/index.ts'

export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue }

/** Section -> key -> row. Objects without a prototype: any key is only a key. */
export type Sections = Readonly<Record<string, Readonly<Record<string, JsonValue>>>>

export const NO_ROWS: Sections = Object.freeze(Object.create(null))

/** Replicated documents, one per node: each node writes its own and reads all. */
export interface Rows {
  /**
   * Puts a row of our own. Changes of one tick travel as one signed delta.
   * @throws MeshError `MESH_ROW_INVALID`
   */
  put(section: string, key: string, value: JsonValue): void
  delete(section: string, key: string): void
  /** The rows of a node, own or replicated; none for a node that has sent none yet. */
  of(node: NodeId): Sections
  /** The nodes whose documents are here, this one first. */
  nodes(): readonly NodeId[]
  /** Called after rows of a node have changed. Returns the function that ends it. */
  onChange(listener: (node: NodeId) => void): () => void
}

const SECTION_PATTERN = /^[a-z][a-z0-9-]{0,31}$/

/** @throws MeshError `MESH_ROW_INVALID` */
export function fieldOf(section: string, key: string): string {
  if (!SECTION_PATTERN.test(section)) {
    throw new MeshError('MESH_ROW_INVALID', `Cannot use '${section.slice(0, 64)}' as a section`)
  }
  if (key.length < 1 || key.length > ROW_KEY_LENGTH_MAX) {
    throw new MeshError(
      'MESH_ROW_INVALID',
      `Cannot use a row key of ${key.length} characters: must be 1 to ${ROW_KEY_LENGTH_MAX}`
    )
  }
  return `${section}/${key}`
}

/** @throws MeshError `MESH_ROW_INVALID` */
export function rowText(value: JsonValue): string {
  const text = JSON.stringify(value)
  const size = Buffer.byteLength(text)
  if (size <= ROW_BYTES_MAX) return text
  throw new MeshError(
    'MESH_ROW_INVALID',
    `Cannot put a row of ${size} bytes: rows must be <= ${ROW_BYTES_MAX} bytes`
  )
}

/** Undefined for what is no JSON text: a hostile owner spoils its own row only. */
export function parseRow(text: string | null): JsonValue | undefined {
  if (text === null || text.length > ROW_BYTES_MAX) return undefined
  try {
    const value: JsonValue = JSON.parse(text)
    return value
  } catch {
    return undefined
  }
}

type Section = Readonly<Record<string, JsonValue>>

/**
 * Rows by section, of which a change makes anew no more than its own section. What was given out stays as
 * it was.
 */
export class SectionsView {
  #sections: Sections = NO_ROWS
  readonly #changed = new Map<string, JsonValue | undefined>()

  /** Undefined for a row that is gone. */
  set(field: string, row: JsonValue | undefined): void {
    this.#changed.set(field, row)
  }

  clear(): void {
    this.#sections = NO_ROWS
    this.#changed.clear()
  }

  /** One row, without making its section anew. */
  row(section: string, key: string): JsonValue | undefined {
    const field = `${section}/${key}`
    return this.#changed.has(field) ? this.#changed.get(field) : this.#sections[section]?.[key]
  }

  get sections(): Sections {
    if (this.#changed.size === 0) return this.#sections
    const fresh = new Map<string, Record<string, JsonValue>>()
    for (const [field, row] of this.#changed) {
      const slash = field.indexOf('/')
      if (slash < 1) continue
      const [name, key] = [field.slice(0, slash), field.slice(slash + 1)]
      const section = fresh.get(name) ?? copyOf(this.#sections[name])
      fresh.set(name, section)
      if (row === undefined) delete section[key]
      else section[key] = row
    }
    this.#changed.clear()
    const all: Record<string, Section> = Object.assign(Object.create(null), this.#sections)
    for (const [name, section] of fresh) {
      if (Object.keys(section).length === 0) delete all[name]
      else all[name] = section
    }
    this.#sections = all
    return all
  }
}

/** Without a prototype: any key is only a key. */
function copyOf(section: Section | undefined): Record<string, JsonValue> {
  const copy: Record<string, JsonValue> = Object.create(null)
  return Object.assign(copy, section)
}
