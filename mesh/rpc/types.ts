import type { Cbor, FrameChannel, Millis, NodeId, WeaverError } from '../../core/index.ts'

/** One call as the serving side sees it. */
export interface RpcRequest {
  /** The caller, proven by the connection's handshake. */
  readonly peer: NodeId
  readonly method: string
  /** Canonical CBOR from the peer, decoded and nothing more: validate it. */
  readonly body: unknown
  /** Aborts when the caller cancels, its deadline passes or the connection breaks. */
  readonly signal: AbortSignal
  /** Frames both ways while the call lasts. A service that does not stream leaves it alone. */
  readonly channel: FrameChannel
}

/** What a node offers to the other members under one name. */
export interface RpcService {
  readonly name: string
  /**
   * The result ends the call: the caller gets it after the last frame that was sent. A WeaverError
   * that is thrown reaches the caller with its code, message and retry class, and fails the channel;
   * anything else is logged here and reaches the caller as `MESH_REMOTE_FAILED`.
   */
  serve(request: RpcRequest): Promise<Cbor>
}

export interface RpcCallOptions {
  readonly signal?: AbortSignal
  /** By default 30 s for `call` and no limit for `open`. */
  readonly timeoutMs?: Millis
}

/** One call as the calling side sees it. */
export interface RpcCall {
  /** Frames both ways. Fails when the call fails; ends when the result is there. */
  readonly channel: FrameChannel
  /** Decoded CBOR: validate it. May be left unawaited without an unhandled rejection. */
  readonly result: Promise<unknown>
  /** Gives the call up: `result` rejects with `reason`, and the serving side's signal aborts. */
  cancel(reason: WeaverError): void
}

/**
 * Calls to services of other nodes.
 *
 * Rejections: what the service threw (its code and retry class); `MESH_PEER_UNREACHABLE` (retry later)
 * without a connection or when it breaks, and then the call may or may not have run;
 * `MESH_CALL_TIMED_OUT` (later); `MESH_PEER_BUSY` (later), the call did not run;
 * `MESH_STREAM_REFUSED`, the peer does not serve this to us; `MESH_MESSAGE_TOO_LARGE`.
 */
export interface RpcClient {
  call(
    peer: NodeId,
    service: string,
    method: string,
    body: Cbor,
    options?: RpcCallOptions
  ): Promise<unknown>
  /** Starts a call that streams. Never throws: what goes wrong is in `result` and the channel. */
  open(peer: NodeId, service: string, method: string, body: Cbor, options?: RpcCallOptions): RpcCall
  /** Best effort and unanswered: dropped when the peer is not connected or too busy. Never throws. */
  notify(peer: NodeId, service: string, method: string, body: Cbor): void
}

/** When a peer was heard last: whatever it sent, it lives, and the connection carries its word. */
export interface Hearing {
  /** Null without a connection that serves. */
  heardAt(peer: NodeId): Millis | null
}
