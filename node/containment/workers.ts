// The operating system's walls around tools' workers and the translator: what broke out of WASM and past Node's own
// permissions stands in an empty machine.
//
// Invariants
//   O1. A worker sees its program, the libraries of that, and what it reads: read-only, and no other file. Nothing
//       is writable, so there is nothing to execute but the program itself.
//   O2. It has no network, no other process, no socket call and no way to make a process.
//   O3. When the program that confines ends, all inside ends, as B3 says.

import { execFile } from 'node:child_process'
import { closeSync, constants, existsSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DEFAULT_SANDBOX } from '../../core/index.ts'
import type { ConfinedStart, WorkerStart, WorkerWalls } from '../../sandbox-wasm/index.ts'
import { openArguments } from './argument-file.ts'
import { WALLS } from './bubblewrap.ts'
import type { GroupMaker } from './cgroups.ts'
import { entering } from './entering.ts'
import { PROBE_TIMEOUT_MS } from './limits.ts'
import { seatbeltProfile } from './seatbelt.ts'

const NO_LIMITS = DEFAULT_SANDBOX.limits
/** Where libraries lie, for a machine whose loader does not say which ones a program needs. */
const LIBRARY_FOLDERS: readonly string[] = ['/lib', '/lib64', '/usr/lib', '/usr/lib64']

export interface WorkerOptions {
  /** Where bubblewrap lies. */
  readonly program: string
  readonly filter: Uint8Array
  readonly runDirectory: string
  /** What workers are run by, and the libraries that it loads. */
  readonly libraries: readonly string[]
}

export class BubblewrapWorkers implements WorkerWalls {
  readonly #groups: GroupMaker
  readonly #options: WorkerOptions
  readonly #filterPath: string
  #count = 0

  constructor(deps: { readonly groups: GroupMaker }, options: WorkerOptions) {
    this.#groups = deps.groups
    this.#options = options
    this.#filterPath = join(options.runDirectory, 'worker-seccomp.bpf')
    writeFileSync(this.#filterPath, options.filter, { mode: 0o600 })
  }

  around({
    command,
    readable,
    memoryBytesMax,
    threadsMax,
    firstDescriptor
  }: WorkerStart): ConfinedStart {
    this.#count += 1
    const wished = { ...NO_LIMITS, memoryBytes: memoryBytesMax, pids: threadsMax }
    const kept = { demanded: NO_LIMITS, isKillable: false } // O3 ends it.
    const group = this.#groups.make(`worker-${this.#count}`, wished, kept)
    const { program, libraries } = this.#options
    const shown = [command[0], ...libraries, ...readable]
    const args = [...workerArguments(shown), '--seccomp', String(firstDescriptor)]
    const path = join(this.#options.runDirectory, `worker-${this.#count}`)
    const descriptors: number[] = []
    const release = (): void => {
      for (const descriptor of descriptors.splice(0)) closeSync(descriptor)
    }
    try {
      descriptors.push(openSync(this.#filterPath, constants.O_RDONLY), openArguments(path, args))
    } catch (error) {
      release()
      void group?.remove()
      throw error
    }
    const confined = [program, '--args', String(firstDescriptor + 1), '--', ...command]
    return {
      command: entering(group?.joinFiles ?? [], confined),
      descriptors: [...descriptors],
      release,
      ended: async () => await group?.remove()
    }
  }
}

/** What bubblewrap is told, the filter aside: these paths, read-only, and nothing else at all. */
export function workerArguments(shown: readonly string[]): readonly string[] {
  return [
    ...WALLS,
    ...[...new Set(shown)].flatMap((path) => ['--ro-bind', path, path]),
    '--remount-ro',
    '/',
    '--chdir',
    '/'
  ]
}

/** Untried, like all of what is for macOS. */
export class SeatbeltWorkers implements WorkerWalls {
  readonly #program: string

  constructor(program: string) {
    this.#program = program
  }

  around({ command, readable }: WorkerStart): ConfinedStart {
    const seen = [command[0], ...readable].map((path) => ({
      path,
      inside: path,
      isWritable: false
    }))
    return {
      command: [this.#program, '-p', seatbeltProfile(seen), ...command],
      descriptors: [],
      release: () => undefined,
      ended: () => Promise.resolve()
    }
  }
}

/** The libraries that a program loads at its start, as its loader finds them, and the loader's own cache. */
export async function librariesOf(program: string): Promise<readonly string[]> {
  const { promise, resolve } = Promise.withResolvers<string>()
  // The loader lists instead of starting. One that does not know the variable starts the program, which says its version.
  const options = { timeout: PROBE_TIMEOUT_MS, env: { LD_TRACE_LOADED_OBJECTS: '1' }, cwd: '/' }
  execFile(program, ['--version'], options, (error, stdout) =>
    resolve(error === null ? stdout : '')
  )
  const listed = librariesListed(await promise)
  return [...(listed.length > 0 ? listed : LIBRARY_FOLDERS), '/etc/ld.so.cache'].filter((path) =>
    existsSync(path)
  )
}

/** `name => /path (address)`, and the loader itself as `/path (address)`. */
export function librariesListed(text: string): readonly string[] {
  return text.split('\n').flatMap((line) => {
    const path = /^\s+(?:\S+ => )?(\/.*) \(0x[0-9a-f]+\)$/.exec(line)?.[1]
    return path === undefined ? [] : [path]
  })
}
