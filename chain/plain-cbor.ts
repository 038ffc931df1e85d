// Encoding the usual payload and the fixed shape of an entry, straight into one buffer: an append does this
// for every entry, and a general encoder takes three times as long. Whatever is not plain (floating-point
// numbers, integers beyond 2^53, keys beyond ASCII, deep nesting) is left to the general encoder.
//
// Invariants
//   Z1. What is made here is byte for byte what the general encoder makes of the same value.

import type { Cbor } from '../core/index.ts'
import { ENTRY_BYTES_MAX, PAYLOAD_BYTES_MAX } from './limits.ts'

const DEPTH_MAX = 16
const KEYS_MAX = 64 // Sorting many keys is no longer the quick case.
const scratch = Buffer.allocUnsafeSlow(PAYLOAD_BYTES_MAX + 16)
/** Thrown as it is, once made: leaving is the rare case, and must cost little. */
const NOT_PLAIN = new Error('not plain')

/** The canonical encoding of a plain value, or null. Also null for what may not be encoded at all. */
export function plainCbor(value: Cbor): Uint8Array | null {
  try {
    const end = writeItem(value, 0, 0)
    return kept(end)
  } catch (error) {
    if (error === NOT_PLAIN) return null
    throw error
  }
}

// Small encodings are parts of one larger buffer each: to make a buffer takes ten times as long as to fill
// it. A part keeps the whole alive, but those made together wait, and are written, together.
const POOL_BYTES = 32 * 1024
const POOLED_BYTES_MAX = 2048
let pool = new Uint8Array(POOL_BYTES)
let poolUsed = 0

/** A copy of the first bytes of the scratch, which is used again. */
function kept(length: number): Uint8Array {
  if (length > POOLED_BYTES_MAX) return new Uint8Array(scratch.buffer.slice(0, length))
  if (poolUsed + length > POOL_BYTES) {
    pool = new Uint8Array(POOL_BYTES)
    poolUsed = 0
  }
  const start = poolUsed
  poolUsed += length
  pool.set(scratch.subarray(0, length), start)
  return pool.subarray(start, poolUsed)
}

function writeItem(value: Cbor, at: number, depth: number): number {
  if (depth > DEPTH_MAX || at + 9 > PAYLOAD_BYTES_MAX) throw NOT_PLAIN
  if (typeof value === 'string') return writeText(value, at)
  if (typeof value === 'number') return writeInteger(value, at)
  if (value === null) return writeByte(0xf6, at)
  if (typeof value === 'boolean') return writeByte(value ? 0xf5 : 0xf4, at)
  if (typeof value !== 'object') throw NOT_PLAIN
  if (value instanceof Uint8Array) return writeBytes(value, at)
  if (isList(value)) {
    let end = writeHead(4, value.length, at)
    for (const item of value) end = writeItem(item, end, depth + 1)
    return end
  }
  return writeMap(value, at, depth)
}

function isList(value: Cbor): value is readonly Cbor[] {
  return Array.isArray(value)
}

function writeMap(value: { readonly [key: string]: Cbor }, at: number, depth: number): number {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) throw NOT_PLAIN
  const keys = Object.keys(value)
  if (keys.length > KEYS_MAX) throw NOT_PLAIN
  for (const key of keys) if (!isAscii(key) || key === '__proto__') throw NOT_PLAIN
  // Bytewise order of the encodings: the shorter length comes first in its head.
  if (keys.length > 1) keys.sort((a, b) => a.length - b.length || (a < b ? -1 : 1))
  let end = writeHead(5, keys.length, at)
  for (const key of keys) {
    const item = value[key]
    if (item === undefined) throw NOT_PLAIN
    end = writeItem(item, writeText(key, end), depth + 1)
  }
  return end
}

function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    if (text.charCodeAt(index) > 0x7f) return false
  }
  return true
}

function writeInteger(value: number, at: number): number {
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) throw NOT_PLAIN
  return value >= 0 ? writeHead(0, value, at) : writeHead(1, -1 - value, at)
}

function writeText(text: string, at: number): number {
  // A lone surrogate has no encoding of its own: the general encoder says what becomes of it.
  const length = Buffer.byteLength(text)
  if (at + length + 9 > PAYLOAD_BYTES_MAX || !text.isWellFormed()) throw NOT_PLAIN
  const start = writeHead(3, length, at)
  scratch.write(text, start, length, 'utf8')
  return start + length
}

function writeBytes(bytes: Uint8Array, at: number): number {
  if (at + bytes.length + 9 > PAYLOAD_BYTES_MAX) throw NOT_PLAIN
  const start = writeHead(2, bytes.length, at)
  scratch.set(bytes, start)
  return start + bytes.length
}

function writeByte(byte: number, at: number): number {
  scratch[at] = byte
  return at + 1
}

/** The major type and argument in their shortest form. */
function writeHead(major: number, value: number, at: number): number {
  const first = major << 5
  if (value < 24) return writeByte(first | value, at)
  if (value < 0x100) {
    scratch[at] = first | 24
    return writeByte(value, at + 1)
  }
  if (value < 0x10000) {
    scratch[at] = first | 25
    return scratch.writeUInt16BE(value, at + 1)
  }
  if (value < 0x100000000) {
    scratch[at] = first | 26
    return scratch.writeUInt32BE(value, at + 1)
  }
  scratch[at] = first | 27
  scratch.writeUInt32BE(Math.floor(value / 0x100000000), at + 1)
  return scratch.writeUInt32BE(value % 0x100000000, at + 5)
}

export interface PlainEntryFields {
  readonly kind: string
  readonly actor: string
  readonly subject: string
  readonly ms: number
  readonly counter: number
  readonly payloadHash: Uint8Array
}

/** The encoding of an entry whose texts have been checked. */
export function encodedEntry(entry: PlainEntryFields): Uint8Array {
  let end = writeByte(0x86, 0)
  end = writeText(entry.kind, end)
  end = writeText(entry.actor, end)
  end = writeText(entry.subject, end)
  end = writeHead(0, entry.ms, end)
  end = writeHead(0, entry.counter, end)
  end = writeBytes(entry.payloadHash, end)
  if (end > ENTRY_BYTES_MAX) throw NOT_PLAIN
  return kept(end)
}
