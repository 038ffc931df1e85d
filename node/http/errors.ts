import { WeaverError } from '../../core/index.ts'
import type { Retry } from '../../core/index.ts'

/** A request that the control API itself refuses. */
export class ApiRefusal extends WeaverError {
  constructor(
    code: `API_${string}`,
    message: string,
    options: { readonly hint?: string; readonly retry?: Retry; readonly cause?: unknown } = {}
  ) {
    const { hint, retry, cause } = options
    super(code, message, {
      ...(retry === undefined ? {} : { retry }),
      ...(hint === undefined ? {} : { detail: { hint } }),
      cause
    })
  }
}

export function noSuchRoute(method: string, path: string): ApiRefusal {
  return new ApiRefusal('API_NOT_FOUND', `Cannot ${method} ${path.slice(0, 200)}: no such route`, {
    hint: 'the routes are in GET /api/v1/openapi.json'
  })
}

export function invalidRequest(where: string, what: string): ApiRefusal {
  return new ApiRefusal('API_INVALID_REQUEST', `Cannot read the request: ${where} ${what}`)
}

export function bodyTooLarge(bytesMax: number): ApiRefusal {
  return new ApiRefusal(
    'API_BODY_TOO_LARGE',
    `Cannot take the request: its body must be <= ${bytesMax} bytes`
  )
}

export function deadlinePassed(deadlineMs: number): ApiRefusal {
  return new ApiRefusal(
    'API_TIMED_OUT',
    `Gave up: the request was not done within ${deadlineMs / 1000} s`,
    { retry: 'later' }
  )
}

export function clientLeft(): ApiRefusal {
  return new ApiRefusal('API_CLIENT_LEFT', 'The caller closed the connection')
}

export function tooManyStreams(streamsMax: number): ApiRefusal {
  return new ApiRefusal(
    'API_BUSY',
    `Cannot open another stream: ${streamsMax} are open, the most there may be`,
    { retry: 'later', hint: 'close one, or try again' }
  )
}

export function kernelStopping(): ApiRefusal {
  return new ApiRefusal('API_KERNEL_STOPPING', 'The kernel is stopping', { retry: 'later' })
}

/** The user named an address that cannot be had: say which, and what else to name. */
export function cannotListen(address: string, cause: unknown): ApiRefusal {
  const errno = cause instanceof Error && 'code' in cause ? cause.code : null
  if (errno === 'EADDRINUSE') {
    return new ApiRefusal('API_ADDRESS_IN_USE', `Cannot listen on ${address}: it is in use`, {
      hint: 'choose another with --http HOST:PORT, or port 0 for any free one',
      cause
    })
  }
  const why = cause instanceof Error ? cause.message : String(cause)
  return new ApiRefusal('API_LISTEN_FAILED', `Cannot listen on ${address}: ${why}`, { cause })
}

export function socketPathTooLong(path: string, bytesMax: number): ApiRefusal {
  return new ApiRefusal(
    'API_SOCKET_PATH_TOO_LONG',
    `Cannot listen on ${path}: a socket's path must be <= ${bytesMax} bytes`,
    { hint: 'choose a shorter WEAVER_HOME' }
  )
}
