// What no grant may show (V2), whatever it is called: a link, a mount and a system that does not tell capitals from
// small letters give one folder several names.

import { readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname, posix } from 'node:path'
import { formatGrant, isPathWithin } from '../../core/index.ts'
import type { Grant } from '../../core/index.ts'
import { GrantRefusedError } from './errors.ts'
import { grantedView } from './view.ts'
import type { Seen } from './view.ts'

/**
 * The folders that path grants show, parents before children, none of them a part or a parent of a closed one.
 * @throws WeaverError `CONTAINMENT_GRANT_REFUSED`
 */
export function grantedFolders(grants: readonly Grant[], closedPaths: readonly string[]): Seen[] {
  const paths = grants.flatMap((grant) =>
    grant.kind === 'fs.read' || grant.kind === 'fs.write' ? [grant] : []
  )
  if (paths.length === 0) return []
  const seen = grantedView(paths, closedNames(closedPaths))
  for (const grant of paths) refuseSame(grant, closedPaths)
  return seen
}

/** All names that this machine has for these folders now. */
export function closedNames(closedPaths: readonly string[]): readonly string[] {
  const mounts = mountsHere()
  return closedPaths.flatMap((path) => [path, ...namesOf(realOf(path), mounts)])
}

/** One line of /proc/self/mountinfo: what of which file system is seen where. */
interface Mount {
  readonly device: string
  readonly root: string
  readonly point: string
}

export function parseMounts(text: string): readonly Mount[] {
  return text.split('\n').flatMap((line) => {
    const [, , device, root, point] = line.split(' ')
    if (device === undefined || root === undefined || point === undefined) return []
    return [{ device, root: unescaped(root), point: unescaped(point) }]
  })
}

/** Where else mounts show this folder, a part of it, or what is mounted in it. */
export function namesOf(path: string, mounts: readonly Mount[]): readonly string[] {
  const around = mounts.filter(({ point }) => isPathWithin(path, point))
  // Of two at one place the later one is seen.
  const own = around.reduce<Mount | null>(
    (best, mount) => (best === null || mount.point.length >= best.point.length ? mount : best),
    null
  )
  const within = mounts.filter(({ point }) => isPathWithin(point, path))
  const shown = [
    ...(own === null ? [] : [{ device: own.device, place: moved(path, own.point, own.root) }]),
    ...within.map(({ device, root }) => ({ device, place: root }))
  ]
  const names = shown.flatMap(({ device, place }) =>
    mounts.flatMap((mount) => {
      if (mount.device !== device) return []
      if (isPathWithin(place, mount.root)) return [moved(place, mount.root, mount.point)]
      return isPathWithin(mount.root, place) ? [mount.point] : []
    })
  )
  return [...new Set([path, ...names])]
}

/** The same path with `from` at its beginning replaced. */
function moved(path: string, from: string, to: string): string {
  const joined = posix.join(to, path.slice(from === '/' ? 0 : from.length))
  return joined.length > 1 ? joined.replace(/\/$/, '') : joined
}

function unescaped(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8))
  )
}

function mountsHere(): readonly Mount[] {
  try {
    return parseMounts(readFileSync('/proc/self/mountinfo', 'utf8'))
  } catch {
    return [] // Not on this system.
  }
}

function realOf(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path // It is not there.
  }
}

/** By what it is, not by its name. */
function refuseSame(grant: Extract<Grant, { path: string }>, closedPaths: readonly string[]): void {
  const granted = marksUpFrom(grant.path)
  for (const closed of closedPaths) {
    const home = marksUpFrom(realOf(closed))
    const isPart = isAmong(home[0], granted)
    if (isPart || isAmong(granted[0], home)) {
      throw new GrantRefusedError(formatGrant(grant), `${closed} is this weaver's own home`)
    }
  }
}

/** Of the path, and of all above it but the root, which no grant names. */
function marksUpFrom(path: string): readonly (string | null)[] {
  const above = dirname(path)
  return above === path ? [] : [markOf(path), ...marksUpFrom(above)]
}

/** What is not there is like nothing else. */
function isAmong(mark: string | null | undefined, marks: readonly (string | null)[]): boolean {
  return typeof mark === 'string' && marks.includes(mark)
}

function markOf(path: string): string | null {
  try {
    const { dev, ino } = statSync(path, { bigint: true })
    return `${dev} ${ino}`
  } catch {
    return null // It is not there, or closed to this user: it will not be opened either.
  }
}
