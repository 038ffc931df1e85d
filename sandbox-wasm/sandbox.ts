// The sandbox: tools by name, translated once, run in worker processes.
//
// Invariants
//   S1. A component is read and its digest checked before its translation is used, once in the life of a
//       kernel; no caller ever gets a tool whose digest differs from the manifest.
//   S2. A tool is started only if every import of its component is both granted and one we offer.
//   S3. Nothing of the translator is loaded in this process.

import { fileURLToPath } from 'node:url'
import type { Clock, Containment, Logger, Millis } from '../core/index.ts'
import { readComponent, readManifest } from './builtin-tools.ts'
import type { ToolEntry, ToolSummary } from './builtin-tools.ts'
import {
  CacheCorruptError,
  ComponentInvalidError,
  ImportRefusedError,
  InputInvalidError,
  SandboxStoppedError,
  ToolUnknownError
} from './errors.ts'
import { INPUT_BYTES_MAX, TIME_LIMIT_DEFAULT_MS, TIME_LIMIT_MAX_MS } from './limits.ts'
import type { WorkerLauncher, WorkerWalls } from './ports.ts'
import { jsonOf, toolResult } from './tool-result.ts'
import type { JsonValue, ToolResult } from './tool-result.ts'
import { cached, discard, store } from './transpile-cache.ts'
import type { Transpiled } from './transpile-cache.ts'
import { transpile } from './transpile.ts'
import { CLOSED_INTERFACES } from './worker/closed-wasi.ts'
import type { CallRequest } from './worker/protocol.ts'
import { WorkerPool } from './worker-pool.ts'
import type { PoolOptions, PoolResult } from './worker-pool.ts'
import { processLauncher } from './worker-process.ts'

export interface SandboxDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly walls: WorkerWalls
  /** Worker processes, unless a test passes something else. */
  readonly launcher?: WorkerLauncher
}

export interface SandboxOptions {
  /** Where translated components are kept: a folder in the home, made when it is needed. */
  readonly cacheFolder: string
  /** The Node that runs the workers: the kernel's own `process.execPath`. */
  readonly execPath: string
  /** Where the manifest lies, if not beside this file. */
  readonly builtinFolder?: string
  readonly pool?: PoolOptions
}

export interface ToolCall {
  readonly tool: string
  /** A JSON text. */
  readonly input: string
  /** Interfaces the tool may import, without versions (`wasi:cli/environment`). None by default. */
  readonly imports?: readonly string[]
  readonly timeLimitMs?: Millis
  /** `none`: without the walls of the operating system, where somebody was allowed that. `os` by default. */
  readonly containment?: Containment
}

interface RunOptions {
  readonly granted: readonly string[]
  readonly timeLimitMs: Millis
  readonly containment: Containment
}

export interface ToolDetails extends ToolSummary {
  /** The interfaces it imports, without versions. */
  readonly imports: readonly string[]
  /** What the tool says about itself: `{"version", "description", "input"}`. Null where it may not run. */
  readonly about: JsonValue
}

export function createSandbox(deps: SandboxDeps, options: SandboxOptions): Sandbox {
  return new Sandbox(deps, options)
}

export class Sandbox {
  readonly #clock: Clock
  readonly #launcher: WorkerLauncher
  readonly #pool: WorkerPool
  readonly #cacheFolder: string
  readonly #builtinFolder: string
  readonly #prepared = new Map<string, Promise<Transpiled>>()
  #isStopped = false
  /** Translations, one after the other: each takes a core and half a gigabyte at worst. */
  #translations: Promise<unknown> = Promise.resolve()
  readonly #stopping = new AbortController()

  constructor(deps: SandboxDeps, options: SandboxOptions) {
    const log = deps.log.child({ room: 'sandbox-wasm' })
    this.#clock = deps.clock
    this.#launcher = deps.launcher ?? processLauncher({ log, walls: deps.walls }, options)
    this.#pool = new WorkerPool({ launcher: this.#launcher, clock: deps.clock }, options.pool)
    this.#cacheFolder = options.cacheFolder
    this.#builtinFolder =
      options.builtinFolder ?? fileURLToPath(new URL('builtin/', import.meta.url))
  }

  /** The tools, by name. Reads one small file, and starts nothing. */
  async list(): Promise<readonly ToolSummary[]> {
    const tools = [...(await readManifest(this.#builtinFolder)).values()]
    return tools.map(summary).toSorted((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** A tool's imports, and what it says about itself when asked in the sandbox. */
  async inspect(name: string, signal?: AbortSignal): Promise<ToolDetails> {
    const tool = await this.#find(name)
    await readComponent(tool) // Again, also if it is prepared: to inspect is to look at what is there.
    const { imports } = await this.#prepare(tool, 'os')
    const isPure = imports.length === 0
    const about = isPure ? await this.#about(tool, signal) : null
    return { ...summary(tool), imports, about }
  }

  /**
   * Runs a tool once, in a fresh instance. What the tool does wrong is in the result. An abort ends the
   * worker and throws the signal's reason. Calls may overlap. Nothing is retried.
   * @throws WeaverError `SANDBOX_TOOL_UNKNOWN`, `SANDBOX_INPUT_INVALID`, `SANDBOX_DIGEST_MISMATCH`,
   *   `SANDBOX_COMPONENT_INVALID`, `SANDBOX_IMPORT_REFUSED`, `SANDBOX_BUSY`, `SANDBOX_WORKER_FAILED`,
   *   `SANDBOX_STOPPED`, `SANDBOX_MANIFEST_BROKEN`, `CONTAINMENT_MISSING`
   */
  async call(call: ToolCall, signal?: AbortSignal): Promise<ToolResult> {
    const bytes = Buffer.byteLength(call.input)
    if (bytes > INPUT_BYTES_MAX) {
      throw new InputInvalidError(`it has ${bytes} bytes, must be <= ${INPUT_BYTES_MAX}`)
    }
    if (jsonOf(call.input) === undefined) throw new InputInvalidError('it is not JSON')
    const timeLimitMs = call.timeLimitMs ?? TIME_LIMIT_DEFAULT_MS
    if (timeLimitMs > TIME_LIMIT_MAX_MS) {
      throw new InputInvalidError(`its time limit must be <= ${TIME_LIMIT_MAX_MS} ms`)
    }
    const tool = await this.#find(call.tool)
    const request: CallRequest = { type: 'call', method: 'call', input: call.input }
    const { imports: granted = [], containment = 'os' } = call
    const options = { granted, timeLimitMs, containment }
    return toolResult(await this.#run(tool, request, options, signal), timeLimitMs)
  }

  /** Refuses new calls, lets running ones end for a moment, then kills all workers. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#stopping.abort(new SandboxStoppedError())
    await this.#pool.stop()
    await this.#translations
  }

  async #find(name: string): Promise<ToolEntry> {
    if (this.#isStopped) throw new SandboxStoppedError()
    const tools = await readManifest(this.#builtinFolder)
    const tool = tools.get(name)
    if (tool === undefined) throw new ToolUnknownError(name, [...tools.keys()])
    return tool
  }

  async #about(tool: ToolEntry, signal?: AbortSignal): Promise<JsonValue> {
    const request: CallRequest = { type: 'call', method: 'describe', input: '' }
    const options: RunOptions = {
      granted: [],
      timeLimitMs: TIME_LIMIT_DEFAULT_MS,
      containment: 'os'
    }
    const result = await this.#run(tool, request, options, signal)
    const { ok, output, error } = toolResult(result, TIME_LIMIT_DEFAULT_MS)
    if (!ok)
      throw new ComponentInvalidError(tool.name, error?.message ?? 'it does not describe itself')
    return output
  }

  async #run(
    tool: ToolEntry,
    request: CallRequest,
    options: RunOptions,
    signal?: AbortSignal
  ): Promise<PoolResult> {
    const { timeLimitMs, containment } = options
    try {
      const prepared = await this.#granted(tool, options)
      return await this.#pool.run({ tool: prepared, containment, request, timeLimitMs }, signal)
    } catch (error) {
      if (!(error instanceof CacheCorruptError)) throw error
      // Nothing has run yet: the worker refused the files (T2). They are made again, once.
      this.#prepared.delete(tool.sha256)
      await discard(this.#cacheFolder, tool.sha256)
      const prepared = await this.#granted(tool, options)
      return await this.#pool.run({ tool: prepared, containment, request, timeLimitMs }, signal)
    }
  }

  async #granted(tool: ToolEntry, { granted, containment }: RunOptions): Promise<Transpiled> {
    const prepared = await this.#prepare(tool, containment)
    const refused = prepared.imports.filter(
      (name) => !granted.includes(name) || !CLOSED_INTERFACES.includes(name)
    )
    if (refused.length > 0) throw new ImportRefusedError(tool.name, refused)
    return prepared
  }

  #prepare(tool: ToolEntry, containment: Containment): Promise<Transpiled> {
    const known = this.#prepared.get(tool.sha256)
    if (known !== undefined) return known
    // Before the first await, so that two calls share one translation.
    const preparing = this.#translations.then(() => this.#translated(tool, containment))
    this.#prepared.set(tool.sha256, preparing)
    this.#translations = preparing.catch(() => this.#prepared.delete(tool.sha256))
    return preparing
  }

  async #translated(tool: ToolEntry, containment: Containment): Promise<Transpiled> {
    const component = await readComponent(tool)
    const before = await cached(this.#cacheFolder, tool.sha256)
    if (before !== null) return before
    const deps = { launcher: this.#launcher, clock: this.#clock }
    const translation = await transpile(
      deps,
      { name: tool.name, component, containment },
      this.#stopping.signal
    )
    return await store(this.#cacheFolder, tool.sha256, translation)
  }
}

function summary({ name, digest, sizeBytes, source }: ToolEntry): ToolSummary {
  return { name, digest, sizeBytes, source }
}
