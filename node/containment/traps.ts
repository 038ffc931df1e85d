// Traps: what lies in a folder that a contained process may write, and what its owner's own tools obey later,
// outside, without being asked. By names alone: pure.
//
// Invariants
//   R1. What a tool obeys by itself (git's configuration and hooks, shells' and editors' start files) and is there
//       already is never writable by a grant of the folder around it: only by a grant that names it.
//   R2. What is obeyed only when somebody runs it (a build file, a package's scripts) stays writable: to write it
//       is the work of many agents. A change of it is shown.
//   R3. A git folder that is there cannot be moved away to make room for another.

import { posix } from 'node:path'
import { isPathWithin } from '../../core/index.ts'

/** `closed`: R1. `shown`: R2. `null`: nothing obeys it. */
export type TrapKind = 'closed' | 'shown'

/** Files and folders of these names, wherever they lie. Compared in lower case: some file systems do not care. */
const CLOSED: ReadonlySet<string> = new Set([
  // Shells, and what starts with each of them.
  '.bashrc',
  '.bash_profile',
  '.bash_login',
  '.bash_logout',
  '.bash_aliases',
  '.profile',
  '.zshrc',
  '.zshenv',
  '.zprofile',
  '.zlogin',
  '.zlogout',
  '.inputrc',
  '.tmux.conf',
  '.envrc',
  '.direnvrc',
  '.mise.toml',
  'mise.toml',
  // Version control and its hooks.
  '.gitconfig',
  '.githooks',
  '.husky',
  '.hgrc',
  // Editors, their tasks and extensions; agents that an editor starts.
  '.vscode',
  '.idea',
  '.fleet',
  '.zed',
  '.devcontainer',
  '.vimrc',
  '.exrc',
  '.nvimrc',
  '.nvim.lua',
  '.emacs',
  '.emacs.d',
  '.dir-locals.el',
  '.claude',
  '.cursor',
  '.mcp.json',
  // Tools that read a file of theirs in the working folder.
  '.npmrc',
  '.yarnrc',
  '.yarnrc.yml',
  '.pnpmfile.cjs',
  '.cargo',
  '.gdbinit',
  '.lldbinit',
  '.curlrc',
  '.wgetrc',
  '.ripgreprc',
  '.pypirc',
  '.netrc',
  '.ssh',
  '.gnupg'
])

/** Below `.config` and `.local` of a home folder. */
const CLOSED_BELOW: Readonly<Record<string, ReadonlySet<string>>> = {
  '.config': new Set(['autostart', 'environment.d', 'fish', 'git', 'nvim', 'systemd']),
  '.local': new Set(['bin'])
}

/** Of a git folder: what makes git run something, or look elsewhere for what it runs. */
const CLOSED_IN_GIT: ReadonlySet<string> = new Set([
  'config',
  'config.worktree',
  'hooks',
  'commondir',
  'gitdir'
])

const SHOWN: ReadonlySet<string> = new Set([
  'package.json',
  'makefile',
  'gnumakefile',
  'justfile',
  '.justfile',
  'taskfile.yml',
  'rakefile',
  'gruntfile.js',
  'gulpfile.js',
  'cmakelists.txt',
  'build.gradle',
  'build.gradle.kts',
  'build.rs',
  'pom.xml',
  'setup.py',
  'pyproject.toml',
  'conftest.py',
  'tox.ini',
  'noxfile.py',
  'dockerfile',
  'docker-compose.yml',
  'compose.yaml',
  'vagrantfile',
  'flake.nix',
  'shell.nix',
  '.bazelrc',
  '.pre-commit-config.yaml',
  '.gitmodules',
  '.gitattributes',
  '.gitlab-ci.yml',
  '.circleci',
  '.github'
])

/** Folders of which every file is one. */
const SHOWN_BELOW: ReadonlySet<string> = new Set(['workflows', '.circleci'])

/** What stands in a folder, by the names in it and the name that it has itself. */
export interface FolderNames {
  readonly name: string
  readonly isGit: boolean
}

export function trapKind(name: string, folder: FolderNames): TrapKind | null {
  const lower = name.toLowerCase()
  if (folder.isGit) return CLOSED_IN_GIT.has(lower) ? 'closed' : null
  if (lower === '.git' || CLOSED.has(lower)) return 'closed'
  if (CLOSED_BELOW[folder.name.toLowerCase()]?.has(lower) === true) return 'closed'
  return SHOWN.has(lower) || SHOWN_BELOW.has(folder.name.toLowerCase()) ? 'shown' : null
}

/** Whether git takes a folder with these names for its own: a bare one and those of submodules and worktrees too. */
export function isGitFolder(names: ReadonlySet<string>): boolean {
  if (!names.has('HEAD')) return false
  return names.has('commondir') || (names.has('objects') && names.has('refs'))
}

/** What a place was when it was looked at. The system sets `changed`, so nobody can put it back. */
export interface Place {
  readonly kind: TrapKind | 'link'
  readonly mark: string
}

export interface TrapChange {
  readonly path: string
  readonly what: 'new' | 'changed' | 'gone'
  readonly kind: Place['kind']
}

/** What is another than before, by path; links count only when they are new, or lead elsewhere. */
export function trapChanges(
  before: ReadonlyMap<string, Place>,
  after: ReadonlyMap<string, Place>
): readonly TrapChange[] {
  const changes: TrapChange[] = []
  const fresh: string[] = []
  for (const [path, { kind, mark }] of [...after].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const old = before.get(path)
    if (old?.mark === mark) continue
    // Of what is new as a whole, its name is enough.
    if (fresh.some((folder) => isPathWithin(path, folder))) continue
    if (old === undefined) fresh.push(path)
    changes.push({ path, what: old === undefined ? 'new' : 'changed', kind })
  }
  for (const [path, { kind }] of before) {
    if (!after.has(path) && kind === 'closed') changes.push({ path, what: 'gone', kind })
  }
  return changes.toSorted((a, b) => (a.path < b.path ? -1 : 1))
}

/** One sentence for whoever asked for the process. Paths are a guest's words: shown without what steers a terminal. */
export function trapNote(changes: readonly TrapChange[], charactersMax: number): string | null {
  if (changes.length === 0) return null
  const closedFirst = changes.toSorted((a, b) => rank(a) - rank(b))
  const folder = commonFolder(changes.map(({ path }) => path))
  let note = `tools obey what it changed in ${printable(folder)}; look before you use them there:`
  for (const [index, { path, what, kind }] of closedFirst.entries()) {
    const link = kind === 'link' ? ' link out of it' : ''
    const name = printable(path.slice(folder === '/' ? 1 : folder.length + 1))
    const part = ` ${name} (${what}${link})${index + 1 < closedFirst.length ? ',' : ''}`
    const rest = ` and ${closedFirst.length - index} more`
    if (note.length + part.length + rest.length > charactersMax) return note + rest
    note += part
  }
  return note
}

/** The innermost folder that all of them lie in. */
function commonFolder(paths: readonly string[]): string {
  let folder = posix.dirname(paths[0] ?? '/')
  while (folder !== '/' && !paths.every((path) => path.startsWith(`${folder}/`))) {
    folder = posix.dirname(folder)
  }
  return folder
}

function rank({ kind }: TrapChange): number {
  return ['closed', 'link', 'shown'].indexOf(kind)
}

function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, '?')
}
