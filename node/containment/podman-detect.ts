// Whether this machine can run containers by podman, and how: found out by running one made of its own programs.

import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { installCommand } from './detect.ts'
import type { Absent } from './detect.ts'
import { PODMAN_TIMEOUT_MS } from './limits.ts'

/** How podman works here. */
export interface PodmanWay {
  readonly program: string
  readonly version: string
  /** What it needs before its verb. */
  readonly global: readonly string[]
  readonly ulimits: readonly string[]
  /** The control groups in which it can hold limits. */
  readonly controllers: readonly string[]
}

export type FoundPodman = (PodmanWay & { readonly name: 'podman' }) | Absent

/** Debian's crun neither runs beside both versions of control groups nor without the right to raise limits. */
const WAYS: readonly Pick<PodmanWay, 'global' | 'ulimits'>[] = [
  { global: [], ulimits: [] },
  {
    global: ['--runtime=runc'],
    ulimits: ['--ulimit=nofile=1024:1024', '--ulimit=nproc=4096:4096']
  }
]
const FOLDERS = ['/usr/bin', '/usr/local/bin', '/opt/podman/bin']
const SYSTEM = ['/usr', '/bin', '/lib', '/lib64']

const information = z.object({
  version: z.object({ Version: z.string() }),
  host: z.object({
    cgroupVersion: z.string(),
    cgroupControllers: z.array(z.string()).nullable(),
    security: z.object({ rootless: z.boolean() })
  })
})

export async function detectPodman(
  platform: NodeJS.Platform,
  environment: Readonly<Record<string, string>>
): Promise<FoundPodman> {
  if (platform !== 'linux') {
    return absent('images are run on Linux only', 'use a Linux machine')
  }
  const program = FOLDERS.map((folder) => join(folder, 'podman')).find((path) => existsSync(path))
  if (program === undefined) return absent('podman is not installed', installCommand('podman'))
  const told = await podman(program, ['info', '--format', 'json'], environment)
  const info = informationOf(told.stdout)
  if (info === null) return absent(`podman does not work: ${lastLine(told.text)}`, 'podman info')
  const { cgroupVersion, cgroupControllers, security } = info.host
  // As an ordinary user it holds no limits in version 1, and only warns.
  const isHeld = cgroupVersion !== 'v1' || !security.rootless
  const controllers = isHeld ? (cgroupControllers ?? []) : []
  const rootfs = mkdtempSync(join(tmpdir(), 'weaver-podman-'))
  try {
    let why = ''
    for (const way of WAYS) {
      const { isDone, text } = await podman(program, trial(way, rootfs), environment)
      const { Version: version } = info.version
      if (isDone) return { name: 'podman', program, version, controllers, ...way }
      why = lastLine(text)
    }
    return absent(`podman does not work: ${why}`, installCommand('podman runc'))
  } finally {
    rmSync(rootfs, { recursive: true, force: true })
  }
}

function trial(way: Pick<PodmanWay, 'global' | 'ulimits'>, rootfs: string): readonly string[] {
  const shown = SYSTEM.filter((path) => existsSync(path)).map(
    (path) => `--volume=${path}:${path}:ro`
  )
  const walls = ['--rm', '--network=none', '--cap-drop=all', '--log-driver=none']
  const run = [...way.global, 'run', ...walls, ...way.ulimits, ...shown]
  return [...run, '--rootfs', rootfs, '/usr/bin/true']
}

function absent(why: string, fix: string): Absent {
  return { name: null, why, fix }
}

function informationOf(text: string): z.infer<typeof information> | null {
  try {
    return information.parse(JSON.parse(text))
  } catch {
    return null // What it said instead is told.
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.slice(0, 200) ?? ''
}

/** What podman finds its own files by: of whoever runs the kernel, nothing of a requester. */
export function podmanEnvironment(
  own: Readonly<Record<string, string | undefined>>
): Record<string, string> {
  const names = ['HOME', 'XDG_RUNTIME_DIR', 'XDG_CONFIG_HOME', 'XDG_DATA_HOME']
  names.push('CONTAINERS_CONF', 'CONTAINERS_STORAGE_CONF', 'DBUS_SESSION_BUS_ADDRESS')
  const environment: Record<string, string> = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  }
  for (const name of names) {
    const value = own[name]
    if (value !== undefined) environment[name] = value
  }
  return environment
}

export interface PodmanAnswer {
  readonly isDone: boolean
  /** Null: it did not end by itself. */
  readonly code: number | null
  readonly stdout: string
  readonly text: string
}

/** Runs podman to its end. Never rejects. */
export function podman(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>
): Promise<PodmanAnswer> {
  const { promise, resolve } = Promise.withResolvers<PodmanAnswer>()
  const options = { timeout: PODMAN_TIMEOUT_MS, env, cwd: '/' }
  execFile(program, [...args], options, (error, stdout, stderr) => {
    const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null
    const said = `${stdout}${stderr}`
    resolve({ isDone: code === 0, code, stdout, text: said === '' ? (error?.message ?? '') : said })
  })
  return promise
}
