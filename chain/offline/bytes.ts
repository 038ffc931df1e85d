// Bytes and their text forms without Node: this folder also runs in a browser.

const ENCODER = new TextEncoder()
const DECODER = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const NO_DIGIT = 64
const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
// An identity multihash over the libp2p form of an Ed25519 key: docs/chain-format.md, "Basics".
const NODE_ID_PREFIX = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)
const KEY_BYTES = 32
const NODE_ID_LENGTH_MAX = 64

export function join(...parts: readonly Uint8Array[]): Uint8Array {
  let size = 0
  for (const part of parts) size += part.length
  const joined = new Uint8Array(size)
  let offset = 0
  for (const part of parts) {
    joined.set(part, offset)
    offset += part.length
  }
  return joined
}

/** As `Array.prototype.toSorted` wants it: bytewise, a prefix before what it begins. */
export function compare(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length)
  for (let index = 0; index < shared; index += 1) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compare(a, b) === 0
}

export function encodeText(text: string): Uint8Array {
  return ENCODER.encode(text)
}

/** Null unless the bytes are UTF-8. */
export function decodeText(bytes: Uint8Array): string | null {
  try {
    return DECODER.decode(bytes)
  } catch {
    return null // All that the decoder ever throws for.
  }
}

export function uint64(value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value))
  return bytes
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** Characters made at once: as many arguments as every engine takes. */
const TEXT_STEP = 8192

/** RFC 4648 section 4, with padding. */
export function base64(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += TEXT_STEP) {
    text += String.fromCharCode(...bytes.subarray(at, at + TEXT_STEP))
  }
  return btoa(text)
}

/** The value of each digit by its character code; 64 where it is none. */
const BASE64_VALUES = Uint8Array.from({ length: 128 }, (_, code) => {
  const value = BASE64.indexOf(String.fromCharCode(code))
  return value === -1 ? NO_DIGIT : value
})

/** Null unless `text` is the one right encoding of some bytes: unused bits are zero. */
export function fromBase64(text: string): Uint8Array | null {
  // Not by `atob`: it forgives blanks, missing padding and unused bits, and takes a fifth of the time of a proof.
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  const digits = text.length - padding
  if (text.length % 4 !== 0 || digits % 4 === 1) return null
  const bytes = new Uint8Array((text.length / 4) * 3 - padding)
  let bits = 0
  let seen = 0
  for (let index = 0, at = 0; index < digits; index += 1) {
    const value = BASE64_VALUES[text.charCodeAt(index)] ?? NO_DIGIT
    seen |= value
    bits = ((bits << 6) | value) & 0xffff
    if (index % 4 === 0) continue
    bytes[at] = bits >> (6 - 2 * (index % 4))
    at += 1
  }
  const unused = padding === 2 ? 0x0f : padding === 1 ? 0x03 : 0
  return seen < NO_DIGIT && (bits & unused) === 0 ? bytes : null
}

/** The text of a node's key, `12D3KooW...`. */
export function nodeText(key: Uint8Array): string {
  let number = BigInt(`0x${hex(join(NODE_ID_PREFIX, key))}`)
  let text = ''
  while (number > 0n) {
    text = (BASE58[Number(number % 58n)] ?? '') + text
    number /= 58n
  }
  return `1${text}` // The prefix begins with one zero byte.
}

/** The key in the text of a node; null where it is no such text. */
export function nodeKey(text: string): Uint8Array | null {
  if (text.length > NODE_ID_LENGTH_MAX || !/^1[1-9A-HJ-NP-Za-km-z]+$/.test(text)) return null
  let number = 0n
  for (const digit of text) number = number * 58n + BigInt(BASE58.indexOf(digit))
  const digits = number.toString(16).padStart((NODE_ID_PREFIX.length + KEY_BYTES) * 2, '0')
  const bytes = Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
  const key = bytes.slice(NODE_ID_PREFIX.length)
  return key.length === KEY_BYTES && nodeText(key) === text ? key : null
}
