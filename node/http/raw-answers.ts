// Refusals before anything of a request has been read, and into a connection that has left HTTP.

import { STATUS_CODES } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { errorAnswer } from './answers.ts'
import { noSuchRoute } from './errors.ts'
import type { ApiRefusal } from './errors.ts'

const RUN_PATH = '/api/v1/run'

/** Null for the one request that may leave HTTP. */
export function notRun(request: IncomingMessage): ApiRefusal | null {
  if (request.method === 'POST' && request.url === RUN_PATH) return null
  return noSuchRoute(request.method ?? 'GET', request.url ?? '/')
}

export function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  refusal: ApiRefusal
): void {
  const { status, headers, body } = errorAnswer(refusal)
  // Its body is not read: the connection cannot serve another request.
  response.writeHead(status, { ...headers, connection: 'close' }).end(JSON.stringify(body))
  request.resume()
}

export function refusalText(error: unknown): string {
  const { status, headers, body } = errorAnswer(error)
  const text = JSON.stringify(body)
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    ...lines,
    `content-length: ${Buffer.byteLength(text)}`,
    'connection: close',
    '',
    text
  ].join('\r\n')
}

export function closedServer(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  // An error here says that it never listened: as closed as it can be.
  server.close(() => resolve())
  return promise
}
