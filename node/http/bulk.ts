// Bodies that are too large to be held: bytes in and bytes out, as they come.
//
// Invariants
//   U1. Memory does not grow with a body: one piece at a time, and the other side waits.
//   U2. A body that does not move is given up. An answer that cannot go on breaks its connection, so that
//       it cannot be taken for a whole one.

import { millis } from '../../core/index.ts'
import type { Clock, Logger } from '../../core/index.ts'
import type { BlobBytes } from '../service.ts'
import { clientLeft, deadlinePassed } from './errors.ts'
import { BULK_IDLE_MS } from './limits.ts'
import type { StreamSlots } from './stream-slots.ts'

export interface BulkDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly slots: StreamSlots
}

/** Hands the body on; `take` gets a signal that aborts when the caller leaves or the kernel stops. */
export async function uploaded<T>(
  request: Request,
  { clock, slots }: BulkDeps,
  take: (chunks: AsyncIterable<Uint8Array>, signal: AbortSignal) => Promise<T>
): Promise<T> {
  const { abort, free } = slots.take()
  const onLeft = (): void => abort.abort(clientLeft())
  request.signal.addEventListener('abort', onLeft, { once: true })
  try {
    return await take(pieces(request, clock, abort.signal), abort.signal)
  } finally {
    request.signal.removeEventListener('abort', onLeft)
    free()
  }
}

/** @throws ApiRefusal `API_TIMED_OUT`, or the reason of `signal` */
async function* pieces(
  { body }: Request,
  clock: Clock,
  signal: AbortSignal
): AsyncGenerator<Uint8Array, void, void> {
  if (body === null) return
  const reader = body.getReader()
  const aborted = Promise.withResolvers<never>()
  aborted.promise.catch(() => undefined) // Nobody reads any more.
  const onAbort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    for (;;) {
      const moved = new AbortController()
      const late = clock.sleep(millis(BULK_IDLE_MS), moved.signal).then(() => {
        throw deadlinePassed(BULK_IDLE_MS)
      })
      late.catch(() => undefined) // It came in time.
      const next = await Promise.race([reader.read(), late, aborted.promise])
      moved.abort()
      if (next.done) return
      yield next.value
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
    reader.releaseLock()
  }
}

/** The answer whose body is a blob. */
export function downloaded(
  { size, chunks }: BlobBytes,
  { log, slots }: BulkDeps,
  left: AbortSignal
): Response {
  const { abort, free } = slots.take()
  const iterator = chunks[Symbol.asyncIterator]()
  const over = (): void => {
    free()
    left.removeEventListener('abort', onLeft)
    void iterator.return?.()
  }
  const onLeft = (): void => abort.abort(clientLeft())
  left.addEventListener('abort', onLeft, { once: true })
  abort.signal.addEventListener('abort', over, { once: true })
  const body = new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        try {
          abort.signal.throwIfAborted()
          const next = await iterator.next()
          if (next.done === true) {
            over()
            controller.close()
          } else {
            controller.enqueue(next.value)
          }
        } catch (error) {
          over()
          log.warn('a download was cut', { reason: String(error) })
          controller.error(error) // U2
        }
      },
      cancel: over
    },
    { highWaterMark: 0 }
  )
  return new Response(body, {
    headers: { 'content-type': 'application/octet-stream', 'content-length': String(size) }
  })
}
