// Grants: what a contained process may do beyond nothing, each written `what:scope`. The text is what
// people type, what policy decides on and what the chain records, so every grant has one canonical text.
//
// Invariants
//   G1. `formatGrant(parseGrant(text))` is canonical: parsed again it gives the same grant and the same text.
//   G2. `isGrantWithin` is a partial order: reflexive, transitive, and antisymmetric on what a grant allows.
//   G3. A scope never holds `..`, a NUL, a line break or an empty name.

import { posix } from 'node:path'
import { WeaverError } from './errors.ts'

export type Grant =
  /** Of the machine that runs the process: `path` there, seen inside as `inside`. Both absolute. */
  | { readonly kind: 'fs.read' | 'fs.write'; readonly path: string; readonly inside: string }
  /** `host` is a name in lower case, an address, `*.example.com` or `*`; `port` null: any. */
  | { readonly kind: 'net'; readonly host: string; readonly port: number | null }
  | { readonly kind: NamedKind; readonly name: string }
  | { readonly kind: 'spawn' }

type NamedKind = 'env' | 'secret' | 'tool' | 'exec' | 'ipc' | 'delegate'

/** Characters of one grant: two paths of 4096 and what is around them. */
const GRANT_LENGTH_MAX = 8300
const PATH_LENGTH_MAX = 4096
const NAME_PATTERNS: Readonly<Record<NamedKind, RegExp>> = {
  env: /^[A-Za-z_][A-Za-z0-9_]{0,127}$/,
  secret: /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/,
  tool: /^(?:\*|[A-Za-z0-9][A-Za-z0-9._-]{0,127})$/,
  exec: /^(?:\*|[A-Za-z0-9_/.][A-Za-z0-9._/+-]{0,255})$/,
  ipc: /^(?:\*|[a-z0-9][a-z0-9._@-]{0,127})$/,
  delegate: /^(?:\*|[a-z0-9][a-z0-9._:-]{0,127})$/
}
const FORMS =
  'fs.read:/path, fs.write:/path, fs.read:/host/path=/path/inside, net:HOST:PORT, env:NAME, ' +
  'secret:NAME, tool:NAME, exec:NAME, spawn, ipc:PROC or delegate:gpu'

export class InvalidGrantError extends WeaverError {
  constructor(text: string, why: string) {
    const hint = `write ${FORMS}`
    super('CORE_INVALID_GRANT', `Cannot read grant '${text.slice(0, 200)}': ${why}`, {
      detail: { hint }
    })
  }
}

/** @throws WeaverError `CORE_INVALID_GRANT` */
export function parseGrant(text: string): Grant {
  if (text.length > GRANT_LENGTH_MAX) {
    throw new InvalidGrantError(text, `it is longer than ${GRANT_LENGTH_MAX} characters`)
  }
  if (text === 'spawn') return { kind: 'spawn' }
  const colon = text.indexOf(':')
  const kind = colon === -1 ? text : text.slice(0, colon)
  const scope = colon === -1 ? '' : text.slice(colon + 1)
  switch (kind) {
    case 'fs.read':
    case 'fs.write':
      return pathGrant(text, kind, scope)
    case 'net':
      return netGrant(text, scope)
    case 'env':
    case 'secret':
    case 'tool':
    case 'exec':
    case 'ipc':
    case 'delegate':
      return namedGrant(text, kind, scope)
    default:
      throw new InvalidGrantError(text, `there is no such kind of grant as '${kind.slice(0, 32)}'`)
  }
}

/** The canonical text. */
export function formatGrant(grant: Grant): string {
  switch (grant.kind) {
    case 'fs.read':
    case 'fs.write': {
      const { kind, path, inside } = grant
      return path === inside ? `${kind}:${path}` : `${kind}:${path}=${inside}`
    }
    case 'net': {
      const host = grant.host.includes(':') ? `[${grant.host}]` : grant.host
      return `net:${host}:${grant.port ?? '*'}`
    }
    case 'spawn':
      return 'spawn'
    case 'env':
    case 'secret':
    case 'tool':
    case 'exec':
    case 'ipc':
    case 'delegate':
      return `${grant.kind}:${grant.name}`
    default:
      return grant satisfies never
  }
}

/**
 * Whether whoever holds `parent` may hand on `child`: it allows nothing that `parent` does not. Where a
 * folder is seen inside gives no power over the machine, so `inside` plays no part in it.
 */
export function isGrantWithin(child: Grant, parent: Grant): boolean {
  switch (child.kind) {
    case 'fs.read':
      return isPathGrant(parent) && isPathWithin(child.path, parent.path)
    case 'fs.write':
      return parent.kind === 'fs.write' && isPathWithin(child.path, parent.path)
    case 'net':
      return (
        parent.kind === 'net' &&
        isHostWithin(child.host, parent.host) &&
        (parent.port === null || parent.port === child.port)
      )
    case 'spawn':
      return parent.kind === 'spawn'
    case 'env':
    case 'secret':
    case 'tool':
    case 'exec':
    case 'ipc':
    case 'delegate':
      return parent.kind === child.kind && (parent.name === child.name || parent.name === '*')
    default:
      return child satisfies never
  }
}

/** Whether each of `children` is within one of `parents`. */
export function areGrantsWithin(children: readonly Grant[], parents: readonly Grant[]): boolean {
  return children.every((child) => parents.some((parent) => isGrantWithin(child, parent)))
}

/** Whether the absolute, normalised `path` is `folder` or lies below it. */
export function isPathWithin(path: string, folder: string): boolean {
  return path === folder || folder === '/' || path.startsWith(`${folder}/`)
}

function isPathGrant(grant: Grant): grant is Extract<Grant, { readonly path: string }> {
  return grant.kind === 'fs.read' || grant.kind === 'fs.write'
}

function pathGrant(text: string, kind: 'fs.read' | 'fs.write', scope: string): Grant {
  const [path = '', inside, ...more] = scope.split('=')
  if (more.length > 0) throw new InvalidGrantError(text, 'a path in a grant may not contain =')
  const checked = checkedPath(text, path)
  return { kind, path: checked, inside: inside === undefined ? checked : checkedPath(text, inside) }
}

function checkedPath(text: string, path: string): string {
  if (!path.startsWith('/')) throw new InvalidGrantError(text, 'its path must begin with /')
  if (path.length > PATH_LENGTH_MAX) throw new InvalidGrantError(text, 'its path is too long')
  // oxlint-disable-next-line no-control-regex -- these are what must not be there
  if (/[\u0000-\u001F\u007F]/.test(path)) {
    throw new InvalidGrantError(text, 'its path has control characters')
  }
  if (path.split('/').includes('..')) throw new InvalidGrantError(text, 'its path may not hold ..')
  const normal = posix.normalize(path)
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal
}

function netGrant(text: string, scope: string): Grant {
  const match = /^(\[[^\]]+\]|[^:[\]]+):(\*|\d{1,5})$/.exec(scope)
  if (match?.[1] === undefined) throw new InvalidGrantError(text, 'write net:HOST:PORT')
  const port = match[2] === '*' ? null : Number(match[2])
  if (port !== null && (port < 1 || port > 65_535)) {
    throw new InvalidGrantError(text, 'a port is a number from 1 to 65535')
  }
  return { kind: 'net', host: checkedHost(text, match[1]), port }
}

/** One spelling for each host: lower case, `xn--`, addresses as the network writes them. */
function checkedHost(text: string, host: string): string {
  if (host === '*') return host
  const isWild = host.startsWith('*.')
  const plain = isWild ? host.slice(2) : host
  const url = /[/?#@\\%\s]/.test(plain) ? null : URL.parse(`http://${plain}/`)
  const name = url?.hostname.replaceAll(/^\[|\]$/g, '').replace(/\.$/, '') ?? ''
  if (name === '' || name.includes('*') || !/^[a-z0-9._:-]+$/.test(name)) {
    throw new InvalidGrantError(text, 'it names no host')
  }
  const isAddress = name.includes(':') || /^[0-9.]+$/.test(name)
  if (isWild && isAddress) throw new InvalidGrantError(text, '*. stands before names only')
  return isWild ? `*.${name}` : name
}

/** `*.example.com` stands for every name below it, and not for `example.com` itself. */
function isHostWithin(child: string, parent: string): boolean {
  if (child === parent || parent === '*') return true
  if (!parent.startsWith('*.') || child === '*') return false
  const name = child.startsWith('*.') ? child.slice(2) : child
  const suffix = parent.slice(1)
  return name.endsWith(suffix) && name.length > suffix.length
}

function namedGrant(text: string, kind: NamedKind, name: string): Grant {
  if (!NAME_PATTERNS[kind].test(name) || name.split('/').includes('..')) {
    throw new InvalidGrantError(text, `'${name.slice(0, 64)}' is no name for ${kind}`)
  }
  if (kind === 'env' && name.startsWith('WEAVER_')) {
    throw new InvalidGrantError(text, 'variables called WEAVER_... are set by weaver alone')
  }
  return { kind, name }
}
