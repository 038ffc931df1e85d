// The /etc of contained processes: a copy of the few names that programs need, made once at kernel start.
// One mount shows it, where each name bound by itself would cost a mount at every start.

import { cpSync, lstatSync, mkdirSync, realpathSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ETC_NAMES } from './view.ts'

const KEPT = { verbatimSymlinks: true }

/** Fills `folder` anew, and returns it. What this user may not read is left out. */
export function copiedEtc(folder: string): string {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  for (const name of ETC_NAMES) {
    const from = join('/etc', name)
    if (lstatSync(from, { throwIfNoEntry: false }) === undefined) continue
    const to = join(folder, name)
    mkdirSync(dirname(to), { recursive: true, mode: 0o755 })
    try {
      // A link that leads into the system stays one; any other could lead to what is not to be seen.
      const isKept = lstatSync(from).isDirectory() || leadsIntoSystem(from)
      cpSync(from, to, { recursive: true, ...(isKept ? KEPT : { dereference: true }) })
    } catch {
      // Closed to this user, or a link to nothing.
    }
  }
  return folder
}

/** `/etc/localtime` and `/etc/os-release` are links into /usr, which is there inside. */
function leadsIntoSystem(path: string): boolean {
  return lstatSync(path).isSymbolicLink() && realpathSync(path).startsWith('/usr/')
}
