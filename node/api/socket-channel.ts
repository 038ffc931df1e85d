// A FrameChannel over one socket of the control API, after its HTTP upgrade. On the wire a frame is its
// length (four bytes, big-endian) and its bytes; a length of zero ends that direction. The end is a mark
// of its own because a closed socket says nothing: a killed process closes its sockets as politely as a
// finished one.
//
// Invariants
//   C1. At most one socket buffer, one frame and one queue of unread frames wait here in each direction.
//   C2. A direction that closes without its mark fails both.

import type { Duplex } from 'node:stream'
import { FrameQueue, invariant, WeaverError } from '../../core/index.ts'
import type { FrameChannel } from '../../core/index.ts'
import { IO_FRAME_BYTES_MAX } from './io-frame.ts'

const PREFIX_BYTES = 4
const NOTHING = new Uint8Array(0)
const QUEUED_BYTES_MAX = 256 * 1024 // Four pipe buffers: enough to keep both ends busy.

/** `rest` are bytes that were read past the upgrade's head. */
export function socketChannel(socket: Duplex, rest: Uint8Array): FrameChannel {
  const queue = new FrameQueue(QUEUED_BYTES_MAX)
  const sent = Promise.withResolvers<WeaverError | null>()
  let failure: WeaverError | null = null
  let isEnded = false
  let isComplete = false
  const fail = (reason: WeaverError): void => {
    failure ??= reason
    queue.fail(failure)
    sent.resolve(failure)
    socket.destroy()
  }
  const onClose = (): void => {
    if (!isComplete) fail(gone(null)) // C2
  }
  socket.on('error', (error) => fail(gone(error)))
  socket.on('close', onClose)
  socket.on('end', onClose)
  // A reader that left early has failed the queue: the sender on the far side must hear of it.
  void queue.done.then((error) => (error === null ? undefined : fail(error)))
  const closed = Promise.all([queue.done, sent.promise]).then(([a, b]) => {
    isComplete = (a ?? b) === null
    if (isComplete) socket.end()
    return a ?? b
  })
  void pump(socket, receiver(queue, fail), rest)
  return {
    frames: queue,
    closed,
    abort: fail,
    send: async (frame) => {
      if (failure !== null) throw failure
      if (isEnded)
        throw new WeaverError('CORE_CHANNEL_CLOSED', 'Cannot send: the channel has ended')
      invariant(frame.length > 0, 'A frame has at least its type')
      await write(socket, frame)
      if (failure !== null) throw failure
    },
    end: () => {
      if (isEnded || failure !== null) return
      isEnded = true
      socket.write(new Uint8Array(PREFIX_BYTES), () => sent.resolve(failure))
    }
  }
}

type Receive = (bytes: Uint8Array) => Promise<void>

async function pump(socket: Duplex, receive: Receive, rest: Uint8Array): Promise<void> {
  try {
    await receive(rest)
    for await (const chunk of socket) if (Buffer.isBuffer(chunk)) await receive(plainBytes(chunk))
  } catch {
    // The socket's own error event, or the queue, has reported it.
  }
}

/**
 * Cuts what arrives into frames. The next chunk is read when the queue has room again (C1). A frame that lies
 * whole in its chunk is a view of it: copying each would double the garbage of a long stream.
 */
function receiver(queue: FrameQueue, fail: (reason: WeaverError) => void): Receive {
  const prefix = new Uint8Array(PREFIX_BYTES)
  const part: Part = { prefixed: 0, frame: NOTHING, filled: 0 }
  let isFinished = false
  return async (bytes) => {
    try {
      for (let rest = bytes; rest.length > 0 && !isFinished;) {
        rest = take(prefix, part, rest)
        if (part.prefixed < PREFIX_BYTES || part.filled < part.frame.length) continue
        const { frame } = part
        part.prefixed = 0
        part.frame = NOTHING // Not kept alive while the next is awaited.
        if (frame.length > 0) await queue.push(frame)
        else isFinished = true
      }
      if (isFinished) queue.finish()
    } catch (error) {
      fail(error instanceof WeaverError ? error : gone(error))
    }
  }
}

interface Part {
  prefixed: number
  frame: Uint8Array
  filled: number
}

/** Consumes a piece of the prefix or of the frame, and returns the rest. */
function take(prefix: Uint8Array, part: Part, bytes: Uint8Array): Uint8Array {
  if (part.prefixed < PREFIX_BYTES) {
    const piece = bytes.subarray(0, PREFIX_BYTES - part.prefixed)
    prefix.set(piece, part.prefixed)
    part.prefixed += piece.length
    const rest = bytes.subarray(piece.length)
    if (part.prefixed < PREFIX_BYTES) return rest
    const size = frameSize(prefix)
    if (rest.length >= size) {
      part.frame = rest.subarray(0, size)
      part.filled = size
      return rest.subarray(size)
    }
    part.frame = plainBytes(Buffer.allocUnsafeSlow(size))
    part.filled = 0
    return rest
  }
  const piece = bytes.subarray(0, part.frame.length - part.filled)
  part.frame.set(piece, part.filled)
  part.filled += piece.length
  return bytes.subarray(piece.length)
}

function frameSize(prefix: Uint8Array): number {
  const size = new DataView(prefix.buffer).getUint32(0)
  if (size <= IO_FRAME_BYTES_MAX) return size
  throw new WeaverError(
    'API_INVALID_FRAME',
    `Cannot read I/O frame of ${size} bytes: must be <= ${IO_FRAME_BYTES_MAX}`
  )
}

/** A Buffer's slices and JSON are its own: none leaves here. */
function plainBytes(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)
}

async function write(socket: Duplex, frame: Uint8Array): Promise<void> {
  const prefix = new Uint8Array(PREFIX_BYTES)
  new DataView(prefix.buffer).setUint32(0, frame.length)
  socket.cork()
  socket.write(prefix)
  const hasRoom = socket.write(frame)
  socket.uncork()
  if (hasRoom || socket.destroyed) return
  const { promise, resolve } = Promise.withResolvers<void>()
  socket.once('drain', resolve)
  socket.once('close', resolve)
  await promise
  socket.off('drain', resolve)
  socket.off('close', resolve)
}

function gone(cause: unknown): WeaverError {
  return new WeaverError('API_CLIENT_LEFT', 'The other side closed the connection', { cause })
}
