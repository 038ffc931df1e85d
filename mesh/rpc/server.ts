// The serving side of a session.
//
// Invariants
//   V1. A call that was answered, cancelled or cut off leaves nothing behind once its `serve` has
//       settled; until then it counts as being served, cancelled or not.
//   V2. At most CALLS_PENDING_MAX calls and REQUEST_BYTES_MAX bytes of requests of a peer are being served,
//       on all its sessions; a call above that is refused with MESH_PEER_BUSY, and none of its work is done.

import { encodeCbor, millis, WeaverError } from '../../core/index.ts'
import type { Cbor, FrameChannel, Logger, NodeId } from '../../core/index.ts'
import type { ByteStream } from '../ports.ts'
import { CallChannel, failedChannel, receiveOnChannel } from './call-channel.ts'
import type { Deadline, Deadlines } from './deadlines.ts'
import {
  callTimedOut,
  decodeError,
  encodeError,
  messageTooLarge,
  peerBusy,
  protocolViolated
} from './errors.ts'
import { CANCEL, CREDIT, DATA, END, ERROR, NOTIFY, OPEN, RESET, RESULT } from './frame.ts'
import type { Frame } from './frame.ts'
import { FramePipe } from './frame-pipe.ts'
import type { Role } from './frame-pipe.ts'
import type { Pace } from './intake.ts'
import { MESSAGE_BYTES_MAX } from './limits.ts'
import type { Outbox } from './outbox.ts'
import { PeerBudget } from './peer-budget.ts'
import { decodeRequest } from './request.ts'
import type { ReceivedRequest } from './request.ts'
import type { RpcRequest, RpcService } from './types.ts'

export class Server implements Role {
  readonly #pipe: FramePipe
  readonly #service: RpcService
  readonly #deadlines: Deadlines
  readonly #log: Logger
  readonly #onClosed: () => void
  readonly #peer: NodeId
  readonly #calls = new Map<number, ServedCall>()
  readonly #budget: PeerBudget
  readonly #pace: Pace | null
  #callsServed = 0

  constructor(
    deps: {
      readonly service: RpcService
      readonly deadlines: Deadlines
      readonly log: Logger
      readonly onClosed: () => void
      /** Shared by all sessions of the peer. */
      readonly pace?: Pace
      readonly budget?: PeerBudget
      /** Bytes of the peer have arrived. */
      readonly onHeard?: () => void
    },
    options: { readonly peer: NodeId; readonly isControl?: boolean }
  ) {
    this.#service = deps.service
    this.#deadlines = deps.deadlines
    this.#log = deps.log
    this.#onClosed = deps.onClosed
    this.#peer = options.peer
    this.#budget = deps.budget ?? new PeerBudget()
    this.#pace = deps.pace ?? null
    const { pace, onHeard } = deps
    this.#pipe = new FramePipe({ role: this, pace, onHeard }, options)
  }

  get isIdle(): boolean {
    return this.#callsServed === 0
  }

  run(stream: ByteStream): Promise<void> {
    return this.#pipe.run(Promise.resolve(stream))
  }

  close(reason: WeaverError): void {
    this.#pipe.close(reason)
  }

  expects(): boolean {
    return true
  }

  receive(frame: Frame): void {
    const call = this.#calls.get(frame.call)
    switch (frame.type) {
      case OPEN:
      case NOTIFY:
        if (call !== undefined) throw protocolViolated('a second call of one id')
        this.#start(frame)
        return
      case CANCEL:
        this.#pipe.forget(frame.call)
        if (call !== undefined) this.#cut(call, decodeError(frame.payload))
        return
      case DATA:
      case END:
      case CREDIT:
      case RESET:
        if (call !== undefined) receiveOnChannel(call.openChannel(), frame)
        return
      default:
        throw protocolViolated(`a frame of type ${frame.type} from the calling side`)
    }
  }

  closed(reason: WeaverError): void {
    for (const call of this.#calls.values()) this.#cut(call, reason)
    if (reason.code === 'MESH_PROTOCOL_VIOLATED') {
      this.#log.warn('peer broke the protocol', { peer: this.#peer, error: reason.message })
    }
    this.#onClosed()
  }

  #start(frame: Frame): void {
    const bytes = frame.payload.length
    const isAnswered = frame.type === OPEN
    if (!this.#budget.takeCall(bytes)) {
      if (isAnswered) this.#sendError(frame.call, peerBusy('too many are being served'))
      return
    }
    let request: ReceivedRequest
    try {
      request = decodeRequest(frame.payload)
    } catch (error) {
      // Costs this call, not the session: the frame itself was sound.
      this.#budget.giveCall(bytes)
      if (isAnswered) this.#sendError(frame.call, error)
      return
    }
    const outbox = isAnswered ? this.#pipe.outbox : null
    const call = new ServedCall(
      { outbox, budget: this.#budget },
      { id: frame.call, peer: this.#peer, bytes, request }
    )
    this.#callsServed += 1
    if (isAnswered) this.#calls.set(call.id, call)
    if (request.timeoutMs > 0) {
      const { method, timeoutMs } = request
      const expire = (): void => this.#cut(call, callTimedOut(method, timeoutMs))
      call.deadline = this.#deadlines.add(millis(timeoutMs), expire)
    }
    void this.#serve(call, isAnswered) // Never rejects.
  }

  async #serve(call: ServedCall, isAnswered: boolean): Promise<void> {
    let payload: Uint8Array | null = null
    let failure: unknown = null
    try {
      const result = await this.#service.serve(call)
      if (isAnswered) payload = this.#paced(() => encodeResult(result))
    } catch (error) {
      payload = null
      failure = error
      if (!(error instanceof WeaverError)) this.#logFailure(call, error)
    }
    call.hasSettled = true
    if (call.isCut || !isAnswered) this.#finish(call)
    else if (payload === null) this.#fail(call, failure)
    else this.#succeed(call, payload)
  }

  /** What an answer costs counts as what was asked for, a refusal too. */
  #paced(answer: () => Uint8Array): Uint8Array {
    const pace = this.#pace
    if (pace === null) return answer()
    const began = pace.now()
    const payload = answer()
    pace.spend(0, payload.length, began)
    return payload
  }

  #succeed(call: ServedCall, payload: Uint8Array): void {
    const send = (): void => {
      if (call.isCut) return
      const finish = (): void => this.#finish(call)
      this.#pipe.sendMessage({ type: RESULT, call: call.id, payload }, finish)
    }
    const channel = call.openedChannel
    if (channel === null) send()
    else channel.finish(send)
  }

  #fail(call: ServedCall, error: unknown): void {
    const payload = this.#paced(() => this.#sendError(call.id, error))
    call.openedChannel?.fail(decodeError(payload))
    this.#finish(call)
  }

  #sendError(call: number, error: unknown): Uint8Array {
    const payload = encodeError(error)
    this.#pipe.outbox.push({ type: ERROR, call, hasMore: false, payload })
    return payload
  }

  /** The caller wants no answer any more, or cannot get one. */
  #cut(call: ServedCall, reason: WeaverError): void {
    if (call.isCut) return
    call.cut(reason)
    this.#calls.delete(call.id)
    this.#pipe.forget(call.id)
    if (call.hasSettled) this.#finish(call)
  }

  #finish(call: ServedCall): void {
    if (call.isFinished) return
    call.isFinished = true
    if (call.deadline !== null) this.#deadlines.remove(call.deadline)
    if (!call.isCut) this.#calls.delete(call.id) // A later call may have the id of one that was cut.
    call.openedChannel?.settle()
    this.#callsServed -= 1
    this.#budget.giveCall(call.bytes)
  }

  #logFailure(call: ServedCall, error: unknown): void {
    this.#log.error('service failed', {
      service: this.#service.name,
      method: call.method,
      peer: this.#peer,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error)
    })
  }
}

/** One call being served, with what few services use made on demand. */
class ServedCall implements RpcRequest {
  readonly id: number
  readonly peer: NodeId
  readonly method: string
  readonly body: unknown
  readonly bytes: number
  deadline: Deadline | null = null
  hasSettled = false
  isFinished = false
  /** Null for a notification, whose channel has failed from the start. */
  readonly #outbox: Outbox | null
  readonly #budget: PeerBudget
  #channel: CallChannel | null = null
  #controller: AbortController | null = null
  #cutFor: WeaverError | null = null

  constructor(
    deps: { readonly outbox: Outbox | null; readonly budget: PeerBudget },
    options: {
      readonly id: number
      readonly peer: NodeId
      readonly bytes: number
      readonly request: ReceivedRequest
    }
  ) {
    this.#outbox = deps.outbox
    this.#budget = deps.budget
    this.id = options.id
    this.peer = options.peer
    this.bytes = options.bytes
    this.method = options.request.method
    this.body = options.request.body
  }

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController()
      if (this.#cutFor !== null) this.#controller.abort(this.#cutFor)
    }
    return this.#controller.signal
  }

  get channel(): FrameChannel {
    return this.openChannel()
  }

  get openedChannel(): CallChannel | null {
    return this.#channel
  }

  get isCut(): boolean {
    return this.#cutFor !== null
  }

  openChannel(): CallChannel {
    if (this.#outbox === null) return failedChannel(notAnswered())
    if (this.#channel === null) {
      this.#channel = new CallChannel(
        { outbox: this.#outbox, budget: this.#budget },
        { call: this.id }
      )
      if (this.#cutFor !== null) this.#channel.fail(this.#cutFor)
    }
    return this.#channel
  }

  cut(reason: WeaverError): void {
    this.#cutFor = reason
    this.#channel?.fail(reason)
    this.#controller?.abort(reason)
  }
}

function encodeResult(result: Cbor): Uint8Array {
  const payload = encodeCbor(result)
  if (payload.length <= MESSAGE_BYTES_MAX) return payload
  throw messageTooLarge(payload.length, MESSAGE_BYTES_MAX)
}

function notAnswered(): WeaverError {
  return new WeaverError('CORE_CHANNEL_CLOSED', 'Cannot send: a notification has no way back')
}
