// Which of yamux's window updates go out. The library sends one for every message that it receives: an encrypted
// write, and a wake-up of the other side, for twelve bytes that nobody waits for. Here they wait until they come
// to half of the smallest window, as in the implementations in Go and Rust. Pure.
//
// Invariant U1: of a stream's credit less than CREDIT_WITHHELD_BYTES_MAX is ever held back, so its sender has half
//   of its window left at the least, and never stops for what waits here.

import { CREDIT_STREAMS_MAX, CREDIT_WITHHELD_BYTES_MAX } from './host-limits.ts'

// A frame's head: version, type, flags (2 bytes), stream (4), length (4); of a window update that is all.
const HEAD_BYTES = 12
const VERSION = 0
const WINDOW_UPDATE = 1
const STREAM_AT = 4
const LENGTH_AT = 8

export class YamuxCredit {
  /** By stream, in the order in which they began to wait. */
  readonly #withheld = new Map<number, number>()

  /** @returns what is to be sent in place of `frame`: null for nothing yet */
  pass(frame: Uint8Array): Uint8Array | null {
    if (!isPlainUpdate(frame)) return frame
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
    const stream = view.getUint32(STREAM_AT)
    const credit = view.getUint32(LENGTH_AT) + (this.#withheld.get(stream) ?? 0)
    this.#withheld.delete(stream)
    if (credit >= CREDIT_WITHHELD_BYTES_MAX) return updateOf(stream, credit)
    this.#withheld.set(stream, credit)
    return this.#withheld.size > CREDIT_STREAMS_MAX ? this.#oldest() : null
  }

  /** Most likely of a stream that has ended: its peer ignores it then. */
  #oldest(): Uint8Array | null {
    for (const [stream, credit] of this.#withheld) {
      this.#withheld.delete(stream)
      return updateOf(stream, credit)
    }
    return null
  }
}

/** Without flags: those open, end or reset a stream. */
function isPlainUpdate(frame: Uint8Array): boolean {
  const [version, type, high, low] = frame
  const isUpdate = frame.length === HEAD_BYTES && version === VERSION && type === WINDOW_UPDATE
  return isUpdate && high === 0 && low === 0
}

function updateOf(stream: number, credit: number): Uint8Array {
  const frame = new Uint8Array(HEAD_BYTES)
  const view = new DataView(frame.buffer)
  frame[1] = WINDOW_UPDATE
  view.setUint32(STREAM_AT, stream)
  view.setUint32(LENGTH_AT, credit)
  return frame
}
