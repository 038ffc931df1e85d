import type { ApiErrorBody } from './types/basics.ts'

/** No kernel listens on the socket. */
export const NO_KERNEL = 'API_NO_KERNEL'

/**
 * What the kernel answered, or why it could not be asked. Not a WeaverError: this side of the API loads
 * nothing of core/, which would cost a third of a quick command's time. Branch on `code`.
 */
export class ApiError extends Error {
  readonly code: string
  readonly hint: string | null

  constructor(body: ApiErrorBody, options: ErrorOptions = {}) {
    super(body.message, options)
    this.name = 'ApiError'
    this.code = body.code
    this.hint = body.hint
  }
}
