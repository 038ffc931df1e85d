// Which containment this machine has, found out by trying it: a program that is there may still not work,
// where the system forbids user namespaces to ordinary users.

import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PROBE_TIMEOUT_MS } from './limits.ts'
import { seccompFilter } from './seccomp.ts'

export interface Detected {
  readonly name: 'bubblewrap' | 'sandbox-exec'
  readonly program: string
  readonly version: string
  /** Of bubblewrap: whether it can show an open folder. */
  readonly canBindOpen: boolean
}

export interface Absent {
  readonly name: null
  readonly why: string
  /** The command that mends it. */
  readonly fix: string
}

const FOLDERS = ['/usr/bin', '/usr/local/bin', '/bin', '/run/current-system/sw/bin']
/** As little as proves it: every namespace that containment uses, and a program. */
const TRIAL = [
  '--unshare-user',
  '--unshare-pid',
  '--unshare-ipc',
  '--unshare-uts',
  '--unshare-net',
  '--die-with-parent',
  '--ro-bind',
  '/',
  '/',
  '--proc',
  '/proc',
  '--dev',
  '/dev',
  '/bin/sh',
  '-c',
  ':'
]

export async function detectContainment(
  platform: NodeJS.Platform,
  arch: string
): Promise<Detected | Absent> {
  if (platform === 'darwin') return detectSeatbelt()
  if (platform !== 'linux') {
    return { name: null, why: `there is none for ${platform}`, fix: 'use Linux or macOS' }
  }
  if (seccompFilter(arch) === null) {
    return { name: null, why: `there is no seccomp filter for ${arch}`, fix: 'use x64 or arm64' }
  }
  const program = FOLDERS.map((folder) => join(folder, 'bwrap')).find((path) => existsSync(path))
  if (program === undefined) {
    return { name: null, why: 'bubblewrap is not installed', fix: installCommand('bubblewrap') }
  }
  const trial = await ran(program, TRIAL)
  if (!trial.isDone) return { name: null, ...explained(trial.text) }
  const [help, version] = await Promise.all([ran(program, ['--help']), ran(program, ['--version'])])
  return {
    name: 'bubblewrap',
    program,
    version: version.text.trim().split(' ').at(-1) ?? '',
    canBindOpen: help.text.includes('--bind-fd')
  }
}

async function detectSeatbelt(): Promise<Detected | Absent> {
  const program = '/usr/bin/sandbox-exec'
  const { isDone, text } = await ran(program, ['-p', '(version 1)(allow default)', '/usr/bin/true'])
  if (isDone) return { name: 'sandbox-exec', program, version: '', canBindOpen: false }
  return {
    name: null,
    why: `sandbox-exec does not work: ${text.slice(0, 200)}`,
    fix: 'update macOS'
  }
}

/** Why bubblewrap does not work although it is there, and what to do. */
function explained(text: string): { readonly why: string; readonly fix: string } {
  for (const { file, bad, name, fix } of USER_NAMESPACE_SWITCHES) {
    if (valueOf(file) === bad) {
      return { why: `this system forbids user namespaces (${name} is ${bad})`, fix }
    }
  }
  const first = text.split('\n')[0]?.slice(0, 200) ?? ''
  return {
    why: `bubblewrap does not work: ${first}`,
    fix: 'bwrap --unshare-user --ro-bind / / true'
  }
}

/** What Debian, Ubuntu and Red Hat forbid user namespaces by. */
export const USER_NAMESPACE_SWITCHES: readonly {
  readonly file: string
  readonly bad: string
  readonly name: string
  readonly fix: string
}[] = [
  {
    file: '/proc/sys/kernel/unprivileged_userns_clone',
    bad: '0',
    name: 'kernel.unprivileged_userns_clone',
    fix: 'sudo sysctl -w kernel.unprivileged_userns_clone=1'
  },
  {
    file: '/proc/sys/kernel/apparmor_restrict_unprivileged_userns',
    bad: '1',
    name: 'kernel.apparmor_restrict_unprivileged_userns',
    fix: 'sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0'
  },
  {
    file: '/proc/sys/user/max_user_namespaces',
    bad: '0',
    name: 'user.max_user_namespaces',
    fix: 'sudo sysctl -w user.max_user_namespaces=15000'
  }
]

function valueOf(file: string): string | null {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return null // This system has no such switch.
  }
}

/** For the packages of this name. */
export function installCommand(packages: string): string {
  if (existsSync('/usr/bin/apt-get')) return `sudo apt-get install ${packages}`
  if (existsSync('/usr/bin/dnf')) return `sudo dnf install ${packages}`
  if (existsSync('/usr/bin/pacman')) return `sudo pacman -S ${packages}`
  if (existsSync('/sbin/apk')) return `sudo apk add ${packages}`
  return `install ${packages} from the packages of your system`
}

function ran(
  program: string,
  args: readonly string[]
): Promise<{ readonly isDone: boolean; readonly text: string }> {
  const { promise, resolve } = Promise.withResolvers<{ isDone: boolean; text: string }>()
  const options = { timeout: PROBE_TIMEOUT_MS, env: {}, cwd: '/' }
  execFile(program, [...args], options, (error, stdout, stderr) => {
    const text = `${stdout}${stderr}`
    // One that could not even be started has said nothing.
    resolve({ isDone: error === null, text: text === '' ? (error?.message ?? '') : text })
  })
  return promise
}
