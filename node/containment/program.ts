// Whether the command can be found inside, before anything is started: a program that confines says
// of a command that is not there only that it failed.

import { accessSync, closeSync, constants, openSync, readSync, statSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { posix } from 'node:path'
import {
  BAD_INTERPRETER,
  NOT_EXECUTABLE,
  NOT_FOUND,
  ProcessStartError
} from '../processes/errors.ts'
import { outsideOf } from './view.ts'
import type { Seen } from './view.ts'

/** Folders that containment makes anew: nothing lies in them before the command runs. */
const MADE_INSIDE: readonly string[] = ['/', '/dev', '/proc', '/run', '/tmp', '/var']

export interface ProgramQuestion {
  readonly program: string
  readonly path: string
  /** Inside. */
  readonly workDirectory: string
  readonly seen: readonly Seen[]
}

/** @throws WeaverError `PROCESS_NOT_FOUND`, `PROCESS_NOT_EXECUTABLE` */
export function foundProgram(question: ProgramQuestion): void {
  const { program, path, workDirectory, seen } = question
  if (program === '') throw new ProcessStartError(program, NOT_FOUND)
  const folders = program.includes('/') ? [''] : path.split(':')
  let why = NOT_FOUND
  for (const folder of folders) {
    const inside = posix.resolve(workDirectory, folder, program)
    const outside = outsideOf(inside, seen)
    if (MADE_INSIDE.includes(inside)) why = NOT_EXECUTABLE
    const stat = outside === null ? undefined : statOf(outside)
    if (outside === null || stat === undefined) continue
    if (stat.isFile() && isExecutable(outside)) {
      const interpreter = interpreterOf(outside)
      if (interpreter === null || isSeen(interpreter, question)) return
      throw new ProcessStartError(program, BAD_INTERPRETER)
    }
    // A folder on the search path that has the name of a command is passed over.
    if (stat.isFile() || program.includes('/')) why = NOT_EXECUTABLE
  }
  throw new ProcessStartError(program, why)
}

function isSeen(interpreter: string, { workDirectory, seen }: ProgramQuestion): boolean {
  const outside = outsideOf(posix.resolve(workDirectory, interpreter), seen)
  return outside !== null && statOf(outside) !== undefined
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch {
    return undefined // Below a file, or in a ring of links.
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** What the first line of a script names, or null for any other file. */
function interpreterOf(path: string): string | null {
  let open: number
  try {
    open = openSync(path, 'r')
  } catch {
    return null // Executable and not readable: no script can be.
  }
  try {
    const bytes = Buffer.alloc(256)
    const size = readSync(open, bytes, 0, bytes.length, 0)
    const match = /^#![ \t]*([^\s\0]+)/.exec(bytes.toString('latin1', 0, size))
    return match?.[1] ?? null
  } finally {
    closeSync(open)
  }
}
