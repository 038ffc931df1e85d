// Deterministic CBOR (RFC 8949 section 4.2.1): shortest integers, definite lengths, map keys in
// bytewise order, one encoding for each value. All that is hashed, signed or stored goes through here.

import { decode, encode, rfc8949EncodeOptions } from 'cborg'
import type { EncodeOptions } from 'cborg'
import { equalBytes } from './bytes.ts'
import { CborEncoder } from './cbor-encoder.ts'
import { WeaverError } from './errors.ts'

/** What may be encoded: no undefined, no floating-point surprises, no class instances. */
export type Cbor =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Cbor[]
  | { readonly [key: string]: Cbor }

/** @throws WeaverError `CORE_INVALID_CBOR` for `undefined`, which the types forbid and a cast lets through. */
export function encodeCbor(value: Cbor): Uint8Array {
  return new Uint8Array(encoder.view(value))
}

const encodeOptions: EncodeOptions = {
  ...rfc8949EncodeOptions,
  typeEncoders: {
    ...rfc8949EncodeOptions.typeEncoders,
    undefined: () => {
      throw new WeaverError('CORE_INVALID_CBOR', 'Cannot encode undefined: use null')
    }
  }
}

const encoder = new CborEncoder((value) => encode(value, encodeOptions))

/** Nothing of ours nests half as deep; what does is an attack on the stack of whoever reads it. */
const DEPTH_MAX = 64

/**
 * Decodes one value and refuses every encoding but the canonical one, every map with the key `__proto__`,
 * and what nests deeper than 64.
 * @throws WeaverError `CORE_INVALID_CBOR`
 */
export function decodeCbor(bytes: Uint8Array): unknown {
  let value: unknown
  try {
    value = decode(bytes, {
      strict: true,
      allowIndefinite: false,
      allowUndefined: false,
      allowInfinity: false,
      allowNaN: false,
      rejectDuplicateMapKeys: true,
      useMaps: false
    })
  } catch (error) {
    throw new WeaverError('CORE_INVALID_CBOR', 'Cannot decode CBOR', { cause: error })
  }
  refuseDepth(value, 0)
  // cborg does not check the order of map keys, so the one canonical encoding is made and compared.
  if (!equalBytes(encoder.view(value), bytes)) {
    throw new WeaverError('CORE_INVALID_CBOR', 'Cannot accept CBOR that is not canonical')
  }
  if (Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes('__proto__')) {
    refuseGadgetKeys(value)
  }
  return value
}

function refuseDepth(value: unknown, depth: number): void {
  if (depth > DEPTH_MAX) {
    throw new WeaverError(
      'CORE_INVALID_CBOR',
      `Cannot accept CBOR that nests deeper than ${DEPTH_MAX}`
    )
  }
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return
  const items: readonly unknown[] = Array.isArray(value) ? value : Object.values(value)
  for (const item of items) refuseDepth(item, depth + 1)
}

/** `constructor` and `prototype` are harmless as own keys of data; `__proto__` is so only until copied. */
function refuseGadgetKeys(value: unknown): void {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return
  if (Object.hasOwn(value, '__proto__')) {
    throw new WeaverError('CORE_INVALID_CBOR', 'Cannot accept a map with the key __proto__')
  }
  for (const inner of Object.values(value)) refuseGadgetKeys(inner)
}
