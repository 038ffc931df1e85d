// The frames of one call, both ways, under credit.
//
// Invariants
//   C1. A side never has more than one window on the way to a reader that has not read them, counting
//       CHANNEL_CHUNK_COST for each chunk. A peer that sends more breaks the protocol. The window is
//       CHANNEL_WINDOW_BYTES, and grows only while its reader takes all there is.
//   C2. Credit goes back only for what the reader has taken, in steps of a quarter window; but whenever
//       the reader waits and a frame is incomplete, all of it has gone back. So a frame can always
//       complete (CHANNEL_FRAME_BYTES_MAX and the cost of its chunks fit the smallest window).
//   C3. What nobody has read counts against the peer's budget, in sum over all its calls. The call that goes
//       beyond it is refused with MESH_PEER_BUSY, and the others go on.
//   C4. After a direction has closed, late frames for it are dropped without a word.

import { concatBytes, WeaverError } from '../../core/index.ts'
import type { FrameChannel } from '../../core/index.ts'
import { decodeError, encodeError, messageTooLarge, peerBusy, protocolViolated } from './errors.ts'
import {
  CREDIT,
  DATA,
  END,
  joinParts,
  readUint32,
  RESET,
  RESET_READING,
  RESET_SENDING,
  uint32
} from './frame.ts'
import type { Frame } from './frame.ts'
import {
  CHANNEL_CHUNK_COST,
  CHANNEL_FRAME_BYTES_MAX,
  CHANNEL_QUEUED_BYTES_MAX,
  CHANNEL_WINDOW_BYTES,
  CHANNEL_WINDOW_BYTES_MAX,
  CHUNK_BYTES_MAX
} from './limits.ts'
import { Outbox } from './outbox.ts'
import type { Lane } from './outbox.ts'
import { PeerBudget } from './peer-budget.ts'

type Direction =
  | { readonly kind: 'open' }
  /** Sending: what is queued still goes out, then END. */
  | { readonly kind: 'ending' }
  /** Reading: what is queued is still read. */
  | { readonly kind: 'ended' }
  | { readonly kind: 'failed'; readonly error: WeaverError }

const OPEN_DIRECTION: Direction = { kind: 'open' }
const ENDED: Direction = { kind: 'ended' }
const NO_BYTES: Uint8Array = new Uint8Array()

export class CallChannel implements FrameChannel, Lane {
  readonly closed: Promise<WeaverError | null>
  readonly frames: AsyncIterable<Uint8Array>
  readonly #call: number
  readonly #outbox: Outbox
  readonly #budget: PeerBudget
  readonly #settleClosed: (outcome: WeaverError | null) => void

  #sending: Direction = OPEN_DIRECTION
  #queue: Uint8Array[] = []
  #queuedBytes = 0
  #headOffset = 0
  #credit = CHANNEL_WINDOW_BYTES
  #room: PromiseWithResolvers<void> | null = null
  #onDrained: (() => void) | null = null

  #reading: Direction = OPEN_DIRECTION
  #isIterated = false
  #received: { readonly frame: Uint8Array; readonly cost: number }[] = []
  #partial: Uint8Array[] = []
  #partialBytes = 0
  #partialCost = 0
  #window = CHANNEL_WINDOW_BYTES
  #costUnread = 0
  #costOwed = 0
  /** Of what has arrived and was not read: what this has taken from the budget. */
  #costHeld = 0
  #readable: PromiseWithResolvers<void> | null = null

  constructor(
    deps: { readonly outbox: Outbox; readonly budget: PeerBudget },
    options: { readonly call: number }
  ) {
    const { promise, resolve } = Promise.withResolvers<WeaverError | null>()
    this.closed = promise
    this.#settleClosed = resolve
    this.#outbox = deps.outbox
    this.#budget = deps.budget
    this.#call = options.call
    this.frames = { [Symbol.asyncIterator]: () => this.#iterate() }
  }

  // Our side: FrameChannel

  send(frame: Uint8Array): Promise<void> {
    if (this.#sending.kind === 'failed') return Promise.reject(this.#sending.error)
    if (this.#sending.kind !== 'open') return Promise.reject(channelClosed('it has ended'))
    if (frame.length > CHANNEL_FRAME_BYTES_MAX) {
      return Promise.reject(messageTooLarge(frame.length, CHANNEL_FRAME_BYTES_MAX))
    }
    this.#queue.push(frame)
    this.#queuedBytes += frame.length + CHANNEL_CHUNK_COST
    this.#outbox.ready(this)
    if (this.#queuedBytes < CHANNEL_QUEUED_BYTES_MAX) return Promise.resolve()
    this.#room ??= Promise.withResolvers()
    return this.#room.promise
  }

  end(): void {
    if (this.#sending.kind !== 'open') return
    this.#sending = { kind: 'ending' }
    this.#outbox.ready(this)
  }

  abort(reason: WeaverError): void {
    const isSending = this.#sending.kind === 'open' || this.#sending.kind === 'ending'
    const isReading = this.#reading.kind === 'open'
    this.fail(reason)
    const directions = (isSending ? RESET_SENDING : 0) | (isReading ? RESET_READING : 0)
    if (directions !== 0) this.#reset(directions, reason)
  }

  // The session's side

  take(bytesMax: number): Frame | null {
    const head = this.#queue[0]
    if (head === undefined) return this.#takeEnd()
    const size = Math.min(head.length - this.#headOffset, CHUNK_BYTES_MAX, bytesMax)
    if (this.#credit < size + CHANNEL_CHUNK_COST) return null
    this.#credit -= size + CHANNEL_CHUNK_COST
    const payload = head.subarray(this.#headOffset, this.#headOffset + size)
    this.#headOffset += size
    const hasMore = this.#headOffset < head.length
    if (!hasMore) {
      this.#queue.shift()
      this.#headOffset = 0
      this.#queuedBytes -= head.length + CHANNEL_CHUNK_COST
      this.#makeRoom()
    }
    return { type: DATA, call: this.#call, hasMore, payload }
  }

  /** No more is sent: runs `onDrained` when all that was sent has gone to the peer, or will not. */
  finish(onDrained: () => void): void {
    if (this.#queue.length === 0 || this.#isSendingOver()) {
      onDrained()
    } else {
      this.end()
      this.#onDrained = onDrained
    }
  }

  /** The call is over and did well: what has arrived can still be read. */
  settle(): void {
    this.#settleClosed(null)
    this.#stopSending(ENDED, null)
    if (this.#reading.kind === 'open') this.#closeReading(ENDED)
    this.#release(this.#costHeld) // Perhaps nobody ever will; it goes with the call.
  }

  /** Both directions are cut, and the peer knows it already. */
  fail(error: WeaverError): void {
    this.#failSending(error)
    this.#failReading(error)
    this.#settleClosed(error)
  }

  /** @throws WeaverError `MESH_PROTOCOL_VIOLATED` */
  receiveData({ payload, pieces = [], hasMore }: Omit<Frame, 'type' | 'call'>): void {
    let size = payload.length
    for (const piece of pieces) size += piece.length
    const cost = size + CHANNEL_CHUNK_COST
    if (this.#reading.kind !== 'open') return // C4
    this.#costUnread += cost
    if (this.#costUnread > this.#window) {
      throw protocolViolated('more frames than there was credit for') // C1
    }
    if (!this.#budget.takeUnread(cost)) {
      this.#refuseReading(peerBusy('too much of what was sent is unread')) // C3
      return
    }
    this.#costHeld += cost
    this.#partialCost += cost
    if (hasMore || this.#partial.length > 0 || pieces.length > 0) {
      this.#partial.push(payload, ...pieces)
      this.#partialBytes += size
      if (this.#partialBytes > CHANNEL_FRAME_BYTES_MAX) {
        throw protocolViolated(`a channel frame above ${CHANNEL_FRAME_BYTES_MAX} bytes`)
      }
    }
    if (hasMore) {
      this.#returnCredit() // C2
      return
    }
    const isWhole = this.#partial.length === 0
    const frame = isWhole ? payload : joinParts(this.#partial, this.#partialBytes)
    this.#received.push({ frame, cost: this.#partialCost })
    this.#partial = []
    this.#partialBytes = 0
    this.#partialCost = 0
    this.#wakeReader()
  }

  receiveEnd(): void {
    if (this.#reading.kind !== 'open') return
    if (this.#partial.length > 0) throw protocolViolated('the end of a channel inside a frame')
    this.#closeReading(ENDED)
    this.#settleIfOver()
  }

  receiveCredit(bytes: number): void {
    this.#credit += bytes
    if (this.#credit > CHANNEL_WINDOW_BYTES_MAX)
      throw protocolViolated('more credit than a window may have')
    this.#outbox.ready(this)
  }

  receiveReset(directions: number, error: WeaverError): void {
    if ((directions & RESET_SENDING) !== 0) this.#failReading(error)
    if ((directions & RESET_READING) !== 0) this.#failSending(error)
    this.#settleIfOver()
  }

  /** Nobody will ever read here: what the peer sends is refused. */
  refuse(): void {
    this.#stopReading()
  }

  #takeEnd(): Frame | null {
    if (this.#sending.kind !== 'ending') return null
    this.#sending = ENDED
    this.#settleIfOver()
    const onDrained = this.#onDrained
    if (onDrained === null)
      return { type: END, call: this.#call, hasMore: false, payload: NO_BYTES }
    // The result, which comes next, says the same as END.
    this.#onDrained = null
    onDrained()
    return null
  }

  #isSendingOver(): boolean {
    return this.#sending.kind === 'ended' || this.#sending.kind === 'failed'
  }

  #makeRoom(): void {
    if (this.#queuedBytes >= CHANNEL_QUEUED_BYTES_MAX) return
    this.#room?.resolve()
    this.#room = null
  }

  #failSending(error: WeaverError): void {
    this.#stopSending({ kind: 'failed', error }, error)
  }

  /** What is queued goes nowhere. `error` for who waits for room; null says that the call has ended. */
  #stopSending(direction: Direction, error: WeaverError | null): void {
    if (this.#isSendingOver()) return
    this.#sending = direction
    this.#queue = []
    this.#queuedBytes = 0
    this.#headOffset = 0
    // Made only where somebody waits: an error for every call costs a tenth of it.
    this.#room?.reject(error ?? channelClosed('the call has ended'))
    this.#room = null
    const onDrained = this.#onDrained
    this.#onDrained = null
    onDrained?.()
  }

  #failReading(error: WeaverError): void {
    if (this.#reading.kind === 'failed') return
    this.#received = [] // A failure after the end still cuts short what has not been read.
    this.#release(this.#costHeld)
    this.#closeReading({ kind: 'failed', error })
  }

  #closeReading(direction: Direction): void {
    this.#reading = direction
    this.#partial = []
    this.#outbox.giveGrowthBack(this.#window - CHANNEL_WINDOW_BYTES)
    this.#window = CHANNEL_WINDOW_BYTES
    this.#wakeReader()
  }

  #wakeReader(): void {
    this.#readable?.resolve()
    this.#readable = null
  }

  #returnCredit(): void {
    const hasReadAll = this.#received.length === 0
    const isWaiting = hasReadAll && this.#partial.length > 0
    if (this.#costOwed < this.#window / 4 && !isWaiting) return
    if (this.#costOwed === 0 || this.#reading.kind !== 'open') return
    const growth = hasReadAll ? this.#grow() : 0
    this.#costUnread -= this.#costOwed
    const payload = uint32(this.#costOwed + growth)
    this.#costOwed = 0
    this.#outbox.push({ type: CREDIT, call: this.#call, hasMore: false, payload })
  }

  /** The reader waits for the network: on a long way, a larger window is all that makes it faster. */
  #grow(): number {
    const wanted = Math.min(this.#window, CHANNEL_WINDOW_BYTES_MAX - this.#window)
    const growth = this.#outbox.takeGrowth(wanted)
    this.#window += growth
    return growth
  }

  async *#iterate(): AsyncGenerator<Uint8Array, void, void> {
    if (this.#isIterated) {
      throw new WeaverError('CORE_CHANNEL_BUSY', 'Cannot read frames twice: they have a reader')
    }
    this.#isIterated = true
    try {
      for (;;) {
        const next = this.#received.shift()
        if (next !== undefined) {
          this.#release(next.cost)
          yield next.frame
          this.#costOwed += next.cost
          this.#returnCredit()
        } else if (this.#reading.kind === 'failed') {
          throw this.#reading.error
        } else if (this.#reading.kind === 'ended') {
          return
        } else {
          this.#readable = Promise.withResolvers()
          await this.#readable.promise
        }
      }
    } finally {
      this.#stopReading()
    }
  }

  #stopReading(): void {
    this.#received = []
    this.#release(this.#costHeld)
    if (this.#reading.kind === 'open') this.#refuseReading(channelClosed('the reader has gone'))
  }

  #refuseReading(reason: WeaverError): void {
    this.#failReading(reason)
    this.#reset(RESET_READING, reason)
    this.#settleIfOver()
  }

  /** Gives back of what is held, at most all: once a call is over nothing is. */
  #release(cost: number): void {
    const given = Math.min(cost, this.#costHeld)
    this.#costHeld -= given
    this.#budget.giveUnread(given)
  }

  #settleIfOver(): void {
    if (!this.#isSendingOver() || this.#reading.kind === 'open') return
    const failed = [this.#sending, this.#reading].find((direction) => direction.kind === 'failed')
    this.#settleClosed(failed?.error ?? null)
  }

  #reset(directions: number, reason: WeaverError): void {
    const payload = concatBytes(Uint8Array.of(directions), encodeError(reason))
    this.#outbox.push({ type: RESET, call: this.#call, hasMore: false, payload })
  }
}

/** One frame for a channel, on either side. */
export function receiveOnChannel(channel: CallChannel, frame: Frame): void {
  const { payload } = frame
  switch (frame.type) {
    case DATA:
      channel.receiveData(frame)
      return
    case END:
      channel.receiveEnd()
      return
    case CREDIT:
      if (payload.length !== 4) throw protocolViolated('credit that is not 4 bytes')
      channel.receiveCredit(readUint32(payload, 0))
      return
    default:
      channel.receiveReset(payload[0] ?? 0, decodeError(payload.subarray(1)))
  }
}

/** The channel of a call that never was. */
export function failedChannel(reason: WeaverError): CallChannel {
  const outbox = new Outbox()
  outbox.close()
  const channel = new CallChannel({ outbox, budget: new PeerBudget() }, { call: 0 })
  channel.fail(reason)
  return channel
}

function channelClosed(why: string): WeaverError {
  return new WeaverError('CORE_CHANNEL_CLOSED', `Cannot send: ${why}`)
}
