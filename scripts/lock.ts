// Refreshes package-lock.json after package.json has changed, and completes it.
//
//   npm run lock
//
// A published package names its builds for other platforms as exact, optional dependencies. A registry
// that does not carry one of them makes npm leave it out of the lock file, and `npm ci` then refuses that
// file everywhere, also where the build exists. So each one that is missing is named in the lock without
// a hash, with the platform that its own name says: what the file looks like on a complete registry.

import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import process, { stdout } from 'node:process'

interface LockedPackage {
  readonly version?: string
  readonly dev?: boolean
  readonly optional?: boolean
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

interface Lock {
  readonly packages: Record<string, LockedPackage>
}

const FILE = 'package-lock.json'
const SYSTEMS = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'openharmony', 'sunos', 'win32']
const PROCESSORS = ['arm64', 'arm', 'ia32', 'loong64', 'ppc64', 'riscv64', 's390x', 'x64', 'wasm32']

const refreshed = spawnSync('npm', ['install', '--package-lock-only', '--ignore-scripts'], {
  stdio: 'inherit'
})
if (refreshed.status !== 0) process.exit(refreshed.status ?? 1)
const lock: unknown = JSON.parse(readFileSync(FILE, 'utf8'))
if (!isLock(lock)) throw new Error(`Cannot read ${FILE}: it has no 'packages'`)
const added = complete(lock)
if (added.length > 0) writeFileSync(FILE, `${JSON.stringify(lock, null, 2)}\n`)
stdout.write(`lock: named ${added.length} builds for other platforms\n`)

function isLock(value: unknown): value is Lock {
  return typeof value === 'object' && value !== null && 'packages' in value
}

/** Adds what is missing, sorted as npm sorts, and returns their names. */
function complete({ packages }: Lock): readonly string[] {
  const missing: string[] = []
  for (const owner of Object.values(packages)) {
    for (const [name, version] of Object.entries(owner.optionalDependencies ?? {})) {
      const path = `node_modules/${name}`
      if (!/^\d+\.\d+\.\d+/.test(version) || packages[path] !== undefined) continue
      const isDev = owner.dev === true
      packages[path] = { version, optional: true, ...(isDev && { dev: true }), ...platformOf(name) }
      missing.push(name)
    }
  }
  const sorted = Object.entries(packages).toSorted(([a], [b]) => a.localeCompare(b, 'en'))
  for (const path of Object.keys(packages)) delete packages[path]
  Object.assign(packages, Object.fromEntries(sorted))
  return missing
}

/** npm's `os`, `cpu` and `libc`, of a name such as `@oxc-parser/binding-linux-x64-musl`. */
function platformOf(name: string): Readonly<Record<string, readonly string[]>> {
  const words = name.split(/[/-]/)
  const os = SYSTEMS.filter((system) => words.includes(system))
  const cpu = PROCESSORS.filter((processor) => words.includes(processor))
  const libc = words.some((word) => word.startsWith('musl'))
    ? ['musl']
    : words.some((word) => word.startsWith('gnu'))
      ? ['glibc']
      : []
  return {
    ...(os.length > 0 ? { os } : {}),
    ...(cpu.length > 0 ? { cpu } : {}),
    ...(libc.length > 0 ? { libc } : {})
  }
}
