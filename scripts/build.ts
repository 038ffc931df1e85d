// Makes dist/, the root of the package that is published: compiled rooms, the command, the built-in
// tools, and a package.json without what only developers need. `npm pack ./dist` makes the tarball.

import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { z } from 'zod'

const ROOT = resolve(import.meta.dirname, '..')
const DIST = join(ROOT, 'dist')
const ROOMS = [
  'core',
  'chain',
  'mesh',
  'sandbox-wasm',
  'governance',
  'agents',
  'scheduler',
  'node',
  'cli'
]
const PAGES = ['LICENSE', 'README.md', 'CHANGELOG.md', 'SECURITY.md']

const Dependencies = z.record(z.string(), z.string())
const Manifest = z.object({
  name: z.string(),
  version: z.string(),
  description: z.string(),
  license: z.string(),
  bin: z.record(z.string(), z.string()),
  type: z.literal('module'),
  dependencies: Dependencies,
  engines: Dependencies
})
const Lock = z.looseObject({
  lockfileVersion: z.literal(3),
  packages: z.record(z.string(), z.looseObject({ dev: z.boolean().optional() }))
})

const manifest = Manifest.parse(readJson('package.json'))
rmSync(DIST, { recursive: true, force: true })
execFileSync(join(ROOT, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.build.json'], {
  cwd: ROOT,
  stdio: 'inherit'
})
refuseUncompiledPaths()
copyAssets()
writeManifest()
writeShrinkwrap()

/** The compiler rewrites imports, but not a path in a string: `new URL('./worker.ts', ...)`. */
function refuseUncompiledPaths(): void {
  const strays = globSync('**/*.js', { cwd: DIST }).filter((file) =>
    /^(?!\s*(?:\/\/|\*|\/\*)).*['"`]\.{1,2}\/[^'"`\s]*\.ts['"`]/m.test(
      readFileSync(join(DIST, file), 'utf8')
    )
  )
  if (strays.length > 0) {
    throw new Error(
      `Cannot publish ${strays.join(', ')}: it names a .ts file, and none is published`
    )
  }
}

/** All that a room holds besides sources and its page: WASM, templates, plain JavaScript. */
function copyAssets(): void {
  const inRooms = ROOMS.flatMap((room) =>
    globSync(`${room}/**/*.{wasm,js,mjs,cjs,json,wit,sh,py,cedar,cedarschema,html,css}`, {
      cwd: ROOT
    })
  )
  const bin = globSync('bin/*.js', { cwd: ROOT })
  for (const file of [
    ...inRooms,
    ...bin,
    ...PAGES.filter((page) => existsSync(join(ROOT, page)))
  ]) {
    mkdirSync(dirname(join(DIST, file)), { recursive: true })
    cpSync(join(ROOT, file), join(DIST, file))
  }
  for (const file of bin) chmodSync(join(DIST, file), 0o755)
}

function writeManifest(): void {
  // What other programs may import: the types and the client of the control API, nothing deeper.
  const exports = {
    '.': { types: './node/api/index.d.ts', default: './node/api/index.js' },
    './package.json': './package.json'
  }
  const { type, description, ...own } = manifest
  writeJson('package.json', { ...own, description, type, exports })
}

/** The locked versions travel along, so that a user runs exactly what the tests ran. */
function writeShrinkwrap(): void {
  const { lockfileVersion, packages } = Lock.parse(readJson('package-lock.json'))
  const needed = Object.entries(packages).filter(([path, { dev }]) => path !== '' && dev !== true)
  const { name, version, license, bin, dependencies, engines } = manifest
  const own = { name, version, license, dependencies, bin, engines }
  writeJson('npm-shrinkwrap.json', {
    name,
    version,
    lockfileVersion,
    requires: true,
    packages: { '': own, ...Object.fromEntries(needed) }
  })
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(join(ROOT, file), 'utf8'))
}

function writeJson(file: string, value: unknown): void {
  writeFileSync(join(DIST, file), `${JSON.stringify(value, null, 2)}\n`)
}
