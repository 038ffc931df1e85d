// Documents that several members write, as the rest of the kernel sees them.

import { MeshError } from '../errors.ts'
import { ROW_KEY_LENGTH_MAX } from '../limits.ts'
import { rowText } from './rows.ts'
import type { JsonValue } from './rows.ts'

/** Labels that admins give to nodes. */
export type SharedName = 'labels'

export const SHARED_NAMES: readonly SharedName[] = ['labels']

/** Key -> row. An object without a prototype: any key is only a key. */
export type SharedTable = Readonly<Record<string, JsonValue>>

/** What admins want to be so, whichever machine they say it on, and whoever is there at the time. */
export interface SharedRows {
  /** The rows, as all changes that are known here come to. */
  of(document: SharedName): SharedTable
  /**
   * Changes rows; null deletes. Resolves when that is on this disk: members that are connected have it within
   * milliseconds, others when they meet anybody who has it. Of two writes of a key at once one wins, the same
   * one everywhere.
   * @throws MeshError `MESH_NO_MESH`, `MESH_NOT_ADMIN`, `MESH_ROW_INVALID`, `MESH_LIMIT_REACHED`
   */
  edit(document: SharedName, edits: ReadonlyMap<string, JsonValue | null>): Promise<void>
  /** Called after rows of a document have changed. Returns the function that ends it. */
  onChange(listener: (document: SharedName) => void): () => void
}

/** Before what the documents need for themselves: no row of anybody begins so. */
export const OWN_PREFIX = '~'

/** @throws MeshError `MESH_ROW_INVALID` */
export function sharedEdits(
  edits: ReadonlyMap<string, JsonValue | null>
): ReadonlyMap<string, string | null> {
  return new Map(
    [...edits].map(([key, value]) => {
      if (!isSharedKey(key)) {
        throw new MeshError('MESH_ROW_INVALID', `Cannot use '${key.slice(0, 64)}' as a row key`)
      }
      return [key, value === null ? null : rowText(value)]
    })
  )
}

export function isSharedKey(key: string): boolean {
  return key.length >= 1 && key.length <= ROW_KEY_LENGTH_MAX && !key.startsWith(OWN_PREFIX)
}

export function isSharedName(value: unknown): value is SharedName {
  return SHARED_NAMES.some((name) => name === value)
}
