// Headers, entries and payloads: docs/chain-format.md, "Entries", "Headers" and "Payloads". Pure.

import { compare, encodeText, nodeText } from './bytes.ts'
import { asArray, asBytes, asInteger, asText, decode, decodeArray } from './cbor.ts'
import type { Value } from './cbor.ts'
import { Malformed } from './errors.ts'
import { inDomain, prefixOf } from './keys.ts'
import type { HashMessage, Primitives } from './primitives.ts'
import type { HashPair } from './tree.ts'

export const INTEGER_MAX: number = Number.MAX_SAFE_INTEGER
export const ENTRIES_MAX = 1024
export const HEADER_BYTES_MAX = 8192
export const ENTRY_BYTES_MAX = 1024
export const PAYLOAD_BYTES_MAX = 65_536
export const HASH_BYTES = 32
export const BLOCK_SIGNATURE_DOMAIN = 'weft/block-signature/1'
const COUNTER_MAX = 65_535
const LINKS_MAX = 64
const TEXT_BYTES_MAX = 200
const KIND_LENGTH_MAX = 64
const SALT_BYTES = 16

/** A reading of a hybrid logical clock. */
export type Time = readonly [ms: number, counter: number]

export interface Link {
  readonly lane: string
  readonly height: number
  readonly hash: Uint8Array
}

export interface Header {
  readonly lane: string
  readonly height: number
  readonly previous: Uint8Array
  readonly entriesBefore: number
  readonly count: number
  readonly root: Uint8Array
  readonly time: Time
  readonly links: readonly Link[]
}

export interface Entry {
  readonly kind: string
  readonly actor: string
  readonly subject: string
  readonly time: Time
  readonly payloadHash: Uint8Array
}

export function isLater(time: Time, before: Time): boolean {
  return time[0] > before[0] || (time[0] === before[0] && time[1] > before[1])
}

function hashIn(
  { shake256 }: Primitives,
  domain: string,
  ...parts: readonly Uint8Array[]
): Uint8Array {
  return shake256(inDomain(domain, ...parts))
}

export function blockHash(primitives: Primitives, header: Uint8Array): Uint8Array {
  return hashIn(primitives, 'weft/block/1', header)
}

export function entryLeaf(primitives: Primitives, entry: Uint8Array): Uint8Array {
  return hashIn(primitives, 'weft/leaf/1', entry)
}

export function entryPair(primitives: Primitives): HashPair {
  return (left, right) => hashIn(primitives, 'weft/node/1', left, right)
}

export function payloadHash(primitives: Primitives, slot: Uint8Array): Uint8Array {
  return hashIn(primitives, 'weft/payload/1', slot)
}

/** `entryLeaf` of each. */
export function entryLeaves(
  { shake256Each }: Primitives,
  entries: readonly Uint8Array[]
): readonly Uint8Array[] {
  const prefix = prefixOf('weft/leaf/1')
  return shake256Each(entries.map((first) => ({ prefix, first })))
}

/** `payloadHash` of each. */
export function payloadHashes(
  { shake256Each }: Primitives,
  slots: readonly Uint8Array[]
): readonly Uint8Array[] {
  const prefix = prefixOf('weft/payload/1')
  return shake256Each(slots.map((first) => ({ prefix, first })))
}

/** The Merkle root over `leaves`, of which there is one at least; a level at a time (RFC 6962 section 2.1). */
export function entryRoot(
  { shake256Each }: Primitives,
  leaves: readonly Uint8Array[]
): Uint8Array | null {
  const prefix = prefixOf('weft/node/1')
  let level = leaves
  while (level.length > 1) {
    const pairs: HashMessage[] = []
    for (let at = 0; at + 1 < level.length; at += 2) {
      const [first, second] = [level[at], level[at + 1]]
      if (first !== undefined && second !== undefined) pairs.push({ prefix, first, second })
    }
    const alone = level.length % 2 === 1 ? level.slice(-1) : [] // Goes up as it is.
    level = [...shake256Each(pairs), ...alone]
  }
  return level[0] ?? null
}

/** The payload in a slot, a view of it. @throws Malformed */
export function payloadOf(slot: Uint8Array): Uint8Array {
  if (slot.length <= SALT_BYTES || slot.length > PAYLOAD_BYTES_MAX) {
    throw new Malformed('a payload slot has an impossible length')
  }
  const payload = slot.subarray(SALT_BYTES)
  decode(payload)
  return payload
}

/** @throws Malformed */
export function readHeader(bytes: Uint8Array): Header {
  if (bytes.length > HEADER_BYTES_MAX) throw new Malformed('a header is too long')
  const items = decodeArray(bytes, 10, 'a header')
  const [version, lane, height, previous, before, count, root, ms, counter, links] = items
  if (version !== 1) throw new Malformed('a header of an unknown version')
  const header: Header = {
    lane: nodeText(asBytes(lane, HASH_BYTES, 'a lane')),
    height: asInteger(height, INTEGER_MAX, 'a height'),
    previous: asBytes(previous, HASH_BYTES, 'a previous hash'),
    entriesBefore: asInteger(before, INTEGER_MAX, 'a number of entries before'),
    count: asInteger(count, ENTRIES_MAX, 'a number of entries'),
    root: asBytes(root, HASH_BYTES, 'a Merkle root'),
    time: readTime(ms, counter),
    links: readLinks(links)
  }
  if (header.height < 1 || header.count < 1) throw new Malformed('heights and counts start from 1')
  if (header.links.some((link) => link.lane === header.lane)) {
    throw new Malformed('a block links across to its own lane')
  }
  return header
}

function readTime(ms: Value | undefined, counter: Value | undefined): Time {
  return [asInteger(ms, INTEGER_MAX, 'a time'), asInteger(counter, COUNTER_MAX, 'a counter')]
}

function readLinks(value: Value | undefined): readonly Link[] {
  if (!Array.isArray(value) || value.length > LINKS_MAX) throw new Malformed('too many cross-links')
  let last: Uint8Array | null = null
  return value.map((item: Value) => {
    const [lane, height, hash] = asArray(item, 3, 'a cross-link')
    const key = asBytes(lane, HASH_BYTES, 'a linked lane')
    const at = asInteger(height, INTEGER_MAX, 'a linked height')
    if (at < 1 || (last !== null && compare(last, key) >= 0)) {
      throw new Malformed('cross-links out of order')
    }
    last = key
    return { lane: nodeText(key), height: at, hash: asBytes(hash, HASH_BYTES, 'a linked hash') }
  })
}

/** @throws Malformed */
export function readEntry(bytes: Uint8Array): Entry {
  if (bytes.length > ENTRY_BYTES_MAX) throw new Malformed('an entry is too long')
  const [kind, actor, subject, ms, counter, hash] = decodeArray(bytes, 6, 'an entry')
  const kindText = asText(kind, 'a kind')
  if (kindText.length > KIND_LENGTH_MAX || !/^[a-z0-9]+(?:[.-][a-z0-9]+)*$/.test(kindText)) {
    throw new Malformed('a kind has another form')
  }
  return {
    kind: kindText,
    actor: readName(actor, 'an actor'),
    subject: readName(subject, 'a subject'),
    time: readTime(ms, counter),
    payloadHash: asBytes(hash, HASH_BYTES, 'a payload hash')
  }
}

function readName(value: Value | undefined, what: string): string {
  const text = asText(value, what)
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  const isPlain = text.length > 0 && !/[\u0000-\u001f\u007f]/.test(text)
  // A UTF-16 unit takes three bytes at most.
  const mayBeLong = text.length * 3 > TEXT_BYTES_MAX
  if (!isPlain || (mayBeLong && encodeText(text).length > TEXT_BYTES_MAX))
    throw new Malformed(`${what} is no name`)
  return text
}
