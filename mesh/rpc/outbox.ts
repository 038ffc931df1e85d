// What one session has to send, and in which order.
//
// Invariants
//   O1. Frames of control go before bulk, whatever has waited longer.
//   O2. Lanes with bulk take turns, one frame each: none starves another.
//   O3. Frames of one lane, and all control frames among themselves, keep their order.

import {
  BATCH_BYTES_MAX,
  CHUNK_BYTES_MAX,
  PIECE_BYTES_MIN,
  WINDOW_GROWTH_BYTES_MAX
} from './limits.ts'
import { encodeFrames, FRAME_HEADER_BYTES } from './frame.ts'
import type { Frame } from './frame.ts'

/** A source of bulk frames. */
export interface Lane {
  /**
   * The next frame, of `bytesMax` bytes at most where it may be cut anywhere; null when there is none or the
   * peer has given no credit.
   */
  take(bytesMax: number): Frame | null
}

export class Outbox {
  #control: Frame[] = []
  #controlTaken = 0
  #controlBytes = 0
  #isClosed = false
  #growthLeft = WINDOW_GROWTH_BYTES_MAX
  #lanes: Lane[] = []
  readonly #waiting = new Set<Lane>()
  #readable: PromiseWithResolvers<void> | null = null

  /** Bytes of control that wait, small frames and short messages. */
  get controlBytes(): number {
    return this.#controlBytes
  }

  /** Sends soon, in one piece. */
  push(frame: Frame): void {
    if (this.#isClosed) return
    this.#control.push(frame)
    this.#controlBytes += FRAME_HEADER_BYTES + frame.payload.length
    this.#wake()
  }

  /** Has `lane` take its turn until it has nothing to give. */
  ready(lane: Lane): void {
    if (this.#isClosed || this.#waiting.has(lane)) return
    this.#waiting.add(lane)
    this.#lanes.push(lane)
    this.#wake()
  }

  /** How many of `bytes` a window of this session may grow by. To be given back. */
  takeGrowth(bytes: number): number {
    const taken = Math.min(bytes, this.#growthLeft)
    this.#growthLeft -= taken
    return taken
  }

  giveGrowthBack(bytes: number): void {
    this.#growthLeft += bytes
  }

  /** Resolves when `takeBatch` may give something. */
  async readable(): Promise<void> {
    if (this.#isClosed || this.#control.length > 0 || this.#lanes.length > 0) return
    this.#readable ??= Promise.withResolvers()
    await this.#readable.promise
  }

  /** As many frames as make a good write, or null. */
  takeBatch(): Uint8Array | null {
    const frames: Frame[] = []
    let size = 0
    while (size < BATCH_BYTES_MAX) {
      const room = BATCH_BYTES_MAX - size - FRAME_HEADER_BYTES
      const hasRoom = room >= PIECE_BYTES_MIN
      const frame = this.#takeControl() ?? (hasRoom ? this.#takeBulk(room) : null)
      if (frame === null) {
        // A lane that ran dry may have left a last word in control.
        if (this.#control.length > 0) continue
        break
      }
      frames.push(frame)
      size += FRAME_HEADER_BYTES + frame.payload.length
    }
    return frames.length === 0 ? null : encodeFrames(frames)
  }

  /** Forgets everything, also what comes later, and lets go whoever waits for something to send. */
  close(): void {
    this.#isClosed = true
    this.#control = []
    this.#controlTaken = 0
    this.#controlBytes = 0
    this.#lanes = []
    this.#waiting.clear()
    this.#wake()
  }

  #takeControl(): Frame | null {
    const frame = this.#control[this.#controlTaken]
    if (frame === undefined) return null
    this.#controlTaken += 1
    this.#controlBytes -= FRAME_HEADER_BYTES + frame.payload.length
    if (this.#controlTaken === this.#control.length) {
      this.#control = []
      this.#controlTaken = 0
    }
    return frame
  }

  #takeBulk(bytesMax: number): Frame | null {
    for (;;) {
      const lane = this.#lanes.shift()
      if (lane === undefined) return null
      const frame = lane.take(bytesMax)
      if (frame === null) {
        this.#waiting.delete(lane)
      } else {
        this.#lanes.push(lane)
        return frame
      }
    }
  }

  #wake(): void {
    this.#readable?.resolve()
    this.#readable = null
  }
}

interface LongMessage {
  readonly type: number
  readonly call: number
  readonly payload: Uint8Array
  readonly onSent: () => void
}

/** Requests and results that need several frames: one after another, so the peer puts one together. */
export class LongMessages implements Lane {
  #messages: LongMessage[] = []
  #offset = 0
  #bytes = 0

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes
  }

  push(message: LongMessage): void {
    this.#messages.push(message)
    this.#bytes += message.payload.length
  }

  take(): Frame | null {
    const message = this.#messages[0]
    if (message === undefined) return null
    const end = Math.min(this.#offset + CHUNK_BYTES_MAX, message.payload.length)
    const payload = message.payload.subarray(this.#offset, end)
    this.#offset = end
    this.#bytes -= payload.length
    const hasMore = end < message.payload.length
    if (!hasMore) {
      this.#messages.shift()
      this.#offset = 0
      message.onSent()
    }
    return { type: message.type, call: message.call, hasMore, payload }
  }

  /** Takes back what has not been sent of the messages of one call. The peer must be told. */
  remove(call: number): void {
    if (!this.#messages.some((message) => message.call === call)) return
    if (this.#messages[0]?.call === call) this.#offset = 0
    this.#messages = this.#messages.filter((message) => message.call !== call)
    this.#bytes = -this.#offset
    for (const message of this.#messages) this.#bytes += message.payload.length
  }

  clear(): void {
    this.#messages = []
    this.#offset = 0
    this.#bytes = 0
  }
}
