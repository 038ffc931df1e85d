// The kernel's log: one JSON object a line, `{time, level, message, fields}`, in files that are rotated by
// size.
//
// Invariants
//   F1. A line is with the operating system when the call returns: a crash loses nothing.
//   F2. Logging never throws and never fills a disk: lines that cannot be written are counted, and the
//       count is logged once lines can be written again.
//   F3. Fields are plain values of bounded length. Nothing that could carry a secret along fits: no
//       objects, no bytes, no errors with their causes.
//   F4. Lines that come again and again are left out and counted: nobody outside fills the log.

import { closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock, LogFields, Logger } from '../core/index.ts'
import { LogBudget } from './log-budget.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']
/** Bytes of one log file, and how many older ones are kept beside it: 50 MB of text at most. */
const FILE_BYTES_MAX: number = 10 * 1000 * 1000
const OLDER_FILES_MAX = 4
/** Characters of a message or of a text in a field: a stack trace, and no more. */
const TEXT_LENGTH_MAX = 4096
const FIELDS_MAX = 32

export interface LogFileOptions {
  readonly directory: string
  /** Lines below it are not written. */
  readonly level: LogLevel
  readonly fileBytesMax?: number
  /** Told of every line as well. Must not throw. */
  readonly onLine?: (line: string) => void
}

/** The file of the newest lines (age 0), of those before it (age 1), and so on. */
export function logPath(directory: string, age: number = 0): string {
  return join(directory, age === 0 ? 'kernel.log' : `kernel.${age}.log`)
}

export class LogFile {
  readonly logger: Logger
  readonly #clock: Clock
  readonly #options: LogFileOptions
  readonly #fileBytesMax: number
  #descriptor: number | null = null
  #fileBytes = 0
  #linesLost = 0
  readonly #budget = new LogBudget()
  #isClosed = false
  #redacted = (text: string): string => text

  /** Opens nothing yet: the first line does. */
  constructor(deps: { readonly clock: Clock }, options: LogFileOptions) {
    this.#clock = deps.clock
    this.#options = options
    this.#fileBytesMax = options.fileBytesMax ?? FILE_BYTES_MAX
    this.logger = this.#loggerWith({})
  }

  /** From here on every line passes through this: it takes secrets out. */
  redactBy(redacted: (text: string) => string): void {
    this.#redacted = redacted
  }

  /** What comes later is lost. May be called twice. */
  close(): void {
    if (!this.#isClosed) this.#tellLeftOut()
    this.#isClosed = true
    this.#closeFile()
  }

  #loggerWith(own: LogFields): Logger {
    const at =
      (level: LogLevel) =>
      (message: string, fields?: LogFields): void =>
        this.#log(level, message, { ...own, ...fields })
    return {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: (fields) => this.#loggerWith({ ...own, ...fields })
    }
  }

  #log(level: LogLevel, message: string, fields: LogFields): void {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(this.#options.level) || this.#isClosed) return
    if (this.#budget.isOver(this.#clock.now())) this.#tellLeftOut()
    if (this.#budget.takes(message)) this.#put(level, message, fields) // F4
  }

  #tellLeftOut(): void {
    for (const { kind, count } of this.#budget.settle(this.#clock.now())) {
      this.#put('warn', 'Lines were left out: too many of one kind', { kind, count })
    }
  }

  #put(level: LogLevel, message: string, fields: LogFields): void {
    const line = this.#redacted(this.#format(level, message, fields))
    this.#write(line)
    this.#options.onLine?.(line)
  }

  #format(level: LogLevel, message: string, fields: LogFields): string {
    const plain = Object.entries(fields)
      .slice(0, FIELDS_MAX)
      .map(([name, value]) => [name, plainValue(value)] as const)
    const line = {
      time: this.#clock.wall(),
      level,
      message: shortened(message),
      fields: Object.fromEntries(plain)
    }
    return `${JSON.stringify(line)}\n`
  }

  #write(line: string): void {
    try {
      const descriptor = this.#open()
      if (this.#linesLost > 0) {
        const lost = { count: this.#linesLost }
        const notice = this.#format('warn', 'Lines were lost: the log could not be written', lost)
        this.#fileBytes += writeSync(descriptor, notice)
        this.#linesLost = 0
      }
      this.#fileBytes += writeSync(descriptor, line)
      if (this.#fileBytes >= this.#fileBytesMax) this.#rotate()
    } catch {
      this.#linesLost += 1 // F2
    }
  }

  #open(): number {
    if (this.#descriptor !== null) return this.#descriptor
    mkdirSync(this.#options.directory, { recursive: true, mode: 0o700 })
    this.#descriptor = openSync(logPath(this.#options.directory), 'a', 0o600)
    this.#fileBytes = fstatSync(this.#descriptor).size
    return this.#descriptor
  }

  #rotate(): void {
    this.#closeFile()
    for (let age = OLDER_FILES_MAX - 1; age >= 0; age--) {
      try {
        renameSync(logPath(this.#options.directory, age), logPath(this.#options.directory, age + 1))
      } catch {
        // There are not so many yet.
      }
    }
  }

  #closeFile(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor)
    this.#descriptor = null
  }
}

type PlainValue = string | number | boolean | null

function plainValue(value: LogFields[string]): PlainValue {
  if (typeof value === 'string') return shortened(value)
  if (typeof value === 'boolean' || value === null) return value
  if (typeof value === 'number' && Number.isFinite(value)) return value
  // A bigint, NaN, or what slipped past the types: as text, which JSON can say.
  return shortened(String(value))
}

function shortened(text: string): string {
  if (text.length <= TEXT_LENGTH_MAX) return text
  return `${text.slice(0, TEXT_LENGTH_MAX)}... (${text.length} characters)`
}
