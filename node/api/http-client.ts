// HTTP/1.1 over the kernel's Unix socket, as much of it as the control API's own server speaks.
// `node:http` would do, but loading it costs more than all of `weaver kernel ps` (18 ms against 2).

import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { ApiError, NO_KERNEL } from './api-error.ts'
import { HEAD_BYTES_MAX } from './limits.ts'

export interface HttpRequest {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** JSON, or bytes that are sent as they come. */
  readonly body: string | AsyncIterable<Uint8Array> | null
  /** Silence on the socket for so long ends the request with `API_TIMED_OUT`. */
  readonly idleMs: number
  readonly signal: AbortSignal | null
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  /** To be iterated once, to its end; leaving early closes the connection. */
  readonly body: AsyncIterable<Buffer>
}

/** One request on a connection of its own. */
export async function request(socketPath: string, spec: HttpRequest): Promise<HttpAnswer> {
  const { socket, reader, head } = await exchange(socketPath, spec)
  const headers = head.headers
  const length = headers.get('content-length')
  const body =
    headers.get('transfer-encoding') === 'chunked'
      ? chunkedBody(reader)
      : sizedBody(reader, length === undefined ? 0 : Number(length))
  return { status: head.status, headers, body: closing(socket, body) }
}

/** The connection after `101 Switching Protocols`, or the answer that refused it. */
export type Upgraded =
  | { readonly kind: 'switched'; readonly socket: Socket; readonly rest: Buffer }
  | { readonly kind: 'refused'; readonly status: number; readonly body: AsyncIterable<Buffer> }

export async function upgrade(socketPath: string, spec: HttpRequest): Promise<Upgraded> {
  const { socket, reader, head } = await exchange(socketPath, spec)
  if (head.status === 101) {
    socket.setTimeout(0)
    return { kind: 'switched', socket, rest: reader.detach() }
  }
  const body = sizedBody(reader, Number(head.headers.get('content-length') ?? 0))
  return { kind: 'refused', status: head.status, body: closing(socket, body) }
}

interface Head {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
}

async function exchange(
  socketPath: string,
  spec: HttpRequest
): Promise<{ readonly socket: Socket; readonly reader: SocketReader; readonly head: Head }> {
  const socket = connect(socketPath)
  const reader = new SocketReader(socket, socketPath)
  const onAbort = (): void => void socket.destroy(abortError(spec.signal))
  spec.signal?.addEventListener('abort', onAbort, { once: true })
  socket.once('close', () => spec.signal?.removeEventListener('abort', onAbort))
  if (spec.signal?.aborted === true) onAbort()
  socket.setTimeout(spec.idleMs, () => socket.destroy(silence(spec.idleMs)))
  socket.write(requestText(spec))
  if (spec.body !== null && typeof spec.body !== 'string') void sendChunks(socket, spec.body)
  try {
    return { socket, reader, head: parseHead(await reader.until('\r\n\r\n', HEAD_BYTES_MAX)) }
  } catch (error) {
    socket.destroy()
    throw error
  }
}

function requestText(spec: HttpRequest): string {
  const lines = [`${spec.method} ${spec.path} HTTP/1.1`, 'host: weaver']
  for (const [name, value] of Object.entries(spec.headers)) lines.push(`${name}: ${value}`)
  if (!('connection' in spec.headers)) lines.push('connection: close')
  if (typeof spec.body === 'string') {
    lines.push('content-type: application/json')
    lines.push(`content-length: ${Buffer.byteLength(spec.body)}`)
  } else if (spec.body !== null) {
    lines.push('content-type: application/octet-stream', 'transfer-encoding: chunked')
  }
  const text = typeof spec.body === 'string' ? spec.body : ''
  return `${lines.join('\r\n')}\r\n\r\n${text}`
}

/** Never rejects: what goes wrong with `bytes` ends the connection, and its reader is told. */
async function sendChunks(socket: Socket, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const chunk of bytes) {
      if (chunk.length === 0) continue
      socket.write(`${chunk.length.toString(16)}\r\n`)
      socket.write(chunk)
      if (!socket.write('\r\n')) await drained(socket)
      if (socket.destroyed) return // It was answered, or lost: the reader knows.
    }
    socket.write('0\r\n\r\n')
  } catch (error) {
    socket.destroy(error instanceof Error ? error : new Error(String(error)))
  }
}

async function drained(socket: Socket): Promise<void> {
  if (socket.destroyed) return
  const { promise, resolve } = Promise.withResolvers<void>()
  socket.once('drain', resolve)
  socket.once('close', resolve)
  await promise
  socket.off('drain', resolve)
  socket.off('close', resolve)
}

function parseHead(text: Buffer): Head {
  const [first, ...lines] = text.toString('latin1').trimEnd().split('\r\n')
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(first ?? '')?.[1] ?? 0)
  if (status === 0) throw damaged('its first line is not HTTP/1.1')
  const headers = new Map<string, string>()
  for (const line of lines) {
    const colon = line.indexOf(':')
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim())
  }
  return { status, headers }
}

async function* sizedBody(reader: SocketReader, size: number): AsyncGenerator<Buffer, void, void> {
  let left = size
  while (left > 0) {
    const chunk = await reader.some(left)
    left -= chunk.length
    yield chunk
  }
}

async function* chunkedBody(reader: SocketReader): AsyncGenerator<Buffer, void, void> {
  for (;;) {
    const line = (await reader.until('\r\n', 1024)).toString('latin1')
    const size = Number.parseInt(line, 16)
    if (!Number.isSafeInteger(size)) throw damaged('the size of a chunk is malformed')
    if (size === 0) return
    yield* sizedBody(reader, size)
    await reader.until('\r\n', 2)
  }
}

async function* closing(
  socket: Socket,
  body: AsyncIterable<Buffer>
): AsyncGenerator<Buffer, void, void> {
  try {
    yield* body
  } finally {
    socket.destroy()
  }
}

/** Reads a socket by delimiter or size. What the kernel sends faster than we read waits in the socket. */
class SocketReader {
  readonly #socket: Socket
  readonly #socketPath: string
  #buffered: Buffer = Buffer.alloc(0)
  #error: Error | null = null
  #changed: (() => void) | null = null
  #isEnded = false

  constructor(socket: Socket, socketPath: string) {
    this.#socket = socket
    this.#socketPath = socketPath
    socket.on('readable', this.#wake)
    socket.on('end', this.#onEnd)
    socket.on('close', this.#onEnd)
    socket.on('error', this.#onError)
  }

  /** Everything up to and with `mark`. */
  async until(mark: string, bytesMax: number): Promise<Buffer> {
    for (;;) {
      const index = this.#buffered.indexOf(mark, 0, 'latin1')
      if (index >= 0 && index + mark.length <= bytesMax) return this.#take(index + mark.length)
      if (this.#buffered.length > bytesMax) throw damaged(`a line is longer than ${bytesMax} bytes`)
      this.#buffered = Buffer.concat([this.#buffered, await this.#more()])
    }
  }

  /** At least one byte and at most `bytesMax`. */
  async some(bytesMax: number): Promise<Buffer> {
    if (this.#buffered.length === 0) this.#buffered = await this.#more()
    return this.#take(Math.min(bytesMax, this.#buffered.length))
  }

  /** Gives the socket up, with the bytes read too far. */
  detach(): Buffer {
    this.#socket.off('readable', this.#wake)
    this.#socket.off('end', this.#onEnd)
    this.#socket.off('close', this.#onEnd)
    this.#socket.off('error', this.#onError)
    return this.#buffered
  }

  #take(size: number): Buffer {
    const taken = this.#buffered.subarray(0, size)
    this.#buffered = this.#buffered.subarray(size)
    return taken
  }

  async #more(): Promise<Buffer> {
    for (;;) {
      const chunk: unknown = this.#socket.read()
      if (Buffer.isBuffer(chunk)) return chunk
      if (this.#error !== null) throw this.#error
      if (this.#isEnded) throw connectionLost()
      await new Promise<void>((resolve) => {
        this.#changed = resolve
      })
    }
  }

  readonly #wake = (): void => this.#changed?.()

  readonly #onEnd = (): void => {
    this.#isEnded = true
    this.#wake()
  }

  readonly #onError = (error: Error): void => {
    // What the system reports is put in our words; a reason to abort is the caller's own.
    this.#error ??= 'syscall' in error ? connectError(error, this.#socketPath) : error
    this.#wake()
  }
}

function connectError(error: Error, socketPath: string): ApiError {
  const errno = 'code' in error ? error.code : null
  if (errno === 'ENOENT' || errno === 'ECONNREFUSED') {
    return new ApiError(
      {
        code: NO_KERNEL,
        message: `No kernel is running: nothing listens on ${socketPath}`,
        hint: 'start one with: weaver kernel start'
      },
      { cause: error }
    )
  }
  if (errno === 'EACCES' || errno === 'EPERM') {
    return new ApiError(
      {
        code: 'API_KERNEL_FORBIDDEN',
        message: `Cannot open ${socketPath}: it belongs to another user`,
        hint: 'set WEAVER_HOME to a home of your own'
      },
      { cause: error }
    )
  }
  return connectionLost(error)
}

function connectionLost(cause?: unknown): ApiError {
  const message = 'Lost the connection to the kernel: it stopped or was killed'
  return new ApiError(
    { code: 'API_KERNEL_GONE', message, hint: 'see how it is with: weaver kernel status' },
    { cause }
  )
}

function silence(idleMs: number): ApiError {
  return new ApiError({
    code: 'API_TIMED_OUT',
    message: `The kernel has not answered within ${Math.round(idleMs / 1000)} s`,
    hint: 'see its log with: weaver kernel logs'
  })
}

function damaged(why: string): ApiError {
  return new ApiError({
    code: 'API_ANSWER_DAMAGED',
    message: `Cannot read the kernel's answer: ${why}`,
    hint: 'check that weaver and the kernel have one version: weaver version'
  })
}

function abortError(signal: AbortSignal | null): Error {
  return signal?.reason instanceof Error
    ? signal.reason
    : new ApiError({ code: 'API_ABORTED', message: 'The request was given up', hint: null })
}
