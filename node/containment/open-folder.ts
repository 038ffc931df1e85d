// A granted path, looked up once.

import { closeSync, constants, fstatSync, openSync, readlinkSync } from 'node:fs'
import { GrantRefusedError } from './errors.ts'

// Node names no O_PATH: the descriptor says where a folder is and reads nothing. The same on both machines.
const O_PATH = 0o10_000_000
const { O_NOFOLLOW } = constants

/** The folder or file at `path` itself: refused when a link is anywhere on the way to it. */
export function openFolder(path: string): number {
  let open: number
  try {
    open = openSync(path, O_PATH | O_NOFOLLOW)
  } catch {
    throw new GrantRefusedError(path, 'there is nothing of this name on this machine')
  }
  // What was opened, as the system names it: another name means that a link led here.
  const found = readlinkSync(`/proc/self/fd/${open}`)
  if (found === path && !fstatSync(open).isSymbolicLink()) return open
  closeSync(open)
  throw new GrantRefusedError(path, `it is a link, or lies behind one: grant ${found} itself`)
}
