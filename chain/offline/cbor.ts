// A decoder for the one deterministic encoding of docs/chain-format.md, "Basics". It builds no objects with
// keys of others' choosing, and is a second implementation beside the one that wrote the bytes.

import { compare, decodeText } from './bytes.ts'
import { Malformed } from './errors.ts'

export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Value[]
  | ReadonlyMap<string, Value>

const DEPTH_MAX = 64

/** @throws Malformed for any other encoding, and for bytes behind the value */
export function decode(bytes: Uint8Array): Value {
  const reader = new Reader(bytes)
  const value = reader.value(0)
  if (!reader.isAtEnd) throw new Malformed('bytes stand behind the value')
  return value
}

class Reader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  value(depth: number): Value {
    if (depth > DEPTH_MAX) throw new Malformed('values nest too deep')
    const first = this.#bytes[this.#at]
    if (first === undefined) throw new Malformed('a value ends early')
    this.#at += 1
    const minor = first & 31
    switch (first >> 5) {
      case 0:
        return this.#argument(minor)
      case 1:
        return negative(this.#argument(minor))
      case 2:
        return this.#take(this.#length(minor)).slice()
      case 3:
        return this.#text(minor)
      case 4:
        return Array.from({ length: this.#length(minor) }, () => this.value(depth + 1))
      case 5:
        return this.#map(this.#length(minor), depth)
      case 7:
        return this.#simple(minor)
      default:
        throw new Malformed('a tag')
    }
  }

  #take(length: number): Uint8Array {
    this.#skip(length)
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  #skip(length: number): void {
    if (length > this.#bytes.length - this.#at) throw new Malformed('a value ends early')
    this.#at += length
  }

  #argument(minor: number): number | bigint {
    if (minor < 24) return minor
    if (minor > 27) throw new Malformed('an indefinite or reserved length')
    const size = 2 ** (minor - 24)
    const start = this.#at
    this.#skip(size)
    const value = this.#integerAt(start, size)
    const least = minor === 24 ? 24 : 2 ** (size * 4)
    if (value < least) throw new Malformed('an integer is longer than it must be')
    return value
  }

  #integerAt(at: number, size: number): number | bigint {
    if (size === 1) return this.#view.getUint8(at)
    if (size === 2) return this.#view.getUint16(at)
    if (size === 4) return this.#view.getUint32(at)
    const value = this.#view.getBigUint64(at)
    return value > BigInt(Number.MAX_SAFE_INTEGER) ? value : Number(value)
  }

  /** No more than there are bytes left: each item takes one at least. */
  #length(minor: number): number {
    const length = Number(this.#argument(minor))
    if (length > this.#bytes.length - this.#at) throw new Malformed('a value ends early')
    return length
  }

  #text(minor: number): string {
    const text = decodeText(this.#take(this.#length(minor)))
    if (text === null) throw new Malformed('text is not UTF-8')
    return text
  }

  #map(length: number, depth: number): ReadonlyMap<string, Value> {
    const map = new Map<string, Value>()
    let last: Uint8Array | null = null
    for (let index = 0; index < length; index += 1) {
      const start = this.#at
      const key = this.value(depth + 1)
      const encoded = this.#bytes.subarray(start, this.#at)
      if (typeof key !== 'string') throw new Malformed('a map key is not text')
      if (key === '__proto__') throw new Malformed('a map has the key __proto__')
      if (last !== null && compare(last, encoded) >= 0) throw new Malformed('map keys out of order')
      last = encoded
      map.set(key, this.value(depth + 1))
    }
    return map
  }

  #simple(minor: number): Value {
    if (minor === 20) return false
    if (minor === 21) return true
    if (minor === 22) return null
    if (minor < 25 || minor > 27) throw new Malformed('a simple value')
    const size = 2 ** (minor - 24)
    const start = this.#at
    this.#skip(size)
    const value = this.#floatAt(start, size)
    const isShorter = size > 2 && (isHalf(value) || (size === 8 && Math.fround(value) === value))
    if (!Number.isFinite(value) || Number.isSafeInteger(value) || isShorter) {
      throw new Malformed('a number in another form than its shortest')
    }
    return value
  }

  #floatAt(at: number, size: number): number {
    if (size === 8) return this.#view.getFloat64(at)
    if (size === 4) return this.#view.getFloat32(at)
    const bits = this.#view.getUint16(at)
    const exponent = (bits >> 10) & 31
    const fraction = bits & 1023
    const sign = bits >> 15 === 0 ? 1 : -1
    if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN
    return (
      sign * (exponent === 0 ? fraction / 2 ** 24 : (1 + fraction / 1024) * 2 ** (exponent - 15))
    )
  }
}

/** Whether 16 bits hold the value: 11 significant bits, and exponents as IEEE 754 has them. */
function isHalf(value: number): boolean {
  const size = Math.abs(value)
  if (size >= 65_520 || size === 0) return size === 0
  const step = 2 ** (Math.max(Math.floor(Math.log2(size)), -14) - 10)
  return Number.isInteger(size / step)
}

function negative(argument: number | bigint): number | bigint {
  const value = -1n - BigInt(argument)
  return value < BigInt(Number.MIN_SAFE_INTEGER) ? value : Number(value)
}

/** @throws Malformed unless the bytes are an array of exactly so many items */
export function decodeArray(bytes: Uint8Array, length: number, what: string): readonly Value[] {
  return asArray(decode(bytes), length, what)
}

export function asArray(value: Value | undefined, length: number, what: string): readonly Value[] {
  if (!Array.isArray(value) || value.length !== length) {
    throw new Malformed(`${what} is not an array of ${length} items`)
  }
  return value
}

/** An integer of 0 to `max`. */
export function asInteger(value: Value | undefined, max: number, what: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > max) {
    throw new Malformed(`${what} is not an integer from 0 to ${max}`)
  }
  return value
}

export function asBytes(value: Value | undefined, length: number, what: string): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length !== length) {
    throw new Malformed(`${what} is not ${length} bytes`)
  }
  return value
}

export function asText(value: Value | undefined, what: string): string {
  if (typeof value !== 'string') throw new Malformed(`${what} is not text`)
  return value
}
