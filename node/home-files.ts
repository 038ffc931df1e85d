// Small files that are there whole or not at all.

import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  unlinkSync,
  writeFileSync
} from 'node:fs'
import { dirname, resolve } from 'node:path'

/** Durable once it returns; mode 0600. A crash leaves the old file or the new one, and perhaps `<path>.new`. */
export function writeWhole(path: string, text: string | Uint8Array): void {
  const temporary = `${path}.new`
  unlinkIfThere(temporary) // What a crash left may have another mode.
  try {
    const descriptor = openSync(temporary, 'wx', 0o600)
    try {
      writeFileSync(descriptor, text)
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
    renameSync(temporary, path) // From here on the new file is what a crash leaves.
  } catch (error) {
    unlinkIfThere(temporary)
    throw error
  }
  syncFolderOf(path)
}

/** Gives a file another name, in place of what has it. Durable once it returns. */
export function renameWhole(from: string, to: string): void {
  renameSync(from, to)
  syncFolderOf(to)
}

function syncFolderOf(path: string): void {
  const folder = openSync(dirname(path), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

/**
 * Makes a folder and those above it, mode 0700. Returns the topmost one that it made, or null.
 * (`mkdir` with `recursive` never returns where the system answers ENOENT below a folder that exists,
 * as it does in /proc.)
 */
export function makeFolder(path: string): string | null {
  const missing: string[] = []
  for (let folder = resolve(path); !existsSync(folder); folder = dirname(folder)) {
    missing.unshift(folder)
  }
  for (const folder of missing) mkdirSync(folder, { mode: 0o700 })
  return missing[0] ?? null
}

export function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // Not there, or not ours to remove: whoever needs its absence will see.
  }
}
