// Looks through the folders that a process may write for traps (see traps.ts): before it starts, to close what is
// there, and when it has ended, to tell what is new. Follows no link. Names alone are read, never contents.

import { lstat, readdir, readlink } from 'node:fs/promises'
import type { Dirent } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { isPathWithin } from '../../core/index.ts'
import type { Grant } from '../../core/index.ts'
import { GrantRefusedError } from './errors.ts'
import { GUARDS_MAX, LOOK_DEPTH, LOOK_FOLDERS_MAX } from './limits.ts'
import type { Guard } from './ports.ts'
import { isGitFolder, trapKind } from './traps.ts'
import type { Place } from './traps.ts'

export interface WorkspaceLook {
  readonly guards: readonly Guard[]
  readonly places: ReadonlyMap<string, Place>
}

export const NOTHING_SEEN: WorkspaceLook = { guards: [], places: new Map() }

/** Folders of others' making, or of machines': too many names, and nothing in them is obeyed by where it lies. */
const PASSED_OVER: ReadonlySet<string> = new Set(['node_modules', '.venv', 'objects', 'target'])
/** Of a git folder: other git folders lie there. */
const IN_GIT: ReadonlySet<string> = new Set(['modules', 'worktrees'])

interface Folder {
  readonly path: string
  readonly root: string
  readonly depth: number
  readonly isGit: boolean
}

/** Of all that these grants let be written. Never rejects: what cannot be read is not there. */
export async function lookAtWorkspaces(grants: readonly Grant[]): Promise<WorkspaceLook> {
  const roots = writableOf(grants)
  if (roots.length === 0) return NOTHING_SEEN
  const places = new Map<string, Place>()
  const guards = new Map<string, Guard>()
  let next: Folder[] = roots.map((root) => ({ path: root, root, depth: 0, isGit: false }))
  for (let left = LOOK_FOLDERS_MAX; next.length > 0 && left > 0; left -= next.length) {
    const found = await Promise.all(next.slice(0, left).map((folder) => lookAt(folder)))
    for (const seen of found) {
      for (const [path, place] of seen.places) places.set(path, place)
      for (const guard of seen.guards) guards.set(guard.path, guard)
    }
    next = found.flatMap(({ below }) => below)
  }
  for (const root of roots) guards.delete(root) // What is granted by its own name is granted (R1).
  return { guards: [...guards.values()], places }
}

/** @throws WeaverError `CONTAINMENT_GRANT_REFUSED` when more would have to be closed than can be */
export function checkGuards({ guards }: WorkspaceLook, grants: readonly Grant[]): void {
  if (guards.length <= GUARDS_MAX) return
  const why = `it holds ${guards.length} files and folders that tools obey, and at most ${GUARDS_MAX} can be closed: grant a folder below it`
  throw new GrantRefusedError(`fs.write:${writableOf(grants)[0] ?? ''}`, why)
}

function writableOf(grants: readonly Grant[]): readonly string[] {
  const paths = grants.flatMap((grant) => (grant.kind === 'fs.write' ? [grant.path] : []))
  return [...new Set(paths)]
}

interface Seen {
  readonly places: ReadonlyMap<string, Place>
  readonly guards: readonly Guard[]
  readonly below: readonly Folder[]
}

async function lookAt(folder: Folder): Promise<Seen> {
  const places = new Map<string, Place>()
  const guards: Guard[] = []
  const below: Folder[] = []
  const entries = await entriesOf(folder.path)
  const isGit = folder.isGit || isGitFolder(new Set(entries.map(({ name }) => name)))
  const here = { name: basename(folder.path), isGit }
  for (const entry of entries) {
    const path = join(folder.path, entry.name)
    const kind = trapKind(entry.name, here)
    if (entry.isSymbolicLink()) {
      const place = kind === null ? await linkPlace(path, folder.root) : await placeOf(path, kind)
      if (place !== null) places.set(path, place)
      continue // A link cannot be closed: what it is, is noticed.
    }
    const isOwnGit = entry.name.toLowerCase() === '.git' && entry.isDirectory()
    if (kind === 'closed') guards.push({ path, isWritable: isOwnGit })
    const place = kind === null ? null : await placeOf(path, kind, isOwnGit)
    if (place !== null) places.set(path, place)
    if (!entry.isDirectory() || (kind === 'closed' && !isOwnGit)) continue
    if (isEntered(entry, folder, isGit, isOwnGit)) {
      const depth = isGit || isOwnGit ? folder.depth : folder.depth + 1
      below.push({ path, root: folder.root, depth, isGit: isOwnGit })
    }
  }
  return { places, guards, below }
}

function isEntered(entry: Dirent, folder: Folder, isGit: boolean, isOwnGit: boolean): boolean {
  if (isOwnGit) return true
  if (isGit) return IN_GIT.has(entry.name)
  // Submodules of submodules: as deep as they go, within the bound of all folders.
  if (IN_GIT.has(basename(folder.path)) && folder.path.includes('.git')) return true
  return folder.depth < LOOK_DEPTH && !PASSED_OVER.has(entry.name)
}

async function entriesOf(path: string): Promise<readonly Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true })
  } catch {
    return [] // A file that is granted by itself, closed to this user, or gone.
  }
}

/** A git folder's own time changes with every commit: that it is there is what counts. */
async function placeOf(path: string, kind: Place['kind'], isOwnGit = false): Promise<Place | null> {
  try {
    const { ino, size, ctimeNs, mode } = await lstat(path, { bigint: true })
    return { kind, mark: isOwnGit ? `git ${ino}` : `${mode} ${ino} ${size} ${ctimeNs}` }
  } catch {
    return null // It has gone meanwhile.
  }
}

/** Null for one that stays within. Where it leads is taken from its text: it is not followed. */
async function linkPlace(path: string, root: string): Promise<Place | null> {
  try {
    const target = await readlink(path)
    const isWithin = isPathWithin(resolve(dirname(path), target), root)
    return isWithin ? null : { kind: 'link', mark: target }
  } catch {
    return null
  }
}
