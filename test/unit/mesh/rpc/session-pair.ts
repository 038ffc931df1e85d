import { millis, nodeIdOf, WeaverError } from '../../../../core/index.ts'
import type { Cbor, LogFields, Logger, Millis, NodeId } from '../../../../core/index.ts'
import { Caller } from '../../../../mesh/rpc/caller.ts'
import { Deadlines } from '../../../../mesh/rpc/deadlines.ts'
import { Server } from '../../../../mesh/rpc/server.ts'
import type { RpcCall, RpcRequest } from '../../../../mesh/rpc/index.ts'
import { byteStreamPair } from '../../../doubles/byte-stream.ts'
import type { MemoryByteStream } from '../../../doubles/byte-stream.ts'
import { silentLog } from '../../../doubles/silent-log.ts'
import { untilQuiet } from '../../../sim/world/quiet.ts'
import { VirtualClock } from '../../../sim/world/virtual-clock.ts'

export const CALLER: NodeId = nodeIdOf(new Uint8Array(32).fill(1))
export const SERVER: NodeId = nodeIdOf(new Uint8Array(32).fill(2))

export interface CallOptions {
  readonly signal?: AbortSignal
  readonly timeoutMs?: Millis
  readonly isStreaming?: boolean
}

/** A calling and a serving session over one stream in memory, on virtual time. */
export class SessionPair {
  readonly clock: VirtualClock = new VirtualClock()
  readonly caller: Caller
  readonly server: Server
  readonly callerStream: MemoryByteStream
  readonly serverStream: MemoryByteStream
  readonly errorsLogged: LogFields[] = []
  isCallerClosed = false
  isServerClosed = false

  constructor(serve: (request: RpcRequest) => Promise<Cbor>, bufferedBytesMax?: number) {
    const deadlines = new Deadlines(this.clock)
    const log: Logger = { ...silentLog, error: (_, fields) => this.errorsLogged.push(fields ?? {}) }
    ;[this.callerStream, this.serverStream] = byteStreamPair(bufferedBytesMax)
    const onCallerClosed = (): void => void (this.isCallerClosed = true)
    const onServerClosed = (): void => void (this.isServerClosed = true)
    this.caller = new Caller({ deadlines, onClosed: onCallerClosed }, { peer: SERVER })
    this.server = new Server(
      { service: { name: 'test', serve }, deadlines, log, onClosed: onServerClosed },
      { peer: CALLER }
    )
    void this.caller.run(Promise.resolve(this.callerStream))
    void this.server.run(this.serverStream)
  }

  open(method: string, body: Cbor = null, options: CallOptions = {}): RpcCall {
    const { signal = null, timeoutMs = null, isStreaming = true } = options
    return this.caller.open({ method, body, signal, timeoutMs, isStreaming })
  }

  call(method: string, body: Cbor = null, options: CallOptions = {}): Promise<unknown> {
    return this.open(method, body, { ...options, isStreaming: false }).result
  }

  /** Moves time on by `delay`, after all that can happen before and until all after it has. */
  async pass(delay: number): Promise<void> {
    await untilQuiet()
    this.clock.advanceTo(millis(this.clock.now() + delay))
    await untilQuiet()
  }
}

/** A serving session, and the stream of a caller that the test plays itself. */
export function lonelyServer(serve: (request: RpcRequest) => Promise<Cbor>): {
  readonly stream: MemoryByteStream
  readonly serverStream: MemoryByteStream
} {
  const [stream, serverStream] = byteStreamPair()
  const deadlines = new Deadlines(new VirtualClock())
  const service = { name: 'test', serve }
  const deps = { service, deadlines, log: silentLog, onClosed: () => undefined }
  void new Server(deps, { peer: CALLER }).run(serverStream)
  return { stream, serverStream }
}

/** The code of what a promise rejects with; null where it does not. */
export async function codeOf(promise: Promise<unknown>): Promise<string | null> {
  try {
    await promise
    return null
  } catch (error) {
    return error instanceof WeaverError ? error.code : String(error)
  }
}
