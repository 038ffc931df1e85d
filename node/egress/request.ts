// What a client inside may say: HTTP CONNECT, an HTTP request with an absolute URL, or SOCKS 5. Pure readers
// of the bytes so far.

import { HEAD_BYTES_MAX } from './limits.ts'

export type Request =
  | { readonly kind: 'more' }
  | { readonly kind: 'bad'; readonly why: string; readonly answer: Buffer }
  /** SOCKS 5: the client wants an answer before it says more. */
  | { readonly kind: 'greeted'; readonly answer: Buffer; readonly used: number }
  | {
      readonly kind: 'open'
      readonly host: string
      readonly port: number
      readonly via: 'connect' | 'http' | 'socks'
      /** What goes to the destination first. */
      readonly first: Buffer
    }

const MORE: Request = { kind: 'more' }

/** Reads the start of a connection. `isGreeted`: a SOCKS client has had its first answer. */
export function readRequest(bytes: Buffer, isGreeted: boolean): Request {
  if (bytes.length === 0) return MORE
  if (isGreeted) return readSocksRequest(bytes)
  if (bytes[0] === 5) return readSocksGreeting(bytes)
  return readHttp(bytes)
}

function readSocksGreeting(bytes: Buffer): Request {
  const count = bytes[1]
  if (count === undefined || bytes.length < 2 + count) return MORE
  const methods = bytes.subarray(2, 2 + count)
  if (methods.includes(0)) return { kind: 'greeted', answer: Buffer.from([5, 0]), used: 2 + count }
  return { kind: 'bad', why: 'it wants to log in', answer: Buffer.from([5, 0xff]) }
}

export function socksAnswer(code: number): Buffer {
  return Buffer.from([5, code, 0, 1, 0, 0, 0, 0, 0, 0])
}

function readSocksRequest(bytes: Buffer): Request {
  if (bytes.length < 5) return MORE
  if (bytes[0] !== 5) return { kind: 'bad', why: 'it is no SOCKS 5', answer: socksAnswer(1) }
  if (bytes[1] !== 1) return { kind: 'bad', why: 'only connections out', answer: socksAnswer(7) }
  const type = bytes[3]
  const start = type === 3 ? 5 : 4
  const length = type === 1 ? 4 : type === 4 ? 16 : type === 3 ? (bytes[4] ?? 0) : -1
  if (length < 0) return { kind: 'bad', why: 'unknown address type', answer: socksAnswer(8) }
  const end = start + length
  if (bytes.length < end + 2) return MORE
  const raw = bytes.subarray(start, end)
  const host =
    type === 1 ? [...raw].join('.') : type === 3 ? raw.toString('latin1') : groupsOf(raw).join(':')
  return {
    kind: 'open',
    host,
    port: bytes.readUInt16BE(end),
    via: 'socks',
    first: bytes.subarray(end + 2)
  }
}

function groupsOf(raw: Buffer): readonly string[] {
  return [0, 2, 4, 6, 8, 10, 12, 14].map((at) => raw.readUInt16BE(at).toString(16))
}

export function httpAnswer(status: string, why: string): Buffer {
  const body = `${why}\n`
  const head = [
    `HTTP/1.1 ${status}`,
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close'
  ]
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`)
}

function bad(why: string): Request {
  return { kind: 'bad', why, answer: httpAnswer('400 Bad Request', `weaver: ${why}`) }
}

function readHttp(bytes: Buffer): Request {
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0) return bytes.length > HEAD_BYTES_MAX ? bad('the head is too long') : MORE
  if (end > HEAD_BYTES_MAX) return bad('the head is too long')
  const lines = bytes.toString('latin1', 0, end).split('\r\n')
  // A bare line break inside a line would be a line of its own for some servers.
  if (lines.some((line) => /[\r\n\0]/.test(line))) return bad('the head is malformed')
  const start = /^([A-Z]{1,16}) (\S+) HTTP\/1\.([01])$/.exec(lines[0] ?? '')
  if (start === null) return bad('this is no request to a proxy')
  const [, method = '', target = ''] = start
  const rest = bytes.subarray(end + 4)
  return method === 'CONNECT'
    ? readConnect(target, rest)
    : readAbsolute(method, target, lines.slice(1), rest)
}

function readConnect(target: string, rest: Buffer): Request {
  const place = /^(\[[0-9A-Fa-f:.]+\]|[^\s:/@]+):(\d{1,5})$/.exec(target)
  if (place === null) return bad('CONNECT needs HOST:PORT')
  return { kind: 'open', host: place[1] ?? '', port: Number(place[2]), via: 'connect', first: rest }
}

const HOP_BY_HOP =
  /^(connection|proxy-connection|proxy-authorization|proxy-authenticate|keep-alive|te|trailer|upgrade|host):/i

/** One request for each connection: what it was told to reach is where all of it goes. */
function readAbsolute(
  method: string,
  target: string,
  headers: readonly string[],
  rest: Buffer
): Request {
  const url = /^http:\/\/(\[[0-9A-Fa-f:.]+\]|[^\s:/@?#]+)(?::(\d{1,5}))?([/?][^\s#]*)?$/i.exec(
    target
  )
  if (url === null) return bad('a proxy needs http://HOST[:PORT]/PATH, without a user')
  if (headers.some((line) => !/^[!#$%&'*+.^_`|~0-9A-Za-z-]+:/.test(line))) {
    return bad('a header is malformed')
  }
  const [, host = '', portText, path = '/'] = url
  const authority = portText === undefined ? host : `${host}:${portText}`
  const kept = headers.filter((line) => !HOP_BY_HOP.test(line))
  const line = `${method} ${path.startsWith('/') ? path : `/${path}`} HTTP/1.1`
  const head = [line, `Host: ${authority}`, ...kept, 'Connection: close'].join('\r\n')
  const first = Buffer.concat([Buffer.from(`${head}\r\n\r\n`, 'latin1'), rest])
  return { kind: 'open', host, port: Number(portText ?? 80), via: 'http', first }
}
