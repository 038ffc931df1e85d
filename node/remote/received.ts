// Bodies of what peers ask.

import type { z } from 'zod'
import { mistakeWords, WeaverError } from '../../core/index.ts'

/**
 * What `body` says, as `schema` has it. Another form is the asker's mistake: it is told so, and costs this node no more
 * than that.
 * @throws WeaverError `NODE_REQUEST_INVALID`, with the place of the first mistake
 */
export function received<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body, { error: mistakeWords })
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const place = issue === undefined || issue.path.length === 0 ? 'it' : `'${issue.path.join('.')}'`
  const why = `${place} ${issue?.message ?? 'has another form'}`
  throw new WeaverError('NODE_REQUEST_INVALID', `Cannot read the request: ${why}`)
}
