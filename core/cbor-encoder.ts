// Writes the values that nearly all messages, entries and rows are made of: a quarter of what cborg takes, and no
// garbage but the result. Whatever else may be encoded (fractions, bigints) cborg writes, value by value, so that
// there is one source for each encoding. Every decode encodes too, to compare (cbor.ts): this is on every path.
//
// Invariants
//   E1. The bytes are those of cborg in its RFC 8949 mode, for every value that is taken (a property test).

/** Writes one value of a kind that this encoder does not know. */
export type Foreign = (value: unknown) => Uint8Array

const START_BYTES: number = 16 * 1024
/** A larger buffer is not kept: what needs one is rare. */
const KEPT_BYTES_MAX: number = 1024 * 1024
/** Nested deeper, cborg has it: it notices a value that contains itself. */
const DEPTH_MAX = 128
/** Longer texts are quicker by the native way. */
const SHORT_TEXT = 32
/** With more keys native sorting is quicker. */
const FEW_KEYS = 12

const UINT = 0x00
const NEGINT = 0x20
const BYTES = 0x40
const TEXT = 0x60
const ARRAY = 0x80
const MAP = 0xa0
const FALSE = 0xf4
const TRUE = 0xf5
const NULL = 0xf6

export class CborEncoder {
  readonly #foreign: Foreign
  #buffer: Buffer = Buffer.allocUnsafeSlow(START_BYTES)
  #at = 0

  constructor(foreign: Foreign) {
    this.#foreign = foreign
  }

  /** A view of the encoding, good until the next call. @throws what `Foreign` throws */
  view(value: unknown): Uint8Array {
    if (this.#buffer.length > KEPT_BYTES_MAX) this.#buffer = Buffer.allocUnsafeSlow(START_BYTES)
    this.#at = 0
    this.#write(value, 0)
    return this.#buffer.subarray(0, this.#at)
  }

  #write(value: unknown, depth: number): void {
    if (typeof value === 'string') this.#text(value)
    else if (typeof value === 'number') this.#number(value)
    else if (value === null) this.#byte(NULL)
    else if (typeof value === 'boolean') this.#byte(value ? TRUE : FALSE)
    else if (typeof value !== 'object' || depth >= DEPTH_MAX) this.#raw(this.#foreign(value))
    else if (value instanceof Uint8Array) {
      this.#head(BYTES, value.length)
      this.#raw(value)
    } else if (Array.isArray(value)) {
      this.#head(ARRAY, value.length)
      for (const item of value) this.#write(item, depth + 1)
    } else if (isPlain(value)) this.#map(value, depth)
    else this.#raw(this.#foreign(value))
  }

  #number(value: number): void {
    if (!Number.isSafeInteger(value)) this.#raw(this.#foreign(value))
    else if (value >= 0) this.#head(UINT, value)
    else this.#head(NEGINT, -1 - value)
  }

  /** Keys in the bytewise order of their encodings, which for texts is: the shorter first, then by bytes. */
  #map(value: Readonly<Record<string, unknown>>, depth: number): void {
    const keys = Object.keys(value)
    this.#head(MAP, keys.length)
    sortKeys(keys)
    for (const key of keys) {
      this.#text(key)
      this.#write(value[key], depth + 1)
    }
  }

  #text(text: string): void {
    const { length } = text
    if (length < SHORT_TEXT && this.#shortText(text, length)) return
    const bytes = Buffer.byteLength(text)
    this.#head(TEXT, bytes)
    this.#reserve(bytes)
    this.#at += this.#buffer.write(text, this.#at, bytes, 'utf8')
  }

  /** Whether it was ASCII, and is written. */
  #shortText(text: string, length: number): boolean {
    const start = this.#at
    this.#head(TEXT, length)
    this.#reserve(length)
    for (let index = 0; index < length; index++) {
      const code = text.charCodeAt(index)
      if (code > 127) {
        this.#at = start
        return false
      }
      this.#buffer[this.#at + index] = code
    }
    this.#at += length
    return true
  }

  #head(major: number, size: number): void {
    this.#reserve(9)
    const buffer = this.#buffer
    if (size < 24) {
      buffer[this.#at] = major | size
      this.#at += 1
    } else if (size < 2 ** 8) {
      buffer[this.#at] = major | 24
      buffer[this.#at + 1] = size
      this.#at += 2
    } else if (size < 2 ** 16) {
      buffer[this.#at] = major | 25
      this.#at = buffer.writeUInt16BE(size, this.#at + 1)
    } else if (size < 2 ** 32) {
      buffer[this.#at] = major | 26
      this.#at = buffer.writeUInt32BE(size, this.#at + 1)
    } else {
      buffer[this.#at] = major | 27
      const high = Math.floor(size / 2 ** 32)
      this.#at = buffer.writeUInt32BE(high, this.#at + 1)
      this.#at = buffer.writeUInt32BE(size - high * 2 ** 32, this.#at)
    }
  }

  #byte(byte: number): void {
    this.#reserve(1)
    this.#buffer[this.#at] = byte
    this.#at += 1
  }

  #raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length)
    this.#buffer.set(bytes, this.#at)
    this.#at += bytes.length
  }

  #reserve(bytes: number): void {
    const needed = this.#at + bytes
    if (needed <= this.#buffer.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#buffer.length))
    larger.set(this.#buffer.subarray(0, this.#at))
    this.#buffer = larger
  }
}

function isPlain(value: object): value is Readonly<Record<string, unknown>> {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** Few keys, mostly in order already: native sorting makes three arrays for each map. */
function sortKeys(keys: string[]): void {
  if (keys.length > FEW_KEYS) {
    keys.sort(inOrder)
    return
  }
  for (let end = 1; end < keys.length; end++) {
    const key = keys[end] ?? ''
    let at = end
    for (; at > 0; at--) {
      const before = keys[at - 1] ?? ''
      if (inOrder(before, key) < 0) break
      keys[at] = before
    }
    keys[at] = key
  }
}

function inOrder(a: string, b: string): number {
  const aBytes = byteLength(a)
  const bBytes = byteLength(b)
  if (aBytes !== bBytes) return aBytes - bBytes
  if (aBytes === a.length && bBytes === b.length) return a < b ? -1 : 1 // Both are ASCII.
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function byteLength(text: string): number {
  const { length } = text
  if (length >= SHORT_TEXT) return Buffer.byteLength(text)
  for (let index = 0; index < length; index++) {
    if (text.charCodeAt(index) > 127) return Buffer.byteLength(text)
  }
  return length
}
