// Node ids as people read and type them: with three check digits at the end, `12D3KooW...-k7Q`. The digits
// are of the whole id, so they also vouch for one that was shortened: any unique beginning, `-`, and the
// digits of the id meant. A mistyped character is then noticed with 1 in 195,000 left to chance.

import { shake256, utf8 } from '../../core/index.ts'
import type { NodeId } from '../../core/index.ts'

const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz' // Base58, as the id.
export const CHECK_DIGITS = 3
const TYPED_PATTERN = /^([1-9A-HJ-NP-Za-km-z]{4,64})-([1-9A-HJ-NP-Za-km-z]{3})$/

export function checkDigits(id: NodeId): string {
  const bytes = shake256('weft/node-id-check/1', utf8(id))
  let number = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
  let digits = ''
  for (let count = 0; count < CHECK_DIGITS; count++) {
    digits += ALPHABET[number % ALPHABET.length]
    number = Math.floor(number / ALPHABET.length)
  }
  return digits
}

export function nodeIdText(id: NodeId): string {
  return `${id}-${checkDigits(id)}`
}

/** The parts of what somebody typed; null where it has no check digits. */
export function parseNodeIdText(
  text: string
): { readonly start: string; readonly digits: string } | null {
  const [, start, digits] = TYPED_PATTERN.exec(text) ?? []
  return start === undefined || digits === undefined ? null : { start, digits }
}
