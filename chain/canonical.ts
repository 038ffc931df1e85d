// Telling quickly that bytes are canonical, without making the values they stand for: checking a lane does
// this for every entry and every payload. What is not plainly canonical here (floating-point numbers,
// text beyond ASCII, deep nesting, and all that is wrong) is left to the decoder, which decides.
//
// Invariants
//   Y1. What passes here is what the decoder accepts: a yes is final, a no only means "ask the decoder".

import { decodeCbor, HASH_BYTES } from '../core/index.ts'
import { COUNTER_MAX, KIND_BYTES_MAX, TEXT_BYTES_MAX } from './limits.ts'

const UNSURE = -1
const DEPTH_MAX = 64

/** Whether those from `from` to `to` are one value in its one canonical encoding, as `decodeCbor` takes it. */
export function isCanonicalCbor(
  bytes: Uint8Array,
  from: number = 0,
  to: number = bytes.length
): boolean {
  // An item is read from its start to its end: one that ends here holds nothing from behind.
  if (itemEnd(bytes, from, 0) === to) return true
  try {
    decodeCbor(bytes.subarray(from, to))
    return true
  } catch {
    return false // Whatever the decoder has against it, it is not canonical.
  }
}

/** Where the item that starts at `at` ends, or UNSURE. */
function itemEnd(bytes: Uint8Array, at: number, depth: number): number {
  const first = bytes[at]
  if (first === undefined || depth > DEPTH_MAX) return UNSURE
  if (first >= 0xf4 && first <= 0xf6) return at + 1 // false, true, null
  const major = first >> 5
  if (major >= 6) return UNSURE
  const next = argumentEnd(bytes, at)
  if (next === UNSURE) return UNSURE
  if (major <= 1) return next
  const count = argument(bytes, at)
  if (major === 2) return next + count <= bytes.length ? next + count : UNSURE
  if (major === 3) return asciiEnd(bytes, next, count)
  return major === 4
    ? arrayEnd(bytes, { at: next, count, depth })
    : mapEnd(bytes, { at: next, count, depth })
}

interface Nested {
  readonly at: number
  readonly count: number
  readonly depth: number
}

function arrayEnd(bytes: Uint8Array, { at, count, depth }: Nested): number {
  let end = at
  for (let index = 0; index < count && end !== UNSURE; index += 1) {
    end = itemEnd(bytes, end, depth + 1)
  }
  return end
}

function mapEnd(bytes: Uint8Array, { at, count, depth }: Nested): number {
  let end = at
  let lastKey = UNSURE
  let lastKeyEnd = UNSURE
  for (let index = 0; index < count; index += 1) {
    const key = end
    if ((bytes[key] ?? 0) >> 5 !== 3) return UNSURE
    end = itemEnd(bytes, key, depth + 1)
    if (end === UNSURE || isProto(bytes, key)) return UNSURE
    if (lastKey !== UNSURE && !isBefore(bytes, { from: lastKey, to: lastKeyEnd }, key))
      return UNSURE
    lastKey = key
    lastKeyEnd = end
    end = itemEnd(bytes, end, depth + 1)
    if (end === UNSURE) return UNSURE
  }
  return end
}

/** Where the head of an item ends, or UNSURE where it is cut or not the shortest. */
function argumentEnd(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] ?? 0) & 31
  if (low < 24) return at + 1
  if (low > 27) return UNSURE
  const size = 1 << (low - 24)
  if (at + 1 + size > bytes.length) return UNSURE
  const value = argument(bytes, at)
  const least = size === 1 ? 24 : size === 2 ? 0x100 : size === 4 ? 0x10000 : 0x100000000
  return value >= least ? at + 1 + size : UNSURE
}

/** The number in the head of an item; above 2^53 only near it, which no length can be. */
function argument(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] ?? 0) & 31
  if (low < 24) return low
  let value = 0
  for (let index = at + 1; index <= at + (1 << (low - 24)); index += 1) {
    value = value * 256 + (bytes[index] ?? 0)
  }
  return value
}

function asciiEnd(bytes: Uint8Array, at: number, length: number): number {
  const end = at + length
  if (end > bytes.length) return UNSURE
  for (let index = at; index < end; index += 1) {
    if ((bytes[index] ?? 0xff) > 0x7f) return UNSURE
  }
  return end
}

/** Whether one key comes before that at `other`, bytewise. Both are whole. */
function isBefore(
  bytes: Uint8Array,
  key: { readonly from: number; readonly to: number },
  other: number
): boolean {
  // No encoding of text is the beginning of another one: they differ within the first, or are equal.
  for (let at = key.from; at < key.to; at += 1) {
    const difference = (bytes[at] ?? 0) - (bytes[other + at - key.from] ?? 0)
    if (difference !== 0) return difference < 0
  }
  return false
}

const PROTO = Buffer.from('i__proto__', 'latin1') // 0x69: text of nine bytes.

function isProto(bytes: Uint8Array, key: number): boolean {
  if (bytes[key] !== PROTO[0]) return false
  return PROTO.every((byte, index) => bytes[key + index] === byte)
}

/** What checking a block needs of an entry. */
export interface PlainEntry {
  readonly ms: number
  readonly counter: number
  readonly kindAt: number
  readonly kindEnd: number
  /** Where the payload hash starts. */
  readonly hashAt: number
}

/** Reads an entry of the usual form, all its text ASCII, from `from` to `to`. Null: ask `decodeEntry` (Y1). */
export function plainEntry(
  bytes: Uint8Array,
  from: number = 0,
  to: number = bytes.length
): PlainEntry | null {
  if (bytes[from] !== 0x86) return null
  const kindEnd = plainText(bytes, from + 1, KIND_BYTES_MAX)
  if (kindEnd === UNSURE) return null
  const kindAt = argumentEnd(bytes, from + 1)
  if (!isPlainKind(bytes, kindAt, kindEnd)) return null
  const actorEnd = plainText(bytes, kindEnd, TEXT_BYTES_MAX)
  const subjectEnd = actorEnd === UNSURE ? UNSURE : plainText(bytes, actorEnd, TEXT_BYTES_MAX)
  const timeEnd = subjectEnd === UNSURE ? UNSURE : plainInteger(bytes, subjectEnd)
  const counterEnd = timeEnd === UNSURE ? UNSURE : plainInteger(bytes, timeEnd)
  if (counterEnd === UNSURE || counterEnd + 2 + HASH_BYTES !== to) return null
  if (bytes[counterEnd] !== 0x58 || bytes[counterEnd + 1] !== HASH_BYTES) return null
  const ms = argument(bytes, subjectEnd)
  const counter = argument(bytes, timeEnd)
  if (!Number.isSafeInteger(ms) || counter > COUNTER_MAX) return null
  return { ms, counter, kindAt, kindEnd, hashAt: counterEnd + 2 }
}

function plainInteger(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0xff) >> 5 === 0 ? argumentEnd(bytes, at) : UNSURE
}

/** Printable ASCII of 1 to `max` bytes. */
function plainText(bytes: Uint8Array, at: number, max: number): number {
  if ((bytes[at] ?? 0) >> 5 !== 3) return UNSURE
  const start = argumentEnd(bytes, at)
  const length = argument(bytes, at)
  const end = start + length
  if (start === UNSURE || length < 1 || length > max || end > bytes.length) return UNSURE
  for (let index = start; index < end; index += 1) {
    const byte = bytes[index] ?? 0
    if (byte < 0x20 || byte > 0x7e) return UNSURE
  }
  return end
}

/** Words of a-z 0-9, joined by single dots or dashes. */
function isPlainKind(bytes: Uint8Array, at: number, end: number): boolean {
  let wasWord = false
  for (let index = at; index < end; index += 1) {
    const byte = bytes[index] ?? 0
    const isWord = (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x30 && byte <= 0x39)
    if (!isWord && !(wasWord && (byte === 0x2d || byte === 0x2e))) return false
    wasWord = isWord
  }
  return wasWord
}
