// Evidence: two things that one lane signed and that cannot both be true. Whoever holds it can show it to
// anybody: docs/chain-format.md, "Evidence". Pure.

import { isSame, nodeKey, nodeText } from './bytes.ts'
import { BLOCK_SIGNATURE_DOMAIN, blockHash, readHeader } from './block.ts'
import type { Header } from './block.ts'
import { asArray, asBytes, asText, decode } from './cbor.ts'
import type { Value } from './cbor.ts'
import { Malformed } from './errors.ts'
import { isSignedIn, readCheckpoint, readLaneKey } from './keys.ts'
import type { Primitives } from './primitives.ts'

export type EvidenceKind = 'blocks' | 'checkpoints' | 'truncation'

export interface Evidence {
  readonly lane: string
  readonly kind: EvidenceKind
  /** The height or size of which there are two versions. */
  readonly height: number
}

const KEY_BYTES = 32
/** Two notes of full size, or two headers. */
export const EVIDENCE_BYTES_MAX: number = 160 * 1024

/** @throws Malformed for anything that does not prove what it says */
export function readEvidence(primitives: Primitives, bytes: Uint8Array): Evidence {
  if (bytes.length > EVIDENCE_BYTES_MAX) throw new Malformed('evidence is too long')
  const [version, kind, lane, first, second, laneKey] = asArray(decode(bytes), 6, 'evidence')
  if (version !== 1) throw new Malformed('evidence of an unknown version')
  const key = asBytes(lane, KEY_BYTES, 'a lane')
  const owner = nodeText(key)
  switch (asText(kind, 'a kind')) {
    case 'blocks':
      return { lane: owner, kind: 'blocks', height: twoBlocks(primitives, key, [first, second]) }
    case 'checkpoints':
      return checkpoints(primitives, owner, [first, second])
    case 'truncation':
      return truncation(primitives, owner, [first, second, laneKey])
    default:
      throw new Malformed('evidence of an unknown kind')
  }
}

type Pair = readonly [Value | undefined, Value | undefined]

/** Two headers of one height; or a header and one of the next height that names another before it. */
function twoBlocks(primitives: Primitives, key: Uint8Array, pair: Pair): number {
  const [a, b] = pair.map((value) => signedHeader(primitives, key, value))
  if (a === undefined || b === undefined) throw new Malformed('evidence of one block only')
  const isTwin = a.header.height === b.header.height && !isSame(a.hash, b.hash)
  const isAfter = b.header.height === a.header.height + 1 && !isSame(b.header.previous, a.hash)
  if (!isTwin && !isAfter) throw new Malformed('two blocks that do not contradict each other')
  return b.header.height
}

function signedHeader(
  primitives: Primitives,
  key: Uint8Array,
  value: Value | undefined
): { readonly header: Header; readonly hash: Uint8Array } {
  const [bytes, signature] = asArray(value, 2, 'a signed header')
  if (!(bytes instanceof Uint8Array) || !(signature instanceof Uint8Array)) {
    throw new Malformed('a signed header has another form')
  }
  const header = readHeader(bytes)
  const isOwn = nodeKey(header.lane) !== null && header.lane === nodeText(key)
  if (!isOwn || !isSignedIn(primitives, key, BLOCK_SIGNATURE_DOMAIN, [bytes, signature])) {
    throw new Malformed('a header that the lane has not signed')
  }
  return { header, hash: blockHash(primitives, bytes) }
}

function asNote(value: Value | undefined): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new Malformed('a checkpoint has another form')
  return value
}

function checkpoints(primitives: Primitives, lane: string, pair: Pair): Evidence {
  const [a, b] = pair.map((value) => readCheckpoint(primitives, asNote(value), null))
  const isTwo = a?.lane === lane && b?.lane === lane && a.size === b.size && !isSame(a.root, b.root)
  if (!isTwo) throw new Malformed('two checkpoints that do not contradict each other')
  return { lane, kind: 'checkpoints', height: b.size }
}

function truncation(
  primitives: Primitives,
  lane: string,
  [first, second, laneKey]: readonly [...Pair, Value | undefined]
): Evidence {
  const stated = readLaneKey(primitives, asNote(laneKey))
  const [a, b] = [first, second].map((value) =>
    readCheckpoint(primitives, asNote(value), stated.mlDsa44)
  )
  const areOwn = stated.lane === lane && a?.lane === lane && b?.lane === lane
  const areTimed = areOwn && a.time !== null && b.time !== null && b.time > a.time
  if (!areTimed || b.size >= a.size) throw new Malformed('two checkpoints in their right order')
  return { lane, kind: 'truncation', height: b.size }
}
