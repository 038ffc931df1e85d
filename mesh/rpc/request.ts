// The payload of OPEN and NOTIFY: u32 timeout in ms, u8 length of the method, method, CBOR body.

import { decodeCbor, encodeCbor, utf8 } from '../../core/index.ts'
import type { Cbor, Millis } from '../../core/index.ts'
import { messageTooLarge, protocolViolated } from './errors.ts'
import { readUint32 } from './frame.ts'
import { MESSAGE_BYTES_MAX, METHOD_LENGTH_MAX } from './limits.ts'

/** @throws WeaverError `MESH_PROTOCOL_VIOLATED` */
export function decodedBody(bytes: Uint8Array): unknown {
  try {
    return decodeCbor(bytes)
  } catch {
    throw protocolViolated('a body that is not canonical CBOR')
  }
}

const REQUEST_HEADER_BYTES = 5
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** @throws WeaverError `MESH_MESSAGE_TOO_LARGE`, or what the encoder says of a value it cannot encode */
export function encodeRequest(method: string, body: Cbor, timeoutMs: Millis | null): Uint8Array {
  const name = utf8(method)
  if (name.length > METHOD_LENGTH_MAX) throw messageTooLarge(name.length, METHOD_LENGTH_MAX)
  const encoded = encodeCbor(body)
  const size = REQUEST_HEADER_BYTES + name.length + encoded.length
  if (size > MESSAGE_BYTES_MAX) throw messageTooLarge(size, MESSAGE_BYTES_MAX)
  const bytes = new Uint8Array(size)
  // Rounded up, so that 0 keeps meaning no deadline; beyond 49 days the field is full.
  const timeout = timeoutMs === null ? 0 : Math.min(Math.max(1, Math.ceil(timeoutMs)), 0xffff_ffff)
  new DataView(bytes.buffer).setUint32(0, timeout)
  bytes[REQUEST_HEADER_BYTES - 1] = name.length
  bytes.set(name, REQUEST_HEADER_BYTES)
  bytes.set(encoded, REQUEST_HEADER_BYTES + name.length)
  return bytes
}

export interface ReceivedRequest {
  readonly method: string
  /** Zero for no deadline. */
  readonly timeoutMs: number
  readonly body: unknown
}

/** @throws WeaverError `MESH_PROTOCOL_VIOLATED` */
export function decodeRequest(bytes: Uint8Array): ReceivedRequest {
  const bodyAt = REQUEST_HEADER_BYTES + (bytes[REQUEST_HEADER_BYTES - 1] ?? 0)
  if (bytes.length <= bodyAt) throw protocolViolated('a request that ends early')
  return {
    method: decodedName(bytes.subarray(REQUEST_HEADER_BYTES, bodyAt)),
    timeoutMs: readUint32(bytes, 0),
    body: decodedBody(bytes.subarray(bodyAt))
  }
}

function decodedName(bytes: Uint8Array): string {
  try {
    return strictUtf8.decode(bytes)
  } catch {
    throw protocolViolated('the name of a method that is not UTF-8')
  }
}
