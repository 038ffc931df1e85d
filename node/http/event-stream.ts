// Server-sent events: `item` for each item, with its id; `end` when the stream is complete; `error` when it
// broke; comments while nothing happens. A client that sees none of the three lost the connection, and
// resumes with `Last-Event-ID`.

import { utf8, WeaverError } from '../../core/index.ts'
import type { Clock, Logger } from '../../core/index.ts'
import { millis } from '../../core/index.ts'
import { STREAM_HEARTBEAT_MS } from '../api/limits.ts'
import type { Streamed } from '../service.ts'
import { errorAnswer } from './answers.ts'
import { kernelStopping } from './errors.ts'

export interface EventStreamDeps {
  readonly clock: Clock
  readonly log: Logger
  /** Ends the source; aborted here when the client leaves. */
  readonly abort: AbortController
  readonly onClose: () => void
}

/** Pulled by the client's own pace: an item is asked for when the one before has left. */
export function eventStream(
  source: AsyncIterable<Streamed<unknown>>,
  deps: EventStreamDeps
): ReadableStream<Uint8Array> {
  const events = eventTexts(source, deps)
  const close = (): void => {
    deps.abort.abort()
    deps.onClose()
  }
  return new ReadableStream(
    {
      pull: async (controller) => {
        const next = await events.next()
        if (next.done === true) {
          controller.close()
          close()
        } else {
          controller.enqueue(utf8(next.value))
        }
      },
      cancel: close
    },
    { highWaterMark: 0 }
  )
}

async function* eventTexts(
  source: AsyncIterable<Streamed<unknown>>,
  { clock, log, abort }: EventStreamDeps
): AsyncGenerator<string, void, void> {
  const iterator = source[Symbol.asyncIterator]()
  yield ': weaver\n\n' // So that the head leaves at once, before the first item.
  try {
    let next = iterator.next()
    for (;;) {
      const result = await nextOrBeat(next, clock)
      if (result === null) {
        yield ': still here\n\n'
        continue
      }
      if (result.done === true) break
      const { id, item } = result.value
      yield `event: item\nid: ${id}\ndata: ${JSON.stringify(item)}\n\n`
      next = iterator.next()
    }
    yield abort.signal.aborted ? errorText(kernelStopping()) : 'event: end\ndata: {}\n\n'
  } catch (error) {
    if (!(error instanceof WeaverError)) log.error('a stream broke', { reason: String(error) })
    yield errorText(error)
  } finally {
    await iterator.return?.()
  }
}

function errorText(error: unknown): string {
  return `event: error\ndata: ${JSON.stringify(errorAnswer(error).body)}\n\n`
}

async function nextOrBeat<T>(next: Promise<T>, clock: Clock): Promise<T | null> {
  const arrived = new AbortController()
  const beat = clock.sleep(millis(STREAM_HEARTBEAT_MS), arrived.signal).then(
    () => null,
    () => null // The item arrived first.
  )
  try {
    return await Promise.race([next, beat])
  } finally {
    arrived.abort()
  }
}
