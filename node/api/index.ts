/**
 * The control API as its callers see it: types and a client. Loads nothing of core/, zod or hono.
 *
 * @module
 */

import type * as runClient from './run-client.ts'

export { ApiError, NO_KERNEL } from './api-error.ts'
export { ControlClient } from './client.ts'
export { DURATION_MAX_MS, INVITE_USES_MAX, LOG_LINES_MAX, SIGNATURES_MAX } from './limits.ts'
export { OWN_VARIABLES } from './own-variables.ts'
export type { RequestOptions, StreamRequestOptions } from './client.ts'
export type { StreamItem } from './event-stream.ts'
export type * from './types/index.ts'

/** Attached tasks, loaded when first needed: they bring core/ with them. */
export function loadRunClient(): Promise<typeof runClient> {
  return import('./run-client.ts')
}
