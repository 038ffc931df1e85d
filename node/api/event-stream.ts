// Reads server-sent events (WHATWG HTML, 9.2) as our own server writes them: UTF-8, `\n`, one `data:` line.

import { ApiError } from './api-error.ts'
import { EVENT_BYTES_MAX } from './limits.ts'
import type { ApiErrorBody } from './types/basics.ts'

export interface StreamItem<T> {
  /** Give it as `after` to go on behind this item. */
  readonly id: string
  readonly item: T
}

interface Failure {
  readonly error: ApiErrorBody
}

/**
 * The items of one stream, until the server says that it is complete.
 * @throws ApiError what the server reports, or `API_ANSWER_DAMAGED`
 */
export async function* readEvents<T>(
  body: AsyncIterable<Buffer>
): AsyncGenerator<StreamItem<T>, void, void> {
  for await (const block of blocks(body)) {
    const event = parseBlock(block)
    switch (event.name) {
      case 'item':
        yield { id: event.id, item: parsed((): T => JSON.parse(event.text)) }
        break
      case 'end':
        return
      case 'error':
        throw new ApiError(parsed((): Failure => JSON.parse(event.text)).error)
      default: // A comment that keeps the connection alive, or an event of a later version.
    }
  }
}

async function* blocks(body: AsyncIterable<Buffer>): AsyncGenerator<string, void, void> {
  let buffered: Buffer = Buffer.alloc(0)
  for await (const chunk of body) {
    buffered = buffered.length === 0 ? chunk : Buffer.concat([buffered, chunk])
    for (;;) {
      const end = buffered.indexOf('\n\n')
      if (end < 0) break
      yield buffered.toString('utf8', 0, end)
      buffered = buffered.subarray(end + 2)
    }
    if (buffered.length > EVENT_BYTES_MAX) throw damaged()
  }
}

function parseBlock(block: string): {
  readonly name: string
  readonly id: string
  readonly text: string
} {
  let name = ''
  let id = ''
  let text = ''
  for (const line of block.split('\n')) {
    if (line.startsWith('event: ')) name = line.slice(7)
    else if (line.startsWith('id: ')) id = line.slice(4)
    else if (line.startsWith('data: ')) text = line.slice(6)
  }
  return { name, id, text }
}

function parsed<T>(parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    throw damaged(error)
  }
}

function damaged(cause?: unknown): ApiError {
  return new ApiError(
    {
      code: 'API_ANSWER_DAMAGED',
      message: "Cannot read the kernel's stream",
      hint: 'check that weaver and the kernel have one version: weaver version'
    },
    { cause }
  )
}
