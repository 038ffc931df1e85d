// What a spawn says about its confinement: which containment, which grants, how much of the machine. It
// travels with a task to whichever node runs it, so its wire form is here too.

import type { Cbor } from './cbor.ts'
import { WeaverError } from './errors.ts'
import { formatGrant, parseGrant } from './grant.ts'
import type { Grant } from './grant.ts'

/** `os`: confined by the operating system. `none`: an ordinary process of the kernel's user. */
export type Containment = 'os' | 'none'

/** Null: as much as the machine gives. */
export interface Limits {
  readonly memoryBytes: number | null
  /** Cores: 0.5 is half the time of one. */
  readonly cpus: number | null
  /** Processes and threads at once. */
  readonly pids: number | null
}

export interface Sandbox {
  readonly containment: Containment
  readonly grants: readonly Grant[]
  readonly limits: Limits
  /** What policies know it by when it asks its kernel for something; absent: as somebody nobody vouches for. */
  readonly role?: string
  /** Whose files its process sees instead of the machine's programs: it runs in a container of this image. */
  readonly image?: string
}

export const NO_LIMITS: Limits = { memoryBytes: null, cpus: null, pids: null }

/** What a spawn gets that asks for nothing. */
export const DEFAULT_SANDBOX: Sandbox = { containment: 'os', grants: [], limits: NO_LIMITS }

/** Grants of one process. Each may become two arguments of the program that confines it. */
const GRANTS_MAX = 128
/** The least and the most of each limit. In less memory no program starts; the kernel has no more pids. */
export const LIMIT_RANGES: Readonly<Record<keyof Limits, readonly [least: number, most: number]>> =
  {
    memoryBytes: [1024 * 1024, Number.MAX_SAFE_INTEGER],
    cpus: [0.01, 4096],
    pids: [1, 4_194_304]
  }
const KEYS: readonly string[] = ['containment', 'grants', 'limits']
/** A name as container tools write it, a digest or an id. Never a leading dash: it would be read as an option. */
const IMAGE_PATTERN = /^[a-zA-Z0-9][\w.:/@-]{0,254}$/
const ROLE_PATTERN = /^[a-z][a-z0-9-]{0,31}$/

/** As it is sent, stored and recorded. */
export function sandboxCbor({ containment, grants, limits, role, image }: Sandbox): {
  readonly containment: string
  readonly grants: readonly string[]
  readonly limits: { readonly [key: string]: Cbor }
  readonly role?: string
  readonly image?: string
} {
  const said = { containment, grants: grants.map(formatGrant), limits: { ...limits } }
  // A version that knows no roles, or no images, can still read what names none, and refuses what does.
  return {
    ...said,
    ...(role === undefined ? {} : { role }),
    ...(image === undefined ? {} : { image })
  }
}

/** @throws WeaverError `CORE_INVALID_SANDBOX`, `CORE_INVALID_GRANT` */
export function parseSandbox(value: unknown): Sandbox {
  const { containment, grants, limits, role, image } = recordOf(value, KEYS, ['role', 'image'])
  if (containment !== 'os' && containment !== 'none') {
    throw invalid(`containment must be os or none, is ${shown(containment)}`)
  }
  if (!Array.isArray(grants) || grants.length > GRANTS_MAX) {
    throw invalid(`grants must be a list of at most ${GRANTS_MAX}`)
  }
  const sandbox: Sandbox = {
    containment,
    grants: grants.map(grantOf),
    limits: parseLimits(limits)
  }
  if (image !== undefined && containment === 'none') {
    throw invalid('a process with an image is always contained')
  }
  return {
    ...sandbox,
    ...(role === undefined ? {} : { role: roleOf(role) }),
    ...(image === undefined ? {} : { image: imageOf(image) })
  }
}

/** What shows how a process is confined. */
export function confinementName({ containment, image }: Sandbox): string {
  return image === undefined ? containment : 'podman'
}

function imageOf(image: unknown): string {
  if (typeof image === 'string' && IMAGE_PATTERN.test(image)) return image
  throw invalid(`an image is a name such as localhost/tools:1, is ${shown(image)}`)
}

function roleOf(role: unknown): string {
  if (typeof role === 'string' && ROLE_PATTERN.test(role)) return role
  throw invalid(`a role is a word of small letters, is ${shown(role)}`)
}

/** @throws WeaverError `CORE_INVALID_SANDBOX` */
export function parseLimits(value: unknown): Limits {
  const { memoryBytes, cpus, pids } = recordOf(value, ['memoryBytes', 'cpus', 'pids'])
  return {
    memoryBytes: bounded('the limit of memory in bytes', memoryBytes, LIMIT_RANGES.memoryBytes),
    cpus: bounded('the limit of CPUs', cpus, LIMIT_RANGES.cpus, false),
    pids: bounded('the limit of processes', pids, LIMIT_RANGES.pids)
  }
}

function grantOf(text: unknown): Grant {
  if (typeof text !== 'string') throw invalid(`a grant must be a text, is ${shown(text)}`)
  return parseGrant(text)
}

function bounded(
  name: string,
  value: unknown,
  [least, most]: readonly [number, number],
  isWhole = true
): number | null {
  if (value === null) return null
  const isFine =
    typeof value === 'number' &&
    value >= least &&
    value <= most &&
    (!isWhole || Number.isSafeInteger(value))
  if (!isFine) throw invalid(`${name} must be from ${least} to ${most}, is ${shown(value)}`)
  return value
}

function recordOf(
  value: unknown,
  keys: readonly string[],
  optional: readonly string[] = []
): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(`it must be a record, is ${shown(value)}`)
  }
  const record = Object.fromEntries(Object.entries(value))
  const has = Object.keys(record).filter((key) => !optional.includes(key))
  if (has.length !== keys.length || !keys.every((key) => Object.hasOwn(record, key))) {
    throw invalid(`it must have ${keys.join(', ')} and nothing else`)
  }
  return record
}

function shown(value: unknown): string {
  const text = JSON.stringify(value, (_key, inner: unknown) => {
    return typeof inner === 'bigint' ? String(inner) : inner // Canonical CBOR has numbers that JSON has not.
  })
  return (text ?? 'nothing').slice(0, 64)
}

function invalid(why: string): WeaverError {
  return new WeaverError('CORE_INVALID_SANDBOX', `Cannot use this sandbox: ${why}`)
}
