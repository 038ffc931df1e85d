// Which run of a node is the true one. A home that was copied to a second machine gives two kernels one
// key; each start of a kernel has a higher generation and a boot id of its own, so two can be told apart.
//
// Invariants
//   C1. A generation lower than the highest accepted, or the same with another boot id, is refused: the
//       home is a copy, or was restored from an old backup.
//   C2. A higher generation takes over only if the connection of the run before does not answer (the
//       shell probes it): two runs that are both alive are one too many, and the later is refused.

import { encodeCbor } from '../../core/index.ts'
import { fieldsOf } from '../exchange.ts'
import { readStored, storeDamaged } from '../stored.ts'

/** One run of one kernel. */
export interface Incarnation {
  readonly generation: number
  readonly bootId: string
}

/** A run as it is remembered, with what it signed. */
export interface SeenIncarnation extends Incarnation {
  readonly claim: Uint8Array | null
}

export type IncarnationVerdict = 'same' | 'newer' | 'duplicate'

/** Judges what a peer says of itself by the highest run of it that was accepted so far (C1). */
export function judgeIncarnation(
  seen: Incarnation | null,
  claimed: Incarnation
): IncarnationVerdict {
  if (seen === null || claimed.generation > seen.generation) return 'newer'
  const isSame = claimed.generation === seen.generation && claimed.bootId === seen.bootId
  return isSame ? 'same' : 'duplicate'
}

/** Null unless `value` has the form of an incarnation. */
export function parseIncarnation(value: unknown): Incarnation | null {
  const { generation, bootId } = fieldsOf(value)
  if (
    typeof generation !== 'number' ||
    !Number.isSafeInteger(generation) ||
    generation < 0 ||
    typeof bootId !== 'string' ||
    bootId.length < 1 ||
    bootId.length > 64
  ) {
    return null
  }
  return { generation, bootId }
}

/** `claim` is the run's own signed word for it, null where it gave none. */
export function encodeIncarnation(
  { generation, bootId }: Incarnation,
  claim: Uint8Array | null = null
): Uint8Array {
  return encodeCbor({ v: 1, generation, bootId, ...(claim === null ? {} : { claim }) })
}

/** @throws MeshError `MESH_STORE_DAMAGED` */
export function decodeIncarnation(bytes: Uint8Array): SeenIncarnation {
  const fields = readStored(bytes, 'an incarnation')
  const incarnation = parseIncarnation(fields)
  if (incarnation === null) throw storeDamaged('an incarnation')
  return { ...incarnation, claim: fields['claim'] instanceof Uint8Array ? fields['claim'] : null }
}
