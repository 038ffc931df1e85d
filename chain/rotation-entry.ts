// The entry by which a node goes on under a new key: docs/chain-format.md, "Key rotation". It is the last of
// the old key's lane, and stands in the first block of the new one's.

import { decodeCbor, readRotation, signRotation } from '../core/index.ts'
import type { Cbor, NodeId, Rotation, Signer } from '../core/index.ts'
import type { EntryDraft } from './entry.ts'
import { SALT_BYTES } from './limits.ts'
import { ROTATION_KIND } from './offline/rotation.ts'

export { ROTATION_KIND } from './offline/rotation.ts'

/** Where an entry of this kind stands in its block, and what both keys have signed; null where they have not. */
export interface RotationPlace {
  readonly index: number
  readonly rotation: Rotation | null
}

export function rotationDraft(oldKey: Signer, newKey: Signer): EntryDraft {
  return rotationEntry(oldKey.nodeId, newKey.nodeId, signRotation(oldKey, newKey))
}

/** The same entry from what both keys have signed before. */
export function rotationEntry(from: NodeId, to: NodeId, signed: Uint8Array): EntryDraft {
  const payload = asParts(decodeCbor(signed))
  return { kind: ROTATION_KIND, actor: `node:${from}`, subject: `node:${to}`, payload }
}

function asParts(value: unknown): Cbor {
  const parts: unknown[] = Array.isArray(value) ? value : []
  return parts.filter((part) => part instanceof Uint8Array)
}

/** What an entry of this kind says; null where its payload is absent or not signed by both keys. */
export function rotationIn(slot: Uint8Array): Rotation | null {
  return slot.length <= SALT_BYTES ? null : readRotation(slot.subarray(SALT_BYTES))
}

/** What is wrong with it as entry `index` of `count` in block `height` of `lane`, in words, or null. */
export function rotationProblem(
  { index, rotation }: RotationPlace,
  { lane, height, count }: { lane: NodeId; height: number; count: number }
): string | null {
  if (rotation === null) return 'is no change of key that both keys have signed'
  if (rotation.from === lane)
    return index === count - 1 ? null : 'ends the lane, and others follow it'
  if (rotation.to !== lane) return "is a change of somebody else's keys"
  return height === 1 ? null : 'begins a lane, and stands behind its first block'
}
