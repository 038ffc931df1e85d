// The policies of this home: `policy/*.cedar`. Whoever may write there decides everything, so a file that
// anybody else may write, or that is not a plain file of this user's, refuses the whole set.

import { lstat, open, readdir } from 'node:fs/promises'
import { constants } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { WeaverError } from '../core/index.ts'
import type { PolicySource } from '../governance/index.ts'
import { POLICY_FILE_BYTES_MAX, POLICY_FILES_MAX } from './limits.ts'

/** In the order of their names. Empty where there is no folder. @throws WeaverError `NODE_POLICY_FILE` */
export async function readPolicyFiles(folder: string): Promise<readonly PolicySource[]> {
  const names = await listed(folder)
  if (names.length > POLICY_FILES_MAX) {
    throw unusable(folder, `it has ${names.length} policies, at most ${POLICY_FILES_MAX}`)
  }
  return await Promise.all(
    names.map(async (name) => ({
      name: `home/${name}`,
      text: await readOwn(join(folder, name)),
      isBuiltIn: false
    }))
  )
}

async function listed(folder: string): Promise<readonly string[]> {
  try {
    const found = await lstat(folder)
    if (!found.isDirectory()) throw unusable(folder, 'it is no folder')
    refuseOthers(folder, found)
    return (await readdir(folder)).filter((name) => name.endsWith('.cedar')).toSorted()
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

/** Opened once, without following a link, and judged by what was opened. */
async function readOwn(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch(
    (error: unknown) => {
      throw unusable(path, error instanceof Error ? error.message : String(error))
    }
  )
  try {
    const found = await file.stat()
    if (!found.isFile()) throw unusable(path, 'it is no plain file')
    if (found.size > POLICY_FILE_BYTES_MAX) {
      throw unusable(path, `it has ${found.size} bytes, at most ${POLICY_FILE_BYTES_MAX}`)
    }
    refuseOthers(path, found)
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

function refuseOthers(path: string, found: { readonly uid: number; readonly mode: number }): void {
  const own = process.getuid?.() ?? found.uid
  if (found.uid !== own) throw unusable(path, `it belongs to user ${found.uid}, not to ${own}`)
  if ((found.mode & 0o022) !== 0) {
    throw unusable(path, `others may write it: run chmod go-w '${path}'`)
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

function unusable(path: string, why: string): WeaverError {
  return new WeaverError('NODE_POLICY_FILE', `Cannot use ${path} as policy: ${why}`)
}
