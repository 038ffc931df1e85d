// Who may speak to the control API at all. Asked before anything else is read of a request.
//
// Invariants
//   A1. A request with a foreign `Origin` is refused: no web page speaks for the user.
//   A2. On TCP a request whose `Host` is not one of ours is refused: DNS rebinding ends here.
//   A3. On TCP a request without the token is refused. The socket file's mode admits on the Unix socket.

import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { ApiRefusal } from './errors.ts'

export interface TcpAdmission {
  readonly token: string
  /** `127.0.0.1:7070`, `localhost:7070`, ...: what may stand in `Host`, in lower case. */
  readonly hosts: ReadonlySet<string>
}

/** Null admission rules stand for the Unix socket. Null when admitted. */
export function refusalOf(
  headers: IncomingHttpHeaders,
  rules: TcpAdmission | null
): ApiRefusal | null {
  const host = headers.host?.toLowerCase() ?? ''
  if (rules !== null && !rules.hosts.has(host)) {
    return new ApiRefusal('API_FORBIDDEN_HOST', `Cannot serve host '${host.slice(0, 100)}'`, {
      hint: `use one of: ${[...rules.hosts].join(', ')}`
    })
  }
  const origin = headers.origin
  if (origin !== undefined && (rules === null || origin.toLowerCase() !== `http://${host}`)) {
    return new ApiRefusal('API_FORBIDDEN_ORIGIN', `Cannot serve origin '${origin.slice(0, 100)}'`)
  }
  if (rules !== null && !isToken(headers.authorization, rules.token)) {
    return new ApiRefusal('API_UNAUTHORIZED', 'Cannot serve a request without the right token', {
      hint: 'send it as a bearer token: it is in run/http-token of the home'
    })
  }
  return null
}

/** Hashed first, so that the comparison tells neither the bytes nor the length. */
function isToken(authorization: string | undefined, token: string): boolean {
  const given = /^Bearer ([\x21-\x7e]+)$/i.exec(authorization ?? '')?.[1] ?? ''
  return timingSafeEqual(digest(given), digest(token))
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/** What may stand in `Host` for a listener that the user called `host`. */
export function hostsOf(host: string, port: number): ReadonlySet<string> {
  const names = new Set([host.toLowerCase(), 'localhost', '127.0.0.1', '[::1]'])
  return new Set(
    [...names].flatMap((name) => (port === 80 ? [name, `${name}:80`] : `${name}:${port}`))
  )
}
