// Starts the kernel's own process. The two share one contract: the kernel's options are its arguments, a
// secret invite comes on its stdin, and on fd 3 it writes one JSON line, `{"ready": KernelStatus}` or
// `{"error": {code, message, hint}}`, and closes it. With `--lifeline` it stops when fd 4 ends.

import { spawn } from 'node:child_process'
import type { ChildProcess, StdioOptions } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync
} from 'node:fs'
import { getCompileCacheDir } from 'node:module'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { ApiError } from '../node/api/index.ts'
import type { ApiErrorBody, KernelStatus } from '../node/api/index.ts'
import { OWN_VARIABLES } from '../node/api/index.ts'
import { CliError } from './errors.ts'
import { MALLOC_OPTIONS, NODE_OPTIONS } from './kernel-options.ts'

export interface DaemonSpec {
  readonly home: string
  /** `--name laptop --label site=home`. */
  readonly flags: readonly string[]
  readonly invite: string | null
  readonly isForeground: boolean
}

export interface Daemon {
  readonly child: ChildProcess
  /** @throws ApiError what the kernel says; CliError `CLI_KERNEL_DIED` when it ended without a word */
  readonly ready: Promise<KernelStatus>
}

export function startDaemon(spec: DaemonSpec): Daemon {
  const outFile = spec.isForeground ? null : prepareOutFile(spec.home)
  const out = spec.isForeground
    ? 'inherit'
    : outFile === null
      ? 'ignore'
      : openSync(outFile.path, 'a', 0o600)
  const stdio: StdioOptions = [spec.invite === null ? 'ignore' : 'pipe', out, out, 'pipe']
  if (spec.isForeground) stdio.push('pipe') // Ends with us, however we end.
  const child = spawn(process.execPath, [...NODE_OPTIONS, mainFile(), ...argumentsOf(spec)], {
    cwd: '/', // A daemon keeps no folder busy.
    detached: !spec.isForeground,
    env: withOwnVariables(process.env),
    stdio
  })
  if (typeof out === 'number') closeSync(out)
  if (spec.invite !== null) child.stdin?.end(spec.invite)
  const ready = readiness(child, outFile?.path ?? null).catch((error: unknown) => {
    outFile?.undo()
    throw error
  })
  return { child, ready }
}

function withOwnVariables(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const wanted = { ...MALLOC_OPTIONS, ...compileCache() }
  const ours = Object.entries(wanted).filter(([name]) => env[name] === undefined)
  const names = ours.map(([name]) => name).join(' ')
  return { ...env, ...Object.fromEntries(ours), [OWN_VARIABLES]: names }
}

/**
 * Where this process keeps compiled code: the kernel then has it from its first file on. From a checkout that
 * spares it Node's compiler of types, which stays once it has been needed: 20 to 30 MB.
 */
function compileCache(): { readonly NODE_COMPILE_CACHE?: string } {
  const folder = getCompileCacheDir()
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: dirname(folder) }
}

interface OutFile {
  readonly path: string
  /** Takes away what was made for it, unless something has come to lie there. */
  readonly undo: () => void
}

/**
 * Where the kernel's own output goes: what Node says at a fatal error. Null where a folder holds something
 * else, or cannot be written: the kernel says that better, and a refused start changes nothing.
 */
function prepareOutFile(home: string): OutFile | null {
  const logs = join(home, 'logs')
  const path = join(logs, 'kernel.out')
  if (existsSync(logs)) return { path, undo: () => undefined }
  const made = existsSync(home) ? [logs] : [home, logs]
  try {
    if (made.length === 1 && readdirSync(home).length > 0) return null
    for (const folder of made) mkdirSync(folder, { mode: 0o700 })
    return { path, undo: () => removeEmpty(path, made) }
  } catch {
    return null
  }
}

function removeEmpty(path: string, made: readonly string[]): void {
  try {
    if (statSync(path).size > 0) return
    rmSync(path)
    for (const folder of made.toReversed()) rmdirSync(folder)
  } catch {
    // Not empty: the kernel has left something there, and knows why.
  }
}

function argumentsOf({ home, flags, invite, isForeground }: DaemonSpec): readonly string[] {
  // Other users may read arguments: the invite is a secret and does not stand there.
  const tied = isForeground ? ['--lifeline'] : []
  return ['--home', home, ...flags, ...tied, ...(invite === null ? [] : ['--join', '-'])]
}

/** A source in the checkout, compiled in the published package: as this file is. */
function mainFile(): string {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  return fileURLToPath(new URL(`../node/main.${extension}`, import.meta.url))
}

async function readiness(child: ChildProcess, outFile: string | null): Promise<KernelStatus> {
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code ?? 'unknown'}`))
  })
  const pipe = child.stdio[3]
  const line = pipe === null || pipe === undefined || !('read' in pipe) ? '' : await wholeText(pipe)
  if (line === '') throw died(await ended, outFile)
  const answer: { readonly ready?: KernelStatus; readonly error?: ApiErrorBody } = JSON.parse(line)
  if (answer.ready !== undefined) return answer.ready
  throw new ApiError(
    answer.error ?? { code: 'API_ANSWER_DAMAGED', message: 'The kernel said nothing', hint: null }
  )
}

async function wholeText(pipe: Readable): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of pipe) {
    if (Buffer.isBuffer(chunk)) chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8').trim()
}

function died(how: string, outFile: string | null): CliError {
  const last = outFile === null ? '' : lastLine(outFile)
  return new CliError(
    'CLI_KERNEL_DIED',
    `The kernel ended before it was ready (${how})${last === '' ? '' : `: ${last}`}`,
    outFile === null ? null : `its output is in ${outFile}`
  )
}

function lastLine(file: string): string {
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  // Node ends a report of an uncaught error with its version; the error itself stands above.
  return (lines.findLast((line) => /error|cannot/i.test(line)) ?? lines.at(-1) ?? '').trim()
}
