// What would run, as this machine sees it now: the program behind the name, the files that the arguments name,
// the folder. Two looks that differ in anything differ in what they return.

import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { open, realpath, stat } from 'node:fs/promises'
import { delimiter, isAbsolute, resolve } from 'node:path'
import { WeaverError } from '../core/index.ts'
import type { MachineView } from '../governance/index.ts'
import { SEEN_FILE_BYTES_MAX, SEEN_FILES_MAX } from './limits.ts'

type SeenFile = MachineView['files'][number]

export interface LookOptions {
  readonly cwd: string | null
  readonly environment: Readonly<Record<string, string>>
}

/**
 * `kernelPath` is the PATH that children of this kernel get.
 * @throws WeaverError `NODE_CANNOT_LOOK` for a file that is too large, or cannot be read
 */
export async function lookAtMachine(
  argv: readonly string[],
  { cwd, environment }: LookOptions,
  kernelPath: string
): Promise<MachineView> {
  const [program = '', ...rest] = argv
  const folders = (environment['PATH'] ?? kernelPath).split(delimiter)
  const files: SeenFile[] = []
  const found = await firstFile(program, folders, cwd)
  if (found !== null) files.push(found)
  // Scripts, inputs, configuration: whatever argument is a file now must be the same file then.
  for (const word of rest.slice(0, SEEN_FILES_MAX)) {
    const value = word.slice(word.startsWith('-') ? word.indexOf('=') + 1 : 0)
    const path = isAbsolute(value) ? value : cwd === null ? null : resolve(cwd, value)
    const file = path === null || value === '' ? null : await seen(path)
    if (file !== null) files.push(file)
  }
  return { files, cwd: cwd === null ? null : await folderOf(cwd) }
}

/** Where execvp(3) would find it. Null: nowhere, and it will not start. */
async function firstFile(
  program: string,
  folders: readonly string[],
  cwd: string | null
): Promise<SeenFile | null> {
  if (isAbsolute(program)) return seen(program)
  if (program.includes('/')) return cwd === null ? null : seen(resolve(cwd, program))
  for (const folder of folders) {
    const file = isAbsolute(folder) ? await seen(resolve(folder, program)) : null
    if (file !== null) return file
  }
  return null
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
async function seen(path: string): Promise<SeenFile | null> {
  let realPath: string
  try {
    realPath = await realpath(path)
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
