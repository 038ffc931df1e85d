// Bodies of what peers ask, and of what they answer.

import type { z } from 'zod'
import { mistakeText, mistakeWords, WeaverError } from '../../core/index.ts'

/**
 * What `body` says, as `schema` has it. Another form is the asker's mistake: it is told so, and costs this node no more
 * than that.
 * @throws WeaverError `NODE_REQUEST_INVALID`, with the place of the first mistake
 */
export function received<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body, { error: mistakeWords })
  if (parsed.success) return parsed.data
  throw new WeaverError(
    'NODE_REQUEST_INVALID',
    `Cannot read the request: ${mistakeText(parsed.error)}`
  )
}

/** What another node answered. @throws WeaverError `NODE_REMOTE_ANSWER_INVALID`, with the place of the first mistake */
export function answered<T>(schema: z.ZodType<T>, answer: unknown): T {
  const parsed = schema.safeParse(answer, { error: mistakeWords })
  if (parsed.success) return parsed.data
  throw new WeaverError(
    'NODE_REMOTE_ANSWER_INVALID',
    `Cannot read the other node's answer: ${mistakeText(parsed.error)}`
  )
}
