// Checks that decoded CBOR has the shape this room expects. Each function returns the value as the type
// it has shown it to be, or throws `CHAIN_FORMAT_INVALID`.

import { decodeCbor } from '../core/index.ts'
import { FormatError } from './errors.ts'

/** Decodes an array of exactly `length` items from its one canonical encoding. */
export function decodeTuple(bytes: Uint8Array, length: number, what: string): readonly unknown[] {
  let value: unknown
  try {
    value = decodeCbor(bytes)
  } catch {
    throw new FormatError(`${what} is not canonical CBOR`)
  }
  if (!Array.isArray(value) || value.length !== length) {
    throw new FormatError(`${what} must be an array of ${length} items`)
  }
  return value
}

export function asInteger(value: unknown, max: number, what: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > max) {
    throw new FormatError(`${what} must be an integer from 0 to ${max}`)
  }
  return value
}

export function asBytes(value: unknown, length: number, what: string): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length !== length) {
    throw new FormatError(`${what} must be ${length} bytes`)
  }
  return value
}

/** Text of 1 to `max` bytes in UTF-8, without control characters. */
export function asText(value: unknown, max: number, what: string): string {
  if (typeof value !== 'string' || !isText(value, max)) {
    throw new FormatError(`${what} must be text of 1 to ${max} bytes without control characters`)
  }
  return value
}

export function asKind(value: unknown, max: number): string {
  if (typeof value !== 'string' || !isKind(value, max)) {
    throw new FormatError(`a kind must be 1 to ${max} of a-z 0-9 in words joined by '.' or '-'`)
  }
  return value
}

export function isText(value: string, max: number): boolean {
  return (
    value.length > 0 &&
    value.length <= max &&
    // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
    !/[\u0000-\u001f\u007f]/.test(value) &&
    value.isWellFormed() &&
    (value.length * 3 <= max || Buffer.byteLength(value) <= max)
  )
}

export function isKind(value: string, max: number): boolean {
  return value.length <= max && /^[a-z0-9]+(?:[.-][a-z0-9]+)*$/.test(value)
}
