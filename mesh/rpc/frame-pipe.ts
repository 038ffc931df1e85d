// Frames in and out of one stream: what both sides of an RPC session stand on.
//
// Invariants
//   P1. Nothing that the peer sends throws out of here: it is dropped, or it ends the session.
//   P2. One message at a time is put together, of at most MESSAGE_BYTES_MAX bytes.
//   P3. Once closed, nothing is delivered and nothing waits.
//   P4. A peer that sends much has some of it taken at a time, and others come in between (intake.ts).

import { concatBytes, millis, WeaverError } from '../../core/index.ts'
import type { NodeId } from '../../core/index.ts'
import type { ByteStream } from '../ports.ts'
import { peerUnreachable, protocolViolated } from './errors.ts'
import { FrameReader, NOTIFY, OPEN, RESULT } from './frame.ts'
import type { Frame } from './frame.ts'
import { CHUNK_BYTES_MAX, FRAMES_PER_PART, MESSAGE_BYTES_MAX, QUEUED_BYTES_MAX } from './limits.ts'
import type { Pace } from './intake.ts'
import { LongMessages, Outbox } from './outbox.ts'

/** What one side of a session does with what arrives. Requests and results arrive whole. */
export interface Role {
  /** @throws WeaverError `MESH_PROTOCOL_VIOLATED`, and the session ends. */
  receive(frame: Frame): void
  /** Whether a result for this call is still of interest. */
  expects(call: number): boolean
  /** The session is over. Called once. */
  closed(reason: WeaverError): void
}

interface Assembly {
  readonly type: number
  readonly call: number
  readonly parts: Uint8Array[]
  size: number
}

export class FramePipe {
  readonly outbox: Outbox = new Outbox()
  readonly #role: Role
  readonly #pace: Pace | null
  readonly #onHeard: () => void
  readonly #isControl: boolean
  readonly #peer: NodeId
  readonly #long = new LongMessages()
  readonly #reader = new FrameReader()
  #assembly: Assembly | null = null
  #stream: ByteStream | null = null
  #closedFor: WeaverError | null = null
  #drained: PromiseWithResolvers<void> | null = null

  constructor(
    deps: {
      readonly role: Role
      readonly pace?: Pace | undefined
      /** Bytes of the peer have arrived, whether or not it is their turn. */
      readonly onHeard?: (() => void) | undefined
    },
    options: { readonly peer: NodeId; readonly isControl?: boolean }
  ) {
    this.#role = deps.role
    this.#pace = deps.pace ?? null
    this.#onHeard = deps.onHeard ?? ((): void => undefined)
    this.#isControl = options.isControl ?? false
    this.#peer = options.peer
  }

  /** Why this is closed; null while it is not. */
  get closedFor(): WeaverError | null {
    return this.#closedFor
  }

  /** Bytes of messages that wait to be written. Those of channels are bounded by themselves. */
  get queuedBytes(): number {
    return this.outbox.controlBytes + this.#long.bytes
  }

  /** Reads and writes until the stream ends, fails or `close` is called. Never rejects. */
  async run(opening: Promise<ByteStream>): Promise<void> {
    try {
      const stream = await opening
      if (this.#closedFor !== null) {
        stream.abort(this.#closedFor)
        return
      }
      this.#stream = stream
      await Promise.race([this.#write(stream), this.#read(stream)])
      this.close(peerUnreachable(this.#peer))
    } catch (error) {
      this.close(this.#reasonOf(error))
    }
  }

  /** Idempotent. The stream is cut, and the role told. */
  close(reason: WeaverError): void {
    if (this.#closedFor !== null) return
    this.#closedFor = reason
    this.outbox.close()
    this.#long.clear()
    this.#assembly = null
    this.#drained?.resolve()
    this.#stream?.abort(reason)
    this.#role.closed(reason)
  }

  /** Sends a request or a result. `onSent` runs when its last byte is on the way. */
  sendMessage(frame: Omit<Frame, 'hasMore'>, onSent: () => void): void {
    if (this.#closedFor !== null) return
    if (frame.payload.length <= CHUNK_BYTES_MAX) {
      this.outbox.push({ ...frame, hasMore: false })
      onSent()
    } else {
      this.#long.push({ ...frame, onSent })
      this.outbox.ready(this.#long)
    }
  }

  /** Drops what waits of a call's messages, in either direction. */
  forget(call: number): void {
    this.#long.remove(call)
    if (this.#assembly?.call === call) this.#assembly = null
  }

  /** Null, or resolves when fewer than QUEUED_BYTES_MAX bytes wait to be written. */
  drained(): Promise<void> | null {
    if (this.queuedBytes < QUEUED_BYTES_MAX || this.#closedFor !== null) return null
    this.#drained ??= Promise.withResolvers()
    return this.#drained.promise
  }

  async #write(stream: ByteStream): Promise<void> {
    while (this.#closedFor === null) {
      const batch = this.outbox.takeBatch()
      if (batch === null) await this.outbox.readable()
      else await stream.write(batch)
      if (this.#drained !== null && this.queuedBytes < QUEUED_BYTES_MAX) {
        this.#drained.resolve()
        this.#drained = null
      }
    }
  }

  async #read(stream: ByteStream): Promise<void> {
    for await (const chunk of stream.chunks) {
      this.#onHeard()
      for (let at = 0; at < chunk.length;) {
        const turn = this.#pace?.turn(this.#isControl) ?? null
        if (turn !== null) await turn // P4
        if (this.#closedFor !== null) return
        at += this.#readPart(at === 0 ? chunk : chunk.subarray(at))
        // Only a server's answers can wait here in such numbers, and a caller never stops reading: so
        // two ends cannot wait for each other.
        const drained = this.drained()
        if (drained !== null) await drained
        if (this.#closedFor !== null) return
      }
    }
  }

  /** @returns how many bytes were taken */
  #readPart(part: Uint8Array): number {
    const pace = this.#pace
    const began = pace?.now() ?? millis(0)
    let bytes = part.length
    let frames = 0
    const onFrame = (frame: Frame): void => {
      frames += 1
      this.#receive(frame)
    }
    try {
      bytes = this.#reader.read(part, onFrame, pace === null ? Infinity : FRAMES_PER_PART)
    } catch (error) {
      // Here, so that the stream is cut for this reason and not for the end of its reader.
      this.close(this.#reasonOf(error))
    }
    pace?.spend(frames, bytes, began)
    return bytes
  }

  #receive(frame: Frame): void {
    if (this.#closedFor !== null) return // P3
    const { type } = frame
    const isMessage = type === OPEN || type === NOTIFY || type === RESULT
    const whole = isMessage ? this.#assemble(frame) : frame
    if (whole !== null) this.#role.receive(whole)
  }

  #assemble(frame: Frame): Frame | null {
    const { type, call, hasMore, payload } = frame
    if (type === RESULT && !this.#role.expects(call)) return null
    const isNext = this.#assembly?.type === type && this.#assembly.call === call
    if (!isNext && !hasMore) return frame
    if (!isNext && this.#assembly !== null) throw protocolViolated('two long messages at once')
    const assembly = this.#assembly ?? { type, call, parts: [], size: 0 }
    assembly.parts.push(payload)
    // The constant keeps a peer from sending endless empty chunks.
    assembly.size += payload.length + 1
    if (assembly.size > MESSAGE_BYTES_MAX + MESSAGE_BYTES_MAX / CHUNK_BYTES_MAX) {
      throw protocolViolated(`a message above ${MESSAGE_BYTES_MAX} bytes`)
    }
    this.#assembly = hasMore ? assembly : null
    return hasMore ? null : { type, call, hasMore, payload: concatBytes(...assembly.parts) }
  }

  #reasonOf(error: unknown): WeaverError {
    const isOurs = error instanceof WeaverError && KEPT_REASONS.has(error.code)
    return isOurs ? error : peerUnreachable(this.#peer, error)
  }
}

/** What says more than that the peer cannot be reached. */
const KEPT_REASONS = new Set([
  'MESH_PROTOCOL_VIOLATED',
  'MESH_STREAM_REFUSED',
  'MESH_PEER_UNREACHABLE'
])
