// The shell around worker processes: the only file of this room that starts one.
//
// Invariants
//   P1. A worker gets three pipes and a lifeline, and nothing else of the kernel: no environment, no
//       argument, no descriptor, no terminal, no working directory.
//   P2. A worker may read its own sources and the one folder it is given, and may write nothing: by Node's
//       permissions, and by the walls of the operating system unless it was asked to be without.
//   P3. What a worker says is bounded and checked before anybody uses it; the first wrong byte ends it.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import type { Containment, Logger, WeaverError } from '../core/index.ts'
import { WorkerDiedError, WorkerFailedError } from './errors.ts'
import {
  GUEST_FRAME_BYTES_MAX,
  GUEST_HEAP_MIB,
  GUEST_MEMORY_PAGES_MAX,
  GUEST_PROCESS_BYTES_MAX,
  STDERR_BYTES_MAX,
  TRANSPILER_FRAME_BYTES_MAX,
  TRANSPILER_HEAP_MIB,
  TRANSPILER_PROCESS_BYTES_MAX,
  WORKER_THREADS_MAX
} from './limits.ts'
import type { ConfinedStart, WorkerLauncher, WorkerLink, WorkerWalls } from './ports.ts'
import { encodeFrame, FrameReader } from './worker/frames.ts'

// Sources run as they are, and as what `tsc` emits: the entry has the extension of this file.
const EXTENSION = import.meta.url.slice(import.meta.url.lastIndexOf('.'))
const WORKER_FOLDER = fileURLToPath(new URL('worker/', import.meta.url))

const memoryBytes = z.number().int().nonnegative()
const text = z.string()
const GuestReplySchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('loaded') }),
  z.object({ type: z.literal('corrupt'), file: text }),
  z.object({ type: z.literal('unusable'), why: text }),
  z.object({ type: z.literal('returned'), text, memoryBytes }),
  z.object({ type: z.literal('failed'), text, memoryBytes }),
  z.object({ type: z.literal('trapped'), text, memoryBytes }),
  z.object({ type: z.literal('output-too-large'), bytes: z.number().nonnegative(), memoryBytes })
])

// The names become files of the cache: no separators, no parent folders.
const fileName = z.string().regex(/^[a-z0-9][a-z0-9.-]{0,63}\.(?:js|wasm)$/)
const TranspileReplySchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('transpiled'),
    imports: z.array(text),
    exports: z.array(text),
    files: z.array(z.object({ name: fileName, base64: z.base64() }))
  }),
  z.object({ type: z.literal('invalid'), why: text })
])

/** Workers as child processes of this one, run by `execPath`: Node 24 or newer. */
export function processLauncher(
  deps: { readonly log: Logger; readonly walls: WorkerWalls },
  options: { readonly execPath: string }
): WorkerLauncher {
  const launch = async <Request, Reply>(
    spec: WorkerSpec,
    containment: Containment,
    schema: z.ZodType<Reply>
  ): Promise<WorkerLink<Request, Reply>> => {
    const command = commandOf(options.execPath, spec)
    const confined =
      containment === 'none' ? unconfined(command) : around(deps.walls, spec, command)
    const { log } = deps
    const { frameBytesMax } = spec
    const link = new ProcessLink<Request, Reply>(log, start(confined), { schema, frameBytesMax })
    void link.ended.then(() => confined.ended())
    await link.spawned
    return link
  }
  return {
    guest: (folder, containment) => launch(guestSpec(folder), containment, GuestReplySchema),
    transpiler: (containment) => launch(transpilerSpec(), containment, TranspileReplySchema)
  }
}

interface WorkerSpec {
  readonly entry: string
  readonly flags: readonly string[]
  readonly readableFolders: readonly string[]
  readonly frameBytesMax: number
  readonly memoryBytesMax: number
}

function guestSpec(folder: string): WorkerSpec {
  return {
    entry: 'guest-main',
    flags: [
      `--max-old-space-size=${GUEST_HEAP_MIB}`,
      `--wasm-max-mem-pages=${GUEST_MEMORY_PAGES_MAX}`,
      '--disallow-code-generation-from-strings'
    ],
    readableFolders: [WORKER_FOLDER, folder],
    frameBytesMax: GUEST_FRAME_BYTES_MAX,
    memoryBytesMax: GUEST_PROCESS_BYTES_MAX
  }
}

function transpilerSpec(): WorkerSpec {
  return {
    entry: 'transpile-main',
    flags: [`--max-old-space-size=${TRANSPILER_HEAP_MIB}`],
    readableFolders: [WORKER_FOLDER, ...translatorFolders()],
    frameBytesMax: TRANSPILER_FRAME_BYTES_MAX,
    memoryBytesMax: TRANSPILER_PROCESS_BYTES_MAX
  }
}

/** The translator, and what it depends on: packages of one publisher, each in the same or an outer folder. */
function translatorFolders(): readonly string[] {
  const entry = fileURLToPath(import.meta.resolve('@bytecodealliance/jco-transpile/component'))
  const ends = [...entry.matchAll(/\/node_modules\//g)].map(({ index }) => index)
  return ends
    .map((end) => `${entry.slice(0, end)}/node_modules/@bytecodealliance/`)
    .filter((folder) => existsSync(folder))
}

/** Three streams and the lifeline. */
const OWN_DESCRIPTORS: readonly 'pipe'[] = ['pipe', 'pipe', 'pipe', 'pipe']

function commandOf(execPath: string, spec: WorkerSpec): readonly [string, ...string[]] {
  return [
    execPath,
    '--permission',
    ...spec.readableFolders.map((folder) => `--allow-fs-read=${folder}`),
    '--allow-worker', // For the lifeline; the guest's process gives it up once that is held.
    '--no-addons',
    '--disable-sigusr1',
    '--no-warnings',
    ...spec.flags,
    `${WORKER_FOLDER}${spec.entry}${EXTENSION}`
  ]
}

function around(
  walls: WorkerWalls,
  { readableFolders, memoryBytesMax }: WorkerSpec,
  command: readonly [string, ...string[]]
): ConfinedStart {
  return walls.around({
    command,
    readable: readableFolders,
    memoryBytesMax,
    threadsMax: WORKER_THREADS_MAX,
    firstDescriptor: OWN_DESCRIPTORS.length
  })
}

function unconfined(command: readonly [string, ...string[]]): ConfinedStart {
  return { command, descriptors: [], release: () => undefined, ended: () => Promise.resolve() }
}

function start(confined: ConfinedStart): ChildProcess {
  const [program, ...args] = confined.command
  try {
    return spawn(program, args, {
      cwd: '/',
      env: {},
      // A session of its own: what is typed at the kernel's terminal does not reach it.
      detached: true,
      stdio: [...OWN_DESCRIPTORS, ...confined.descriptors]
    })
  } catch (error) {
    void confined.ended()
    throw new WorkerFailedError('the process does not start', { cause: error })
  } finally {
    confined.release()
  }
}

interface Pending<Reply> {
  resolve(reply: Reply): void
  reject(error: WeaverError): void
}

class ProcessLink<Request, Reply> implements WorkerLink<Request, Reply> {
  /** Resolves when the process runs. @throws WeaverError `SANDBOX_WORKER_FAILED` */
  readonly spawned: Promise<void>
  readonly ended: Promise<WeaverError>
  readonly #child: ChildProcess
  readonly #stdin: Writable
  readonly #schema: z.ZodType<Reply>
  #stderr = ''
  #pending: Pending<Reply> | null = null
  #end: WeaverError | null = null
  #killedFor: string | null = null

  constructor(
    log: Logger,
    child: ChildProcess,
    options: { readonly schema: z.ZodType<Reply>; readonly frameBytesMax: number }
  ) {
    const { stdin, stdout, stderr } = child
    if (stdin === null || stdout === null || stderr === null) {
      throw new WorkerFailedError('it has no pipes')
    }
    this.#child = child
    this.#stdin = stdin
    this.#schema = options.schema
    this.spawned = once(child, 'spawn').then(
      () => undefined,
      (error: unknown) => {
        throw new WorkerFailedError('the process does not start', { cause: error })
      }
    )
    this.ended = this.#untilEnd(log)
    // What a dead process did not read is of no interest: its end is reported by `ended`.
    for (const pipe of child.stdio) pipe?.on('error', () => {})
    this.#listen(stdout, new FrameReader(options.frameBytesMax))
    stderr.on('data', (chunk: Uint8Array) => {
      if (this.#stderr.length < STDERR_BYTES_MAX) this.#stderr += Buffer.from(chunk).toString()
    })
  }

  request(message: Request): Promise<Reply> {
    if (this.#end !== null) return Promise.reject(this.#end)
    const { promise, resolve, reject } = Promise.withResolvers<Reply>()
    this.#pending = { resolve, reject }
    this.#stdin.write(encodeFrame(message))
    return promise
  }

  kill(): void {
    this.#killedFor ??= 'it was ended'
    this.#child.kill('SIGKILL')
  }

  #listen(stdout: Readable, reader: FrameReader): void {
    stdout.on('data', (chunk: Uint8Array) => {
      if (this.#killedFor !== null) return
      try {
        for (const message of reader.push(chunk)) this.#receive(message)
      } catch (error) {
        this.#killedFor = `it broke the protocol: ${String(error).slice(0, 200)}`
        this.#child.kill('SIGKILL')
      }
    })
  }

  #receive(message: unknown): void {
    const reply = this.#schema.parse(message)
    const pending = this.#pending
    if (pending === null) throw new Error('an answer to nothing')
    this.#pending = null
    pending.resolve(reply)
  }

  async #untilEnd(log: Logger): Promise<WeaverError> {
    const { promise, resolve } = Promise.withResolvers<string>()
    this.#child.once('exit', (code, signal) =>
      resolve(`it exited with ${signal ?? `code ${code}`}`)
    )
    this.#child.once('error', (error) => resolve(error.message))
    const how = await promise
    const end = new WorkerDiedError(this.#killedFor ?? how)
    if (this.#killedFor === null) {
      log.warn('A tool worker died', { how, stderr: this.#stderr.slice(0, STDERR_BYTES_MAX) })
    }
    this.#end = end
    // The pipes are closed here, too: a process that inherited them might keep them open.
    for (const pipe of this.#child.stdio) pipe?.destroy()
    this.#pending?.reject(end)
    this.#pending = null
    return end
  }
}
