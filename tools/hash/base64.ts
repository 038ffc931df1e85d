// Base64 (RFC 4648 section 4): padded, canonical, nothing skipped.

import { Bytes, Writer } from './bytes'

/** Null unless `text` is the one encoding of some bytes. */
export function decodeBase64(text: Bytes): Bytes | null {
  if (text.length % 4 != 0) return null
  const writer = new Writer((text.length / 4) * 3)
  for (let offset = 0; offset < text.length; offset += 4) {
    if (!decodeGroup(text, offset, writer)) return null
  }
  return writer.done()
}

function decodeGroup(text: Bytes, offset: i32, writer: Writer): bool {
  const isLast = offset + 4 == text.length
  let padding = 0
  if (isLast && text.at(offset + 3) == 0x3d) padding = text.at(offset + 2) == 0x3d ? 2 : 1
  let bits: i32 = 0
  for (let index = 0; index < 4 - padding; index++) {
    const value = sextet(text.at(offset + index))
    if (value < 0) return false
    bits |= value << (18 - 6 * index)
  }
  // Bits that the padding cuts off must be zero, or two texts would mean the same bytes.
  if ((padding == 1 && (bits & 0xff) != 0) || (padding == 2 && (bits & 0xffff) != 0)) return false
  writer.byte(<u32>bits >> 16)
  if (padding < 2) writer.byte((<u32>bits >> 8) & 255)
  if (padding < 1) writer.byte(<u32>bits & 255)
  return true
}

function sextet(byte: u8): i32 {
  if (byte >= 0x41 && byte <= 0x5a) return <i32>byte - 0x41
  if (byte >= 0x61 && byte <= 0x7a) return <i32>byte - 0x61 + 26
  if (byte >= 0x30 && byte <= 0x39) return <i32>byte - 0x30 + 52
  if (byte == 0x2b) return 62
  return byte == 0x2f ? 63 : -1
}
