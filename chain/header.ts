// Block headers: what is hashed, linked to and signed.
// docs/chain-format.md, section "Headers", is the specification of the bytes made here.

import { encodeCbor, HASH_BYTES, nodeIdOf, PUBLIC_KEY_BYTES, publicKeyOf } from '../core/index.ts'
import type { NodeId } from '../core/index.ts'
import { FormatError } from './errors.ts'
import type { Hlc } from './hlc.ts'
import {
  COUNTER_MAX,
  ENTRIES_PER_BLOCK_MAX,
  HEADER_BYTES_MAX,
  INTEGER_MAX,
  LINKS_PER_BLOCK_MAX
} from './limits.ts'
import { asBytes, asInteger, decodeTuple } from './shape.ts'

const FORMAT_VERSION = 1
/** What the first block of a lane names as its predecessor. */
export const NO_HASH: Uint8Array = new Uint8Array(HASH_BYTES)

/** The head of another lane, as this lane had seen it. */
export interface CrossLink {
  readonly lane: NodeId
  readonly height: number
  readonly hash: Uint8Array
}

export interface Header {
  readonly lane: NodeId
  readonly height: number
  readonly previous: Uint8Array
  /** Entries in all blocks of the lane before this one. */
  readonly entriesBefore: number
  readonly count: number
  readonly root: Uint8Array
  /** The time of the last entry. */
  readonly time: Hlc
  readonly links: readonly CrossLink[]
}

// The text form of a node costs more to make or to read than the rest of a header; few nodes are meant.
const KEYS_CACHED_MAX = 1024
const keysById = new Map<NodeId, Uint8Array>()
const idsByKey = new Map<string, NodeId>()

function keyOf(id: NodeId): Uint8Array {
  const known = keysById.get(id)
  if (known !== undefined) return known
  const key = publicKeyOf(id)
  if (keysById.size >= KEYS_CACHED_MAX) keysById.clear()
  keysById.set(id, key)
  return key
}

function idOf(key: Uint8Array): NodeId {
  const text = Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1')
  const known = idsByKey.get(text)
  if (known !== undefined) return known
  const id = nodeIdOf(key)
  if (idsByKey.size >= KEYS_CACHED_MAX) idsByKey.clear()
  idsByKey.set(text, id)
  return id
}

export function encodeHeader(header: Header): Uint8Array {
  const { lane, height, previous, entriesBefore, count, root, time } = header
  const links = header.links
    .map((link) => ({ ...link, key: keyOf(link.lane) }))
    .toSorted((a, b) => Buffer.compare(a.key, b.key))
    .map((link) => [link.key, link.height, link.hash])
  const fixed = [FORMAT_VERSION, keyOf(lane), height, previous, entriesBefore, count, root]
  return encodeCbor([...fixed, time.ms, time.counter, links])
}

/** @throws FormatError `CHAIN_FORMAT_INVALID` */
export function decodeHeader(bytes: Uint8Array): Header {
  if (bytes.length > HEADER_BYTES_MAX) throw new FormatError('a header is too large')
  const fields = decodeTuple(bytes, 10, 'a header')
  const [version, lane, height, previous, entriesBefore, count, root, ms, counter, links] = fields
  if (version !== FORMAT_VERSION) {
    throw new FormatError('a header has a version that this program does not know')
  }
  const header: Header = {
    lane: idOf(asBytes(lane, PUBLIC_KEY_BYTES, 'a lane')),
    height: asInteger(height, INTEGER_MAX, 'a height'),
    previous: asBytes(previous, HASH_BYTES, 'a previous hash'),
    entriesBefore: asInteger(entriesBefore, INTEGER_MAX, 'a number of earlier entries'),
    count: asInteger(count, ENTRIES_PER_BLOCK_MAX, 'a number of entries'),
    root: asBytes(root, HASH_BYTES, 'a Merkle root'),
    time: {
      ms: asInteger(ms, INTEGER_MAX, 'the time of a block'),
      counter: asInteger(counter, COUNTER_MAX, 'the counter of a block')
    },
    links: decodeLinks(links)
  }
  if (header.height < 1 || header.count < 1) {
    throw new FormatError('a height and a number of entries start from 1')
  }
  if (header.links.some((link) => link.lane === header.lane)) {
    throw new FormatError('a block may not link across to its own lane')
  }
  return header
}

function decodeLinks(value: unknown): readonly CrossLink[] {
  if (!Array.isArray(value) || value.length > LINKS_PER_BLOCK_MAX) {
    throw new FormatError(`cross-links must be an array of at most ${LINKS_PER_BLOCK_MAX}`)
  }
  let last: Uint8Array | null = null
  return value.map((item: unknown) => {
    if (!Array.isArray(item) || item.length !== 3) {
      throw new FormatError('a cross-link must be an array of 3 items')
    }
    const key = asBytes(item[0], PUBLIC_KEY_BYTES, 'the lane of a cross-link')
    const height = asInteger(item[1], INTEGER_MAX, 'the height of a cross-link')
    if (height < 1 || (last !== null && Buffer.compare(last, key) >= 0)) {
      throw new FormatError('cross-links must be in the order of their lanes, each once')
    }
    last = key
    return { lane: idOf(key), height, hash: asBytes(item[2], HASH_BYTES, 'a linked hash') }
  })
}
