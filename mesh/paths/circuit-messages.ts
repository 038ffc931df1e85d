// The few messages of circuit relay v2 that a client sends and reads, in protobuf:
// https://github.com/libp2p/specs/blob/master/relay/circuit-v2.md. Pure.

const RESERVE = 0
const CONNECT = 1
const STATUS = 2
const STOP_CONNECT = 0
const STOP_STATUS = 1
const OK = 100
const PERMISSION_DENIED = 202

const REFUSALS: Readonly<Record<number, string>> = {
  200: 'it holds as many reservations as it may',
  201: 'it relays as much as it may',
  202: 'it may not relay for this node',
  203: 'it could not reach the peer',
  204: 'the peer has no reservation there'
}

/** The only size that the messages of honest relays do not reach: a reservation names 16 addresses. */
export const CIRCUIT_MESSAGE_BYTES_MAX = 4096

export const RESERVE_REQUEST: Uint8Array = Uint8Array.of(0x08, RESERVE)
export const STOP_ACCEPTED: Uint8Array = Uint8Array.of(0x08, STOP_STATUS, 0x20, OK)
export const STOP_REFUSED: Uint8Array = Uint8Array.of(
  0x08,
  STOP_STATUS,
  0x20,
  (PERMISSION_DENIED & 0x7f) | 0x80,
  PERMISSION_DENIED >> 7
)

/** `peerId`: the multihash of the peer to be connected with, under 126 bytes. */
export function connectRequest(peerId: Uint8Array): Uint8Array {
  const { length } = peerId
  return Uint8Array.of(0x08, CONNECT, 0x12, length + 2, 0x0a, length, ...peerId)
}

/** Null when the relay has agreed; else why not, for a log. Never throws. */
export function refusalOf(answer: Uint8Array): string | null {
  const { numbers } = fieldsOf(answer) ?? {}
  const status = numbers?.get(5)
  if (numbers?.get(1) !== STATUS || status === undefined) return 'its answer is not understood'
  return status === OK ? null : (REFUSALS[status] ?? `status ${status}`)
}

/** The multihash of the peer that wants to reach us through the relay, or null. Never throws. */
export function callerOf(stopRequest: Uint8Array): Uint8Array | null {
  const message = fieldsOf(stopRequest)
  if (message?.numbers.get(1) !== STOP_CONNECT) return null
  const peer = message.bytes.get(2)
  return peer === undefined ? null : (fieldsOf(peer)?.bytes.get(1) ?? null)
}

interface Fields {
  readonly numbers: ReadonlyMap<number, number>
  readonly bytes: ReadonlyMap<number, Uint8Array>
}

/** The last value of each field, as protobuf has it; null for what is no such message. */
function fieldsOf(bytes: Uint8Array): Fields | null {
  const numbers = new Map<number, number>()
  const parts = new Map<number, Uint8Array>()
  let at = 0
  const varint = (): number | null => {
    let value = 0
    for (let factor = 1; at < bytes.length && factor <= 2 ** 63; factor *= 128) {
      const byte = bytes[at++] ?? 0
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
    }
    return null
  }
  while (at < bytes.length) {
    const key = varint()
    const value = key === null ? null : varint()
    if (key === null || value === null) return null
    const field = Math.floor(key / 8)
    if (key % 8 === 0) numbers.set(field, value)
    else if (key % 8 !== 2 || value > bytes.length - at) return null
    else {
      parts.set(field, bytes.subarray(at, at + value))
      at += value
    }
  }
  return { numbers, bytes: parts }
}
