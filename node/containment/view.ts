// What a contained process sees of this machine's files: pure.
//
// Invariants
//   V1. Of the machine's own folders only SYSTEM_FOLDERS and the files named in ETC_NAMES are seen, read-only.
//   V2. No grant shows the weaver's home, or a folder that holds it.
//   V3. No grant changes what /proc, /dev, /sys, /run or the system folders are inside.

import { posix } from 'node:path'
import { formatGrant, isPathWithin } from '../../core/index.ts'
import type { Grant } from '../../core/index.ts'
import { GrantRefusedError } from './errors.ts'
import type { Guard } from './ports.ts'

/** `path` on this machine is seen as `inside`. */
export interface Seen {
  readonly path: string
  readonly inside: string
  readonly isWritable: boolean
}

/** Where a process's own folder is inside. */
export const TASK_FOLDER = '/task'
export const KERNEL_SOCKET = '/run/weaver/kernel.sock'
export const EGRESS_SOCKET = '/run/weaver/egress.sock'
export const PATH_INSIDE = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Programs and libraries; a link among them is made again inside. */
export const SYSTEM_FOLDERS: readonly string[] = [
  '/usr',
  '/bin',
  '/sbin',
  '/lib',
  '/lib64',
  '/lib32',
  '/libx32'
]

/** What programs need of /etc: no password, no key, no host's name but its own. */
export const ETC_NAMES: readonly string[] = [
  'alternatives',
  'bash.bashrc',
  'ca-certificates',
  'ca-certificates.conf',
  'fonts',
  'gai.conf',
  'group',
  'host.conf',
  'hosts',
  'inputrc',
  'java-11-openjdk',
  'java-17-openjdk',
  'java-21-openjdk',
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'locale.alias',
  'localtime',
  'magic',
  'mime.types',
  'nsswitch.conf',
  'os-release',
  'passwd',
  'perl',
  'pki/ca-trust',
  'pki/tls',
  'profile',
  'profile.d',
  'protocols',
  'python3',
  'resolv.conf',
  'services',
  'shells',
  'ssl/certs',
  'ssl/openssl.cnf',
  'terminfo',
  'timezone'
]

/** Of /proc, what changes the machine when it is written. */
export const PROC_READ_ONLY: readonly string[] = ['sys', 'fs']
/** Of /proc, what is of the machine and not of the process. A fresh /proc inside shows only its own processes. */
export const PROC_MASKED_FILES: readonly string[] = [
  'kcore',
  'keys',
  'key-users',
  'kmsg',
  'kallsyms',
  'kpagecount',
  'kpagecgroup',
  'kpageflags',
  'latency_stats',
  'sched_debug',
  'slabinfo',
  'sysrq-trigger',
  'timer_list',
  'vmallocinfo'
]
export const PROC_MASKED_FOLDERS: readonly string[] = ['acpi', 'scsi', 'driver']

const CLOSED: readonly string[] = ['/proc', '/dev', '/sys', '/run']

/**
 * The folders that path grants show, parents before children.
 * @throws WeaverError `CONTAINMENT_GRANT_REFUSED`
 */
export function grantedView(grants: readonly Grant[], closedPaths: readonly string[]): Seen[] {
  const seen: Seen[] = []
  for (const grant of grants) {
    if (grant.kind !== 'fs.read' && grant.kind !== 'fs.write') continue
    const text = formatGrant(grant)
    const { path, inside } = grant
    for (const closed of closedPaths) {
      if (isPathWithin(path, closed) || isPathWithin(closed, path)) {
        throw new GrantRefusedError(text, `${closed} is this weaver's own home`) // V2
      }
    }
    checkInside(text, path, inside)
    if (seen.some((other) => other.inside === inside && other.path !== path)) {
      throw new GrantRefusedError(text, 'another grant shows something else there')
    }
    seen.push({ path, inside, isWritable: grant.kind === 'fs.write' })
  }
  return seen.toSorted((a, b) => a.inside.length - b.inside.length)
}

// V3
function checkInside(text: string, path: string, inside: string): void {
  if (inside === '/' || path === '/') {
    throw new GrantRefusedError(
      text,
      'name the folders that are needed: the root itself is not given'
    )
  }
  for (const closed of CLOSED) {
    if (isPathWithin(inside, closed) || isPathWithin(path, closed)) {
      throw new GrantRefusedError(text, `${closed} is made anew for each contained process`)
    }
  }
  const isSystem = [...SYSTEM_FOLDERS, '/etc'].some((folder) => isPathWithin(inside, folder))
  if (isSystem && inside !== path) {
    throw new GrantRefusedError(text, 'it would stand in for a part of the system inside')
  }
}

/** What of this machine a process with these grants sees, where; `isImage`: with other programs than this machine's. */
export function seenInside(grants: readonly Grant[], isImage: boolean): readonly Seen[] {
  const system = [...SYSTEM_FOLDERS, '/etc'].map((path) => ({
    path,
    inside: path,
    isWritable: false
  }))
  return [...(isImage ? [] : system), ...grantedView(grants, [])]
}

/** The variables that `env:` grants hand on. A name that is none of the environment's own is no variable. */
export function passedVariables(
  grants: readonly Grant[],
  environment: Readonly<Record<string, string | undefined>>
): Record<string, string> {
  const names = grants.flatMap((grant) => (grant.kind === 'env' ? [grant.name] : []))
  const entries = names.flatMap((name) => {
    const value = Object.hasOwn(environment, name) ? environment[name] : undefined
    return value === undefined ? [] : [[name, value] as const]
  })
  return Object.fromEntries(entries)
}

/** Guards as they are seen inside, wherever the folder around them is writable; parents before children. */
export function guardedView(granted: readonly Seen[], guards: readonly Guard[]): Seen[] {
  const writable = granted.filter(({ isWritable }) => isWritable)
  const guarded = guards.flatMap(({ path, isWritable }) =>
    writable
      .filter((it) => isPathWithin(path, it.path))
      .map((it) => ({
        path,
        inside: posix.join(it.inside, path.slice(it.path.length)),
        isWritable
      }))
  )
  // By the length of their names inside, so that a grant of something in a guarded folder comes after the guard.
  return [...granted, ...guarded].toSorted((a, b) => a.inside.length - b.inside.length)
}

/** Where a path inside lies on this machine, or null for one that is the process's own, or not there. */
export function outsideOf(inside: string, seen: readonly Seen[]): string | null {
  const normal = posix.normalize(inside)
  const fitting = seen.filter((it) => isPathWithin(normal, it.inside))
  const best = fitting.toSorted((a, b) => b.inside.length - a.inside.length)[0]
  if (best === undefined) return null
  return posix.join(best.path, normal.slice(best.inside === '/' ? 0 : best.inside.length))
}

/** Where a path of this machine is seen inside, or null. */
export function insideOf(path: string, seen: readonly Seen[]): string | null {
  const fitting = seen.filter((it) => isPathWithin(path, it.path))
  const best = fitting.toSorted((a, b) => b.path.length - a.path.length)[0]
  return best === undefined ? null : posix.join(best.inside, path.slice(best.path.length))
}
