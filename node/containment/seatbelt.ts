// Containment on macOS by sandbox-exec: a profile that denies by default. Written from Apple's profiles and
// from what others run; no test has tried it. It has no namespaces: other processes can be seen by name, and
// there are no limits of memory, CPU or processes.
//
// Invariants
//   M1. No value of a variable is in an argument, where every user of the machine could read it.
//   M2. Nothing that a requester wrote reaches sandbox-exec, or the shell after it, but under names of ours; and
//       the command that was decided is what runs, whatever it is called.

import { mkdirSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { formatGrant } from '../../core/index.ts'
import { closedNames, grantedFolders } from './closed-places.ts'
import { BadDirectoryError, NOT_FOUND, ProcessStartError } from '../processes/errors.ts'
import { GrantRefusedError, LimitMissingError } from './errors.ts'
import type { Containment, Guard, LaunchPlan, LaunchWish } from './ports.ts'
import { insideOf, passedVariables } from './view.ts'
import type { Seen } from './view.ts'

export interface SeatbeltOptions {
  readonly program: string
  readonly runDirectory: string
  readonly closedPaths: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
}

const READABLE: readonly string[] = [
  '/usr',
  '/bin',
  '/sbin',
  '/System',
  '/Library/Apple',
  '/Library/Frameworks',
  '/Library/Developer/CommandLineTools',
  '/opt/homebrew',
  '/private/etc/ssl',
  '/private/etc/localtime',
  // Which shell /bin/sh is.
  '/private/var/select/sh',
  '/private/var/db/timezone',
  '/private/var/db/dyld'
]

export class Seatbelt implements Containment {
  readonly name = 'sandbox-exec'
  readonly #options: SeatbeltOptions

  constructor(options: SeatbeltOptions) {
    this.#options = options
  }

  async plan(wish: LaunchWish): Promise<LaunchPlan> {
    const { program, closedPaths, environment } = this.#options
    const { grants, limits, directory, isOwnDirectory } = wish
    for (const [name, value] of Object.entries(limits)) {
      if (value !== null) throw new LimitMissingError(name, 'macOS has no control groups')
    }
    for (const grant of grants) {
      if (grant.kind === 'env') continue
      const isPath = grant.kind === 'fs.read' || grant.kind === 'fs.write'
      if (isPath && grant.path === grant.inside) continue
      const why = isPath
        ? 'a path cannot be shown under another name here'
        : 'not on this system yet'
      throw new GrantRefusedError(formatGrant(grant), why)
    }
    const granted = grantedFolders(grants, closedPaths).map((it) => ({
      ...it,
      path: realpathSync(it.path)
    }))
    const own = { path: realpathSync(directory), inside: directory, isWritable: true }
    if (!isOwnDirectory && insideOf(own.path, granted) === null) {
      throw new BadDirectoryError(directory, `give it with --workspace ${directory} or a grant`)
    }
    const temporary = join(this.#options.runDirectory, `tmp-${wish.pid}`)
    mkdirSync(temporary, { recursive: true, mode: 0o700 })
    const seen = [
      ...granted,
      ...(isOwnDirectory ? [own] : []),
      { path: realpathSync(temporary), inside: temporary, isWritable: true }
    ]
    const passed = passedVariables(grants, environment)
    const places = { HOME: isOwnDirectory ? own.path : temporary, TMPDIR: temporary }
    const inner = { ...wish.environment, ...places, ...wish.given, ...passed }
    const { variables, script } = carried({ ...inner, [wish.mark[0]]: wish.mark[1] })
    if (wish.command[0].startsWith('-')) throw new ProcessStartError(wish.command[0], NOT_FOUND) // M2
    return {
      // The profile is in force before the shell runs.
      command: [
        program,
        '-p',
        seatbeltProfile(seen, wish.guards, closedNames(closedPaths)),
        '/bin/sh',
        '-c',
        script,
        'sh',
        ...wish.command
      ],
      environment: variables,
      directory,
      descriptors: [],
      group: null,
      release: () => undefined
    }
  }

  waiting(): null {
    return null
  }

  /** sandbox-exec becomes the command. */
  inside(osPid: number): number {
    return osPid
  }
}

/** How variables come in: each under a name that means nothing to anybody, until the shell gives it its own. */
const NEUTRAL = 'weaver_variable_'
/** Shells set these themselves, or let nobody set them. */
const OF_SHELLS =
  /^(?:_|E?UID|PPID|GROUPS|SHELLOPTS|BASHOPTS|BASH_VERSINFO|RANDOM|SECONDS|LINENO|OPTIND|DIRSTACK|FUNCNAME|HISTCMD)$/

/** @throws WeaverError `CONTAINMENT_GRANT_REFUSED` */
export function carried(environment: Readonly<Record<string, string>>): {
  readonly variables: Readonly<Record<string, string>>
  /** For /bin/sh; its arguments are the command. */
  readonly script: string
} {
  const names = Object.keys(environment)
  for (const name of names) {
    const isPlain = /^[A-Za-z_]\w*$/.test(name) && !name.startsWith(NEUTRAL)
    if (isPlain && !OF_SHELLS.test(name)) continue
    throw new GrantRefusedError(
      `env:${name}`,
      'here a variable has letters and digits for a name, and none of a shell’s own'
    )
  }
  const neutral = names.map((_, at) => `${NEUTRAL}${at}`)
  const lines = names.map((name, at) => `export ${name}="$${NEUTRAL}${at}"`)
  return {
    variables: Object.fromEntries(
      Object.values(environment).map((value, at) => [`${NEUTRAL}${at}`, value])
    ),
    script: [...lines, ['unset', ...neutral].join(' '), 'exec "$@"'].join('\n')
  }
}

/** Later rules win: what is denied at the end stays denied. */
export function seatbeltProfile(
  seen: readonly Seen[],
  guards: readonly Guard[] = [],
  closed: readonly string[] = []
): string {
  const readable = READABLE.map((path) => `(subpath ${quoted(path)})`).join(' ')
  const lines = [
    '(version 1)',
    '(deny default)',
    '(allow process-fork)',
    '(allow process-exec)',
    '(allow signal (target same-sandbox))',
    '(allow process-info* (target same-sandbox))',
    '(allow sysctl-read)',
    '(allow file-read-metadata)',
    `(allow file-read* (literal "/") ${readable})`,
    '(allow file-read* file-write-data (literal "/dev/null") (literal "/dev/zero") (literal "/dev/tty"))',
    '(allow file-read* (literal "/dev/random") (literal "/dev/urandom") (subpath "/dev/fd"))',
    '(allow mach-lookup (global-name "com.apple.system.opendirectoryd.libinfo"))',
    // /System holds the volume of everybody's files once more, under another name.
    '(deny file-read* file-write* (subpath "/System/Volumes/Data"))',
    ...closed.map((path) => `(deny file-read* file-write* (subpath ${quoted(path)}))`),
    ...seen.map(({ path }) => `(allow file-read* (subpath ${quoted(path)}))`),
    ...seen
      .filter(({ isWritable }) => isWritable)
      .map(({ path }) => `(allow file-write* (subpath ${quoted(path)}))`),
    ...guards.map(({ path, isWritable }) =>
      isWritable
        ? `(deny file-write-unlink (literal ${quoted(path)}))`
        : `(deny file-write* (subpath ${quoted(path)}))`
    ),
    // Every way out, and programs with another user's rights.
    '(deny network*)',
    '(deny file-write-setugid)'
  ]
  return `${lines.join('\n')}\n`
}

/** A string of the profile's language. Control characters cannot be in a granted path. */
function quoted(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', String.raw`\"`)}"`
}
