// Why a process could not be started. `detail.exitCode` is what a shell would have answered.

import { WeaverError } from '../../core/index.ts'
import type { Retry } from '../../core/index.ts'

interface StartFailure {
  readonly code: string
  readonly why: string
  readonly retry?: Retry
  readonly exitCode?: number
}

/** A command that could not be started. Nothing runs, and nothing is left behind. */
export class ProcessStartError extends WeaverError {
  constructor(command: string, failure: StartFailure, cause?: unknown) {
    super(failure.code, `Cannot start '${command.slice(0, 200)}': ${failure.why}`, {
      retry: failure.retry ?? 'never',
      detail: { command: command.slice(0, 200), exitCode: failure.exitCode ?? null },
      ...(cause === undefined ? {} : { cause })
    })
  }
}

export const NOT_FOUND: StartFailure = {
  code: 'PROCESS_NOT_FOUND',
  why: 'no such command',
  exitCode: 127
}
export const NOT_EXECUTABLE: StartFailure = {
  code: 'PROCESS_NOT_EXECUTABLE',
  why: 'it is not executable',
  exitCode: 126
}
export const BAD_INTERPRETER: StartFailure = {
  code: 'PROCESS_NOT_EXECUTABLE',
  why: 'its interpreter (the #! line) does not exist',
  exitCode: 126
}
export const TOO_LONG: StartFailure = {
  code: 'PROCESS_ARGUMENTS_TOO_LONG',
  why: 'its arguments and environment are too long for this system',
  exitCode: 126
}
export const TOO_MANY: StartFailure = {
  code: 'PROCESS_TOO_MANY',
  why: 'this machine is out of processes, memory or file descriptors',
  retry: 'later'
}
export const MALFORMED: StartFailure = {
  code: 'PROCESS_INVALID_COMMAND',
  why: 'arguments, variables and directory may not contain NUL, nor names of variables be empty or contain ='
}
export const SPAWN_FAILED: StartFailure = {
  code: 'PROCESS_SPAWN_FAILED',
  why: 'the system refused'
}
export const STOPPED: StartFailure = {
  code: 'PROCESS_HOST_STOPPED',
  why: 'this kernel is stopping',
  retry: 'elsewhere'
}

export class BadDirectoryError extends WeaverError {
  constructor(directory: string, why: string) {
    super('PROCESS_BAD_DIRECTORY', `Cannot start in directory '${directory}': ${why}`, {
      detail: { directory, exitCode: 126 }
    })
  }
}

export class UnknownSignalError extends WeaverError {
  constructor(name: string) {
    super(
      'PROCESS_UNKNOWN_SIGNAL',
      `Cannot send signal '${name.slice(0, 32)}': use SIGTERM, SIGINT, SIGHUP, SIGKILL, ...`,
      { detail: { name: name.slice(0, 32) } }
    )
  }
}

/** What the other end of an attached process's channel is told when the process is detached. */
export class DetachedError extends WeaverError {
  constructor() {
    super('PROCESS_DETACHED', 'Cannot go on with this stream: the process was detached from it')
  }
}
