// What a child finds in its environment: built from a list, never inherited whole, so that a secret in
// the kernel's own environment stays there.

import { pid } from '../../core/index.ts'
import type { Pid } from '../../core/index.ts'

/**
 * Names whose kernel every process is: `<home>:<boot>:<pid>` in `WEAVER_LEASH`. Children inherit it, also
 * across `setsid` and double forks, and by it they are found when they outlive their process.
 */
export interface Leash {
  /** Of this home on this machine: hexadecimal. */
  readonly home: string
  /** Of this run of the kernel: hexadecimal. */
  readonly boot: string
  readonly pid: Pid
}

export const LEASH_VARIABLE = 'WEAVER_LEASH'
/** Names the socket on which a process may ask its kernel. */
export const SOCKET_VARIABLE = 'WEAVER_SOCKET'
const LEASH_PATTERN = /^([0-9a-f]{1,64}):([0-9a-f]{1,64}):([1-9]\d{0,14})$/
const INHERITED = ['PATH', 'HOME', 'LANG', 'TZ', 'TMPDIR', 'TERM', 'USER', 'LOGNAME', 'SHELL']
export const PATH_FALLBACK = '/usr/local/bin:/usr/bin:/bin'

export function formatLeash(leash: Leash): string {
  return `${leash.home}:${leash.boot}:${leash.pid}`
}

export function isSameLeash(a: Leash, b: Leash): boolean {
  return a.pid === b.pid && a.boot === b.boot && a.home === b.home
}

/** Null unless `text` is a leash. */
export function parseLeash(text: string): Leash | null {
  const match = LEASH_PATTERN.exec(text)
  if (match?.[1] === undefined || match[2] === undefined) return null
  return { home: match[1], boot: match[2], pid: pid(Number(match[3])) }
}

/** What a contained process is told of this machine's user: how texts and times are written there. */
const INHERITED_INSIDE = ['LANG', 'TZ', 'TERM']

export function containedEnvironment(
  own: Readonly<Record<string, string | undefined>>
): Record<string, string> {
  return inherited(own, INHERITED_INSIDE)
}

export function childEnvironment(
  own: Readonly<Record<string, string | undefined>>,
  given: Readonly<Record<string, string>>,
  leash: Leash
): Record<string, string> {
  const environment = { PATH: PATH_FALLBACK, ...inherited(own, INHERITED) }
  return { ...environment, ...given, [LEASH_VARIABLE]: formatLeash(leash) }
}

function inherited(
  own: Readonly<Record<string, string | undefined>>,
  names: readonly string[]
): Record<string, string> {
  const environment: Record<string, string> = {}
  for (const [name, value] of Object.entries(own)) {
    if (value === undefined) continue
    if (names.includes(name) || name.startsWith('LC_')) environment[name] = value
  }
  return environment
}
