// The /etc of contained processes: a copy of the few names that programs need. One mount shows it, where each name
// bound by itself would cost a mount at every start. It is some hundred files, which take longer to remove than a
// kernel takes to start: a copy stays for the next start, as long as nothing has changed of what it was made of.

import { hash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import type { BigIntStats } from 'node:fs'
import { dirname, join } from 'node:path'
import { ETC_NAMES } from './view.ts'

const KEPT = { verbatimSymlinks: true }

/** Brings `folder` up to date with what `source` holds now. What this user may not read is left out. */
export function copiedEtc(folder: string, source: string = '/etc'): string {
  const mark = `${folder}.made-of`
  const present = signOf(source)
  if (existsSync(folder) && existsSync(mark) && readFileSync(mark, 'utf8') === present) {
    return folder
  }
  // Without its mark a copy that was begun is no copy: the next start makes it anew.
  rmSync(mark, { force: true })
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  for (const name of ETC_NAMES) {
    const from = join(source, name)
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
  writeFileSync(mark, present, { mode: 0o600 })
  return folder
}

/** `/etc/localtime` and `/etc/os-release` are links into /usr, which is there inside. */
function leadsIntoSystem(path: string): boolean {
  return lstatSync(path).isSymbolicLink() && realpathSync(path).startsWith('/usr/')
}

/** Changes with each change of what would be copied: of bytes, of rights, of where a link leads. */
function signOf(source: string): string {
  const lines = [`user ${process.getuid?.() ?? ''}`]
  for (const name of ETC_NAMES) describe(join(source, name), lines)
  return hash('sha256', lines.join('\n'))
}

function describe(path: string, lines: string[]): void {
  const found = lstatSync(path, { bigint: true, throwIfNoEntry: false })
  if (found === undefined) return
  lines.push(`${path} ${stateOf(found)}`)
  try {
    if (found.isSymbolicLink()) lines.push(stateOf(statSync(path, { bigint: true })))
    if (!found.isDirectory()) return
    for (const name of readdirSync(path).toSorted()) describe(join(path, name), lines)
  } catch {
    lines.push('closed to this user, or a link to nothing')
  }
}

/** The time of the last change of a file cannot be set by whoever changes it. */
function stateOf({ ino, mode, size, ctimeNs }: BigIntStats): string {
  return `${ino} ${mode} ${size} ${ctimeNs}`
}
