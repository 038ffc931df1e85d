// What would run, as this machine sees it now: the program behind the name, the files that the arguments name,
// the folder. Two looks that differ in anything differ in what they return.

import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { open, readlink, realpath, stat } from 'node:fs/promises'
import { delimiter, isAbsolute, join, resolve } from 'node:path'
import { parseGrant, WeaverError } from '../core/index.ts'
import type { Inside, MachineView } from '../governance/index.ts'
import { insideOf, outsideOf, PATH_INSIDE, seenInside } from './containment/index.ts'
import { SEEN_FILE_BYTES_MAX, SEEN_FILES_MAX } from './limits.ts'

type SeenFile = MachineView['files'][number]

/** Links one after the other: the number of Linux. */
const LINKS_MAX = 40

export interface LookOptions {
  readonly cwd: string | null
  readonly environment: Readonly<Record<string, string>>
  /** Null: it sees the machine as it is. */
  readonly inside: Inside | null
}

export interface LookDeps {
  /** The PATH that children of this kernel get that are not contained. */
  readonly kernelPath: string
  /** Of the image that is called so at this moment: names of images move. */
  readonly imageId: (image: string) => Promise<string>
}

/** How a command finds files by their names. */
interface Places {
  readonly search: readonly string[]
  /** Where relative names begin; null: in a fresh folder, where nothing is. */
  readonly start: string | null
  /** Where on this machine a path of its own lies; null: nowhere. */
  readonly outside: (path: string) => string | null
}

/**
 * What a command would run and read, looked up as it would look it up: a name may stand for another file inside than
 * on this machine.
 * @throws WeaverError `NODE_CANNOT_LOOK` for a file that is too large, or cannot be read; `CONTAINMENT_...`
 */
export async function lookAtMachine(
  argv: readonly string[],
  options: LookOptions,
  deps: LookDeps
): Promise<MachineView> {
  const [program = '', ...rest] = argv
  const { cwd, inside } = options
  // What is not there inside is looked for here: if it is meant to come there, it is from here.
  const all = [placesOf(options, deps.kernelPath)]
  if (inside !== null) all.push(placesOf({ ...options, inside: null }, deps.kernelPath))
  const files: SeenFile[] = []
  if (inside !== null && inside.image !== null) {
    const digest = await deps.imageId(inside.image)
    files.push({ path: `image ${inside.image}`, realPath: '', device: 0, inode: 0, digest })
  }
  const found = await firstOf(all, (places) => firstFile(program, places))
  if (found !== null) files.push(found)
  // Scripts, inputs, configuration: whatever argument is a file now must be the same file then.
  for (const word of rest.slice(0, SEEN_FILES_MAX)) {
    const value = word.slice(word.startsWith('-') ? word.indexOf('=') + 1 : 0)
    const file = value === '' ? null : await firstOf(all, (places) => seenAt(value, places))
    if (file !== null) files.push(file)
  }
  return { files, cwd: cwd === null ? null : await folderOf(cwd) }
}

async function firstOf(
  all: readonly Places[],
  look: (places: Places) => Promise<SeenFile | null>
): Promise<SeenFile | null> {
  for (const places of all) {
    const file = await look(places)
    if (file !== null) return file
  }
  return null
}

function placesOf({ cwd, environment, inside }: LookOptions, kernelPath: string): Places {
  const own = environment['PATH']
  if (inside === null) {
    const search = (own ?? kernelPath).split(delimiter)
    return { search, start: cwd, outside: (path) => path }
  }
  const shown = seenInside(inside.grants.map(parseGrant), inside.image !== null)
  const search = inside.image === null ? (own ?? PATH_INSIDE).split(delimiter) : []
  const start = cwd === null ? null : insideOf(cwd, shown)
  return { search, start, outside: (path) => outsideOf(path, shown) }
}

/** Where execvp(3) would find it. Null: nowhere, and it will not start. */
async function firstFile(program: string, places: Places): Promise<SeenFile | null> {
  if (program.includes('/')) return seenAt(program, places)
  for (const folder of places.search) {
    const file = isAbsolute(folder) ? await seenAt(resolve(folder, program), places) : null
    if (file !== null) return file
  }
  return null
}

async function seenAt(name: string, places: Places): Promise<SeenFile | null> {
  if (!isAbsolute(name) && places.start === null) return null
  const path = resolve(places.start ?? '/', name)
  const real = await followed(path, places)
  return real === null ? null : seen(path, real)
}

/** Where on this machine the file lies that the process finds there, after all links, which lead where it sees them lead. */
async function followed(path: string, { outside }: Places): Promise<string | null> {
  let at = '/'
  let left = namesIn(path)
  let links = 0
  while (left.length > 0) {
    const [name = '', ...rest] = left
    const next = join(at, name)
    const target = await linkAt(outside(next))
    if (target === null) {
      at = next
      left = rest
      continue
    }
    links += 1
    if (links > LINKS_MAX) return null // As the system has it.
    left = [...namesIn(resolve(at, target)), ...rest]
    at = '/'
  }
  return outside(at)
}

function namesIn(path: string): readonly string[] {
  return path.split('/').filter((name) => name !== '')
}

/** Null for what is no link, or not of this machine. */
async function linkAt(path: string | null): Promise<string | null> {
  if (path === null) return null
  try {
    return await readlink(path)
  } catch {
    return null // No link, or not there: then it is not there at the end either.
  }
}

async function folderOf(cwd: string): Promise<MachineView['cwd']> {
  try {
    const realPath = await realpath(cwd)
    const { dev, ino } = await stat(realPath)
    return { realPath, device: dev, inode: ino }
  } catch (error) {
    throw cannot(cwd, error instanceof Error ? error.message : String(error))
  }
}

/** Null where there is no plain file. */
async function seen(path: string, realPath: string): Promise<SeenFile | null> {
  try {
    if (!(await stat(realPath)).isFile()) return null
  } catch {
    return null // Nothing there, or nothing that this user may see: it is no file for us.
  }
  // One descriptor for all that is said of it, so that nothing changes between two questions.
  const file = await open(realPath, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => null)
  if (file === null) {
    // A program that may be run and not read: told by its inode and times alone.
    const { dev, ino, ctimeMs } = await stat(realPath)
    return { path, realPath, device: dev, inode: ino, digest: `unreadable, changed ${ctimeMs}` }
  }
  try {
    const found = await file.stat()
    if (found.size > SEEN_FILE_BYTES_MAX) {
      throw cannot(path, `it has ${found.size} bytes, at most ${SEEN_FILE_BYTES_MAX}`)
    }
    const hash = createHash('shake256', { outputLength: 32 })
    for await (const chunk of file.createReadStream({ autoClose: false })) hash.update(chunk)
    const digest = hash.digest('hex')
    return { path, realPath, device: found.dev, inode: found.ino, digest }
  } finally {
    await file.close()
  }
}

function cannot(path: string, why: string): WeaverError {
  return new WeaverError('NODE_CANNOT_LOOK', `Cannot look at ${path} for an approval: ${why}`)
}
