// Ways to spoil bytes: at the level of bytes, and at the level of the CBOR values within, where the result is
// canonical again and so gets past the first check.

import { decodeCbor, encodeCbor } from '../../../core/index.ts'
import type { Cbor, Prng } from '../../../core/index.ts'

/** One of `items`, none of which may be missing. */
export function drawn<T>(prng: Prng, items: readonly T[]): T {
  const item = items[prng.below(items.length)]
  if (item === undefined) throw new Error('Nothing to draw from')
  return item
}

/** Lengths, counts and nestings that decoders have been known to believe. */
const HEADS: readonly (readonly number[])[] = [
  [0xff, 0xff, 0xff, 0xff],
  [0x7f, 0xff, 0xff, 0xff],
  [0x00, 0x00, 0x00, 0x00],
  [0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0xbb, 0x00, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0x5b, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00],
  [0x5f, 0x41, 0x00, 0xff],
  [0xf9, 0x7e, 0x00],
  [0xf7],
  [0xc2, 0x49, 1, 0, 0, 0, 0, 0, 0, 0, 0],
  Array.from({ length: 600 }, () => 0x81),
  Array.from({ length: 9000 }, (_, index) => (index < 8999 ? 0x81 : 0x00))
]

export function spoiledBytes(prng: Prng, bytes: Uint8Array): Uint8Array {
  const at = prng.below(bytes.length + 1)
  switch (prng.below(6)) {
    case 0: {
      const flipped = bytes.slice()
      const place = Math.min(at, flipped.length - 1)
      flipped[place] = (flipped[place] ?? 0) ^ (1 << prng.below(8))
      return flipped
    }
    case 1:
      return bytes.slice(0, at)
    case 2:
      return joined(
        bytes.subarray(0, at),
        bytes.subarray(Math.min(bytes.length, at + prng.below(40)))
      )
    case 3:
      return joined(bytes.subarray(0, at), bytes.subarray(prng.below(bytes.length + 1)))
    case 4: {
      const head = Uint8Array.from(drawn(prng, HEADS))
      return joined(bytes.subarray(0, at), head, bytes.subarray(at + prng.below(2) * head.length))
    }
    default: {
      const filled = bytes.slice()
      filled.fill(prng.below(256), at, Math.min(filled.length, at + prng.below(64)))
      return filled
    }
  }
}

const VALUES: readonly Cbor[] = [
  null,
  true,
  0,
  -1,
  1.5,
  2 ** 53 - 1,
  -(2 ** 53),
  2n ** 64n - 1n,
  '',
  'constructor',
  '\u0000',
  'a'.repeat(70_000),
  '𝒳\u202E'.repeat(50),
  new Uint8Array(),
  new Uint8Array(70_000),
  [],
  {},
  { toString: 1, constructor: { prototype: 1 } },
  Array.from({ length: 5000 }, () => 0),
  Array.from({ length: 70 }).reduce<Cbor>((inner) => [inner], 0)
]

/** One value somewhere inside is another one. Byte strings that are CBOR themselves are opened too. */
export function spoiledValue(prng: Prng, value: Cbor): Cbor {
  if (value instanceof Uint8Array) {
    const inner = opened(value)
    if (inner !== undefined && prng.below(4) > 0) return encodeCbor(spoiledValue(prng, inner))
    return prng.below(2) === 0 ? drawn(prng, VALUES) : spoiledBytes(prng, value)
  }
  if (prng.below(3) === 0 || typeof value !== 'object' || value === null) return drawn(prng, VALUES)
  return isList(value) ? spoiledArray(prng, value) : spoiledMap(prng, value)
}

function isList(value: Cbor): value is readonly Cbor[] {
  return Array.isArray(value)
}

function spoiledMap(prng: Prng, value: { readonly [key: string]: Cbor }): Cbor {
  const pairs = Object.entries(value)
  const [key, inner] = pairs.length === 0 ? ['v', null] : drawn(prng, pairs)
  switch (prng.below(5)) {
    case 0:
      return Object.fromEntries(pairs.filter(([name]) => name !== key))
    case 1:
      return { ...value, [drawn(prng, ['v', 'admin', 'constructor', '', 'x'.repeat(300)])]: true }
    default:
      return { ...value, [key]: spoiledValue(prng, inner) }
  }
}

function spoiledArray(prng: Prng, items: readonly Cbor[]): Cbor {
  const at = prng.below(items.length + 1)
  switch (prng.below(5)) {
    case 0:
      return items.toSpliced(at, 1)
    case 1:
      return items.toSpliced(at, 0, drawn(prng, VALUES))
    default:
      return items.map((item, index) => (index === at ? spoiledValue(prng, item) : item))
  }
}

/** What `bytes` say as CBOR, undefined where they are none. */
export function opened(bytes: Uint8Array): Cbor | undefined {
  try {
    // What was decoded can be encoded.
    return decodeCbor(bytes) as Cbor
  } catch {
    return undefined
  }
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}
