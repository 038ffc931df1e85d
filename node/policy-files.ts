// The policies of this home: `policy/*.cedar`. Whoever may write there decides everything, so a file that
// anybody else may write, or that is not a plain file of this user's, refuses the whole set.

import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync
} from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { WeaverError } from '../core/index.ts'
import type { PolicySource } from '../governance/index.ts'
import { POLICY_FILE_BYTES_MAX, POLICY_FILES_MAX } from './limits.ts'

/** In the order of their names. Empty where there is no folder. @throws WeaverError `NODE_POLICY_FILE` */
export function readPolicyFiles(folder: string): readonly PolicySource[] {
  const names = listed(folder)
  if (names.length > POLICY_FILES_MAX) {
    throw unusable(folder, `it has ${names.length} policies, at most ${POLICY_FILES_MAX}`)
  }
  return names.map((name) => ({
    name: `home/${name}`,
    text: readOwn(join(folder, name)),
    isBuiltIn: false
  }))
}

/** The lock of this home's policies, or null where there is none. @throws WeaverError `NODE_POLICY_FILE` */
export function readLock(folder: string): string | null {
  const path = lockPath(folder)
  return existsSync(path) ? readOwn(path) : null
}

export function lockPath(folder: string): string {
  return join(folder, 'weft.lock.json')
}

function listed(folder: string): readonly string[] {
  if (!existsSync(folder)) return []
  const found = lstatSync(folder)
  if (!found.isDirectory()) throw unusable(folder, 'it is no folder')
  refuseOthers(folder, found)
  return readdirSync(folder)
    .filter((name) => name.endsWith('.cedar'))
    .toSorted()
}

/** Opened once, without following a link, and judged by what was opened. */
function readOwn(path: string): string {
  const file = opened(path)
  try {
    const found = fstatSync(file)
    if (!found.isFile()) throw unusable(path, 'it is no plain file')
    if (found.size > POLICY_FILE_BYTES_MAX) {
      throw unusable(path, `it has ${found.size} bytes, at most ${POLICY_FILE_BYTES_MAX}`)
    }
    refuseOthers(path, found)
    return readFileSync(file, 'utf8')
  } finally {
    closeSync(file)
  }
}

function opened(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    throw unusable(path, error instanceof Error ? error.message : String(error))
  }
}

function refuseOthers(path: string, found: { readonly uid: number; readonly mode: number }): void {
  const own = process.getuid?.() ?? found.uid
  if (found.uid !== own) throw unusable(path, `it belongs to user ${found.uid}, not to ${own}`)
  if ((found.mode & 0o022) !== 0) {
    throw unusable(path, `others may write it: run chmod go-w '${path}'`)
  }
}

function unusable(path: string, why: string): WeaverError {
  return new WeaverError('NODE_POLICY_FILE', `Cannot use ${path} as policy: ${why}`)
}
