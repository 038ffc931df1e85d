// The one place where an error's code becomes an HTTP status and a body.

import { invariant, WeaverError } from '../../core/index.ts'
import type { ApiErrorBody } from '../api/types/basics.ts'
import { RETRY_AFTER_S } from './limits.ts'

export interface ErrorAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: { readonly error: ApiErrorBody }
}

// The first pattern that matches decides. Behind them: `retry` of `later` or `elsewhere` is pushback (503);
// any other failure with a code of its own is 422: understood, and not done.
const STATUSES: readonly (readonly [pattern: RegExp, status: number])[] = [
  [/^API_UNAUTHORIZED$/, 401],
  [/^API_FORBIDDEN_/, 403],
  [/^(?:GOVERNANCE_DENIED|CHAIN_REDACTION_DENIED)$/, 403],
  [/^GOVERNANCE_UNRECORDED$/, 503],
  [/^API_BODY_TOO_LARGE$/, 413],
  [/^API_UPGRADE_REQUIRED$/, 426],
  [/^API_KERNEL_STOPPING$/, 503],
  [/^(?:CORE|API)_INVALID_/, 400],
  [/_INVALID(?:_|$)/, 400],
  [/_NOT_FOUND$/, 404],
  [/_AMBIGUOUS$/, 409],
  [/_(?:TAKEN|EXISTS|CONFLICT)$/, 409],
  [/_TIMED_OUT$/, 504],
  [/^INVARIANT_BROKEN$/, 500]
]

export function statusOf(error: WeaverError): number {
  const known = STATUSES.find(([pattern]) => pattern.test(error.code))
  if (known !== undefined) return known[1]
  return error.retry === 'never' ? 422 : 503
}

/** What a caller may learn of any thrown value. What is not a WeaverError is a defect: no details leave. */
export function errorAnswer(thrown: unknown): ErrorAnswer {
  if (!(thrown instanceof WeaverError)) {
    return answer(500, {
      code: 'API_INTERNAL',
      message: 'The kernel failed to do this: it is a defect of weaver',
      hint: 'the reason is in the log: weaver kernel logs'
    })
  }
  return answer(statusOf(thrown), errorBody(thrown))
}

export function errorBody(error: WeaverError): ApiErrorBody {
  const hint = error.detail['hint']
  return {
    code: error.code,
    message: error.message,
    hint: typeof hint === 'string' ? hint : null
  }
}

function answer(status: number, error: ApiErrorBody): ErrorAnswer {
  invariant(status >= 400 && status < 600, 'An error has an error status')
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (status === 503) headers['retry-after'] = String(RETRY_AFTER_S)
  if (status === 401) headers['www-authenticate'] = 'Bearer'
  return { status, headers, body: { error } }
}
