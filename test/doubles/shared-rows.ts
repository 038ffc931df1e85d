// A document with several writers that only this process knows.

import type { JsonValue, SharedName, SharedRows } from '../../mesh/index.ts'

export class MemorySharedRows implements SharedRows {
  #rows: Readonly<Record<string, JsonValue>> = Object.create(null)
  readonly #listeners = new Set<(document: SharedName) => void>()

  of(): Readonly<Record<string, JsonValue>> {
    return this.#rows
  }

  async edit(document: SharedName, edits: ReadonlyMap<string, JsonValue | null>): Promise<void> {
    const rows: Record<string, JsonValue> = Object.assign(Object.create(null), this.#rows)
    for (const [key, value] of edits) {
      if (value === null) delete rows[key]
      else rows[key] = value
    }
    this.#rows = rows
    for (const listener of this.#listeners) listener(document)
  }

  onChange(listener: (document: SharedName) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
