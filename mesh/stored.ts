// What the mesh keeps in the node's store: CBOR maps with a version.

import { decodeCbor } from '../core/index.ts'
import { MeshError } from './errors.ts'
import { fieldsOf } from './exchange.ts'

/** @throws MeshError `MESH_STORE_DAMAGED`: not CBOR, not a map, or of another version */
export function readStored(bytes: Uint8Array, what: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = decodeCbor(bytes)
  } catch (error) {
    throw storeDamaged(what, error)
  }
  const fields = fieldsOf(value)
  if (fields['v'] !== 1) throw storeDamaged(what)
  return fields
}

export function storeDamaged(what: string, cause?: unknown): MeshError {
  return new MeshError(
    'MESH_STORE_DAMAGED',
    `Cannot read ${what} in the store: it is damaged or of another version; ` +
      'restore the home from a backup, or join again with a new home',
    { cause }
  )
}
