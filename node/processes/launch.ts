// Starts one child, and says exactly why when it cannot.

import { spawn } from 'node:child_process'
import type { ChildProcess, IOType } from 'node:child_process'
import { accessSync, closeSync, constants, statSync } from 'node:fs'
import { Socket } from 'node:net'
import { delimiter, isAbsolute, resolve } from 'node:path'
import type { Writable } from 'node:stream'
import { invariant } from '../../core/index.ts'
import {
  BAD_INTERPRETER,
  BadDirectoryError,
  MALFORMED,
  NOT_EXECUTABLE,
  NOT_FOUND,
  ProcessStartError,
  SPAWN_FAILED,
  TOO_LONG,
  TOO_MANY
} from './errors.ts'
import { STDIN_BUFFER_BYTES } from './limits.ts'
import { pipeOutput, streamOutput } from './output.ts'
import type { Output } from './output.ts'
import { closePipe, turnedAround } from './pipes.ts'
import type { Pipe } from './pipes.ts'

export interface Launch {
  readonly command: readonly [string, ...string[]]
  readonly environment: Readonly<Record<string, string>>
  readonly directory: string
  /** False: it reads from /dev/null. */
  readonly hasInput: boolean
  /** Three fresh pipes (two without input), closed in any case; null: use sockets. */
  readonly pipes: readonly Pipe[] | null
  /** Files of ours that it gets as descriptors 3, 4, ...; they stay open here. */
  readonly descriptors: readonly number[]
}

export interface Launched {
  readonly osPid: number
  readonly stdin: Writable | null
  readonly stdout: Output
  readonly stderr: Output
  /** Resolves when the child itself has ended and its status is known. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>
}

/** The two ends of one stream. */
interface Ends {
  readonly childEnd: number
  readonly ownEnd: number
}

/** @throws WeaverError `PROCESS_...`; see ./errors.ts */
export async function launch(options: Launch): Promise<Launched> {
  const streams = prepare(options)
  let child: ChildProcess
  try {
    child = await start(options, streams)
  } catch (error) {
    for (const { ownEnd } of streams) closeSync(ownEnd)
    throw error
  } finally {
    for (const { childEnd } of streams) closeSync(childEnd)
  }
  return streams.length === 0 ? overSockets(child) : overPipes(child, streams, options.hasInput)
}

/** Refuses what can be seen to fail, and sorts the ends of the pipes. */
function prepare(options: Launch): readonly Ends[] {
  const pipes = [...(options.pipes ?? [])]
  const input = options.hasInput ? pipes.shift() : undefined
  const outputs = pipes.map(({ reader, writer }) => ({ ownEnd: reader, childEnd: writer }))
  try {
    checkDirectory(options.directory)
  } catch (error) {
    for (const pipe of options.pipes ?? []) closePipe(pipe)
    throw error
  }
  if (input === undefined) return outputs
  try {
    return [turnedAround(input), ...outputs]
  } catch (error) {
    for (const pipe of pipes) closePipe(pipe)
    throw new ProcessStartError(options.command[0], TOO_MANY, error)
  }
}

/** Before anything is made of them. @throws WeaverError `PROCESS_INVALID_COMMAND`, `PROCESS_NOT_FOUND` */
export function checkShape(
  command: readonly [string, ...string[]],
  environment: Readonly<Record<string, string>>,
  directory: string | null
): void {
  const names = Object.keys(environment)
  const texts = [...command, ...names, ...Object.values(environment), directory ?? '']
  const isMalformed =
    texts.some((text) => text.includes('\0')) ||
    names.some((name) => name === '' || name.includes('='))
  if (isMalformed) throw new ProcessStartError(command[0], MALFORMED)
  if (command[0] === '') throw new ProcessStartError(command[0], NOT_FOUND)
}

function checkDirectory(directory: string): void {
  let why: string | null = null
  try {
    if (!statSync(directory).isDirectory()) why = 'it is not a directory'
    else accessSync(directory, constants.X_OK)
  } catch (error) {
    why = codeOf(error) === 'EACCES' ? 'it may not be entered' : 'it does not exist'
  }
  if (why !== null) throw new BadDirectoryError(directory, why)
}

async function start(options: Launch, streams: readonly Ends[]): Promise<ChildProcess> {
  const [program, ...rest] = options.command
  const input = options.hasInput ? 'pipe' : 'ignore'
  const ends = streams.map(({ childEnd }) => childEnd)
  let stdio: (IOType | number)[] = [input, 'pipe', 'pipe']
  if (ends.length > 0) stdio = options.hasInput ? ends : ['ignore', ...ends]
  stdio = [...stdio, ...options.descriptors]
  let child: ChildProcess
  try {
    child = spawn(program, rest, {
      cwd: options.directory,
      env: { ...options.environment },
      detached: true, // setsid: a session and a group of its own.
      stdio
    })
  } catch (error) {
    throw explained(options, error) // E2BIG, ENOMEM and the like are thrown, not emitted.
  }
  if (child.pid !== undefined) return child
  const { promise, resolve: fail } = Promise.withResolvers<unknown>()
  child.once('error', fail)
  throw explained(options, await promise)
}

function explained(options: Launch, cause: unknown): ProcessStartError {
  const [program] = options.command
  const code = codeOf(cause)
  switch (code) {
    case 'ENOENT':
      // Also said of a script whose interpreter is missing.
      return new ProcessStartError(program, isThere(options) ? BAD_INTERPRETER : NOT_FOUND, cause)
    case 'ENOTDIR':
    case 'ELOOP':
    case 'ENAMETOOLONG':
      return new ProcessStartError(program, NOT_FOUND, cause)
    case 'EACCES':
    case 'EPERM':
    case 'ENOEXEC':
    case 'EISDIR':
    case 'ETXTBSY':
      return new ProcessStartError(program, NOT_EXECUTABLE, cause)
    case 'E2BIG':
      return new ProcessStartError(program, TOO_LONG, cause)
    case 'EAGAIN':
    case 'ENOMEM':
    case 'EMFILE':
    case 'ENFILE':
      return new ProcessStartError(program, TOO_MANY, cause)
    default:
      return new ProcessStartError(program, { ...SPAWN_FAILED, why: code ?? String(cause) }, cause)
  }
}

/** Whether the program is a file, where execvp(3) would look for it. */
function isThere({ command, environment, directory }: Launch): boolean {
  const [program] = command
  const folders = program.includes('/') ? [''] : (environment['PATH'] ?? '').split(delimiter)
  return folders.some((folder) => {
    const path = isAbsolute(program) ? program : resolve(directory, folder, program)
    return statSync(path, { throwIfNoEntry: false })?.isFile() === true
  })
}

function overPipes(child: ChildProcess, streams: readonly Ends[], hasInput: boolean): Launched {
  const ends = streams.map(({ ownEnd }) => ownEnd)
  const input = hasInput ? ends.shift() : undefined
  const [stdout, stderr] = ends
  invariant(stdout !== undefined && stderr !== undefined, 'A child has two output streams')
  return launched(child, {
    stdin: input === undefined ? null : new Socket(inputOptions(input)),
    stdout: pipeOutput(stdout),
    stderr: pipeOutput(stderr)
  })
}

// A socket passes the options of its stream on, which its type does not say.
function inputOptions(fd: number): { readonly fd: number; readonly readable: boolean } {
  const options = { fd, readable: false, writableHighWaterMark: STDIN_BUFFER_BYTES }
  return options
}

function overSockets(child: ChildProcess): Launched {
  const { stdin, stdout, stderr } = child
  invariant(stdout !== null && stderr !== null, 'A child has two output streams')
  return launched(child, {
    stdin,
    stdout: streamOutput(stdout),
    stderr: streamOutput(stderr)
  })
}

function launched(
  child: ChildProcess,
  streams: Pick<Launched, 'stdin' | 'stdout' | 'stderr'>
): Launched {
  const { promise, resolve: end } = Promise.withResolvers<Awaited<Launched['ended']>>()
  child.once('exit', (code, signal) => end({ code, signal }))
  return { osPid: child.pid ?? 0, ...streams, ended: promise }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}
