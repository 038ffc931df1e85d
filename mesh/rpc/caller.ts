// The calling side of a session.
//
// Invariants
//   K1. A call settles exactly once, and nothing of it stays behind afterwards.
//   K2. At most CALLS_PENDING_MAX calls are under way, and QUEUED_BYTES_MAX of requests wait.

import { WeaverError } from '../../core/index.ts'
import type { Cbor, FrameChannel, Millis, NodeId } from '../../core/index.ts'
import type { ByteStream } from '../ports.ts'
import { CallChannel, failedChannel, receiveOnChannel } from './call-channel.ts'
import type { Deadline, Deadlines } from './deadlines.ts'
import {
  callCancelled,
  callTimedOut,
  decodeError,
  encodeError,
  peerBusy,
  protocolViolated
} from './errors.ts'
import { CANCEL, CREDIT, DATA, END, ERROR, NOTIFY, OPEN, RESET, RESULT } from './frame.ts'
import type { Frame } from './frame.ts'
import { FramePipe } from './frame-pipe.ts'
import type { Role } from './frame-pipe.ts'
import { CALLS_PENDING_MAX, QUEUED_BYTES_MAX } from './limits.ts'
import type { Pace } from './intake.ts'
import type { Outbox } from './outbox.ts'
import { PeerBudget } from './peer-budget.ts'
import { decodedBody, encodeRequest } from './request.ts'
import type { RpcCall } from './types.ts'

export interface CallRequest {
  readonly method: string
  readonly body: Cbor
  readonly signal: AbortSignal | null
  readonly timeoutMs: Millis | null
  /** Whether the caller means to read frames. If not, a service that sends some is told so. */
  readonly isStreaming: boolean
}

export class Caller implements Role {
  readonly #pipe: FramePipe
  readonly #deadlines: Deadlines
  readonly #calls = new Map<number, PendingCall>()
  readonly #onClosed: () => void
  readonly #budget: PeerBudget
  #lastId = 0

  constructor(
    deps: {
      readonly deadlines: Deadlines
      readonly onClosed: () => void
      /** Shared by all sessions of the peer. */
      readonly pace?: Pace
      readonly budget?: PeerBudget
      /** Bytes of the peer have arrived. */
      readonly onHeard?: () => void
    },
    options: { readonly peer: NodeId; readonly isControl?: boolean }
  ) {
    this.#deadlines = deps.deadlines
    this.#onClosed = deps.onClosed
    this.#budget = deps.budget ?? new PeerBudget()
    const { pace, onHeard } = deps
    this.#pipe = new FramePipe({ role: this, pace, onHeard }, options)
  }

  get isIdle(): boolean {
    return this.#calls.size === 0
  }

  run(opening: Promise<ByteStream>): Promise<void> {
    return this.#pipe.run(opening)
  }

  close(reason: WeaverError): void {
    this.#pipe.close(reason)
  }

  open(request: CallRequest): RpcCall {
    const refusal = this.#refusal()
    if (refusal !== null) return failedCall(refusal)
    if (request.signal?.aborted === true) return failedCall(cancelReason(request.signal))
    let payload: Uint8Array
    try {
      payload = encodeRequest(request.method, request.body, request.timeoutMs)
    } catch (error) {
      return failedCall(error)
    }
    const id = this.#nextId()
    const call = new PendingCall(
      { caller: this, outbox: this.#pipe.outbox, budget: this.#budget },
      { id, request }
    )
    this.#calls.set(id, call)
    call.start(this.#deadlines)
    this.#pipe.sendMessage({ type: OPEN, call: id, payload }, () => undefined)
    return call
  }

  /** Drops the message where a call would be refused. */
  notify(method: string, body: Cbor): void {
    if (this.#refusal() !== null) return
    const payload = encodeRequest(method, body, null)
    this.#pipe.sendMessage({ type: NOTIFY, call: 0, payload }, () => undefined)
  }

  /** The call has failed here: the peer is told, and late frames for it are dropped. */
  give(call: PendingCall, reason: WeaverError): void {
    if (!this.#calls.delete(call.id)) return
    this.#pipe.forget(call.id)
    const payload = encodeError(reason)
    this.#pipe.outbox.push({ type: CANCEL, call: call.id, hasMore: false, payload })
  }

  expects(call: number): boolean {
    return this.#calls.has(call)
  }

  receive(frame: Frame): void {
    const call = this.#calls.get(frame.call)
    switch (frame.type) {
      case RESULT:
        this.#calls.delete(frame.call)
        call?.finish(frame.payload)
        return
      case ERROR:
        this.#calls.delete(frame.call)
        this.#pipe.forget(frame.call)
        call?.fail(decodeError(frame.payload))
        return
      case DATA:
      case END:
      case CREDIT:
      case RESET:
        if (call !== undefined) receiveOnChannel(call.channelFor(frame), frame)
        return
      default:
        throw protocolViolated(`a frame of type ${frame.type} from the serving side`)
    }
  }

  closed(reason: WeaverError): void {
    const calls = [...this.#calls.values()]
    this.#calls.clear()
    for (const call of calls) call.fail(reason)
    this.#onClosed()
  }

  #refusal(): WeaverError | null {
    if (this.#pipe.closedFor !== null) return this.#pipe.closedFor
    if (this.#calls.size >= CALLS_PENDING_MAX) {
      return peerBusy(`${CALLS_PENDING_MAX} are under way to this peer`)
    }
    if (this.#pipe.queuedBytes >= QUEUED_BYTES_MAX) {
      return peerBusy(`${QUEUED_BYTES_MAX} bytes of requests wait for this peer`)
    }
    return null
  }

  #nextId(): number {
    do this.#lastId = this.#lastId === 0xffff_ffff ? 1 : this.#lastId + 1
    while (this.#calls.has(this.#lastId))
    return this.#lastId
  }
}

class PendingCall implements RpcCall {
  readonly id: number
  readonly result: Promise<unknown>
  readonly #caller: Caller
  readonly #request: CallRequest
  readonly #outbox: Outbox
  readonly #budget: PeerBudget
  readonly #resolve: (result: unknown) => void
  readonly #reject: (error: WeaverError) => void
  #isSettled = false
  #channel: CallChannel | null = null
  #stopWaiting: () => void = () => undefined

  constructor(
    deps: { readonly caller: Caller; readonly outbox: Outbox; readonly budget: PeerBudget },
    options: { readonly id: number; readonly request: CallRequest }
  ) {
    this.id = options.id
    this.#caller = deps.caller
    this.#request = options.request
    this.#outbox = deps.outbox
    this.#budget = deps.budget
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    this.result = promise
    this.#resolve = resolve
    this.#reject = reject
  }

  get channel(): FrameChannel {
    return this.#openChannel()
  }

  start(deadlines: Deadlines): void {
    const { method, signal, timeoutMs } = this.#request
    // Who only streams need not look at the result.
    this.result.catch(() => undefined)
    let deadline: Deadline | null = null
    if (timeoutMs !== null) {
      deadline = deadlines.add(timeoutMs, () => this.cancel(callTimedOut(method, timeoutMs)))
    }
    const onAbort = (): void => {
      if (signal !== null) this.cancel(cancelReason(signal))
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#stopWaiting = (): void => {
      if (deadline !== null) deadlines.remove(deadline)
      signal?.removeEventListener('abort', onAbort)
    }
  }

  cancel(reason: WeaverError): void {
    this.#caller.give(this, reason)
    this.fail(reason)
  }

  /** The channel that a frame from the peer is for. */
  channelFor(frame: Frame): CallChannel {
    const isUnwanted = this.#channel === null && !this.#request.isStreaming && frame.type === DATA
    const channel = this.#openChannel()
    if (isUnwanted) channel.refuse()
    return channel
  }

  /** A body that is none costs this call, not the session. */
  finish(payload: Uint8Array): void {
    let result: unknown
    try {
      result = decodedBody(payload)
    } catch (error) {
      this.fail(error instanceof WeaverError ? error : callCancelled(error))
      return
    }
    if (!this.#settle()) return
    this.#openedChannel()?.settle()
    this.#resolve(result)
  }

  fail(error: WeaverError): void {
    if (!this.#settle()) return
    this.#openedChannel()?.fail(error)
    this.#reject(error)
  }

  #settle(): boolean {
    if (this.#isSettled) return false
    this.#isSettled = true
    this.#stopWaiting()
    return true
  }

  #openChannel(): CallChannel {
    this.#channel ??= new CallChannel(
      { outbox: this.#outbox, budget: this.#budget },
      { call: this.id }
    )
    return this.#channel
  }

  /** A call that streams has a channel whether or not anybody has looked at it. */
  #openedChannel(): CallChannel | null {
    return this.#request.isStreaming ? this.#openChannel() : this.#channel
  }
}

/** A call that has failed before it began. */
export function failedCall(why: unknown): RpcCall {
  const reason =
    why instanceof WeaverError
      ? why
      : new WeaverError('MESH_CALL_INVALID', 'Cannot encode the request', { cause: why })
  const channel = failedChannel(reason)
  const result = Promise.reject(reason)
  result.catch(() => undefined) // As with every call: who only streams need not look at the result.
  return { channel, result, cancel: () => undefined }
}

function cancelReason(signal: AbortSignal): WeaverError {
  return signal.reason instanceof WeaverError ? signal.reason : callCancelled(signal.reason)
}
