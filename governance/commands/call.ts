// One simple command while it is judged.

import type { Field } from './field.ts'
import type { Findings, Risk } from './findings.ts'
import type { Reading } from './tree.ts'

/** Where bytes come from: what reaches a pipe's right side. */
export type Origin = 'network' | 'files' | 'secrets' | 'decoded' | 'unknown'

/** What a command prints, or finds on its standard input. Null is not known. */
export interface Flow {
  readonly text: string | null
  readonly from: ReadonlySet<Origin>
}

export const SILENT: Flow = { text: '', from: new Set() }
export const UNKNOWN: Flow = { text: null, from: new Set(['unknown']) }

export function flow(text: string | null, ...from: readonly Origin[]): Flow {
  return { text, from: new Set(from) }
}

/** Everything about where the command would run. */
export interface Place {
  readonly findings: Findings
  /** The working folder, null where it is not known. */
  readonly cwd: string | null
  readonly environmentNames: ReadonlySet<string>
  readonly readFile: ((path: string) => string | null) | null
  readonly depth: number
  /** Files that the same command fetched or wrote, by path. */
  readonly made: MadeFiles
  /** What flowed into substitutions, since the last simple command: `curl host/$(cat secret)`. */
  readonly substituted: Set<Origin>
  /** Judges a command vector. */
  judge(command: readonly Field[], input: Flow, place: Place): Flow
  /** Judges a shell text. */
  shell(text: Field, options: ShellOptions, place: Place): Flow
}

/** `x` and `./x` are one file. */
export class MadeFiles {
  readonly #files = new Map<string, 'fetched' | 'made'>()

  get(path: string): 'fetched' | 'made' | undefined {
    return this.#files.get(plain(path))
  }

  has(path: string): boolean {
    return this.#files.has(plain(path))
  }

  set(path: string, from: 'fetched' | 'made'): void {
    this.#files.set(plain(path), from)
  }
}

function plain(path: string): string {
  return path.replace(/^(\.\/+)+/, '')
}

export interface ShellOptions {
  readonly reading: Reading
  /** Neither reading is certain: shells that are told apart only on the machine. */
  readonly isDoubtful: boolean
  /** `$0`, `$1`, ...; null where not known. */
  readonly positional: readonly string[] | null
  readonly input: Flow
}

export interface Call {
  /** The program's name without its folder. */
  readonly name: string
  /** All arguments, the program first. */
  readonly fields: readonly Field[]
  /** The texts of the arguments after the program. */
  readonly args: readonly string[]
  /** Arguments that are no options. After `--` all are. */
  readonly operands: readonly string[]
  /** Options: `-rf` as `r` and `f`, `--force=x` as `force`. */
  readonly flags: ReadonlySet<string>
  readonly input: Flow
  readonly place: Place
  readonly findings: Findings
}

export function callOf(fields: readonly Field[], input: Flow, place: Place): Call {
  const args = fields.slice(1).map((field) => field.text)
  const flags = new Set<string>()
  const operands: string[] = []
  let isPastOptions = false
  for (const argument of args) {
    if (isPastOptions || !argument.startsWith('-') || argument === '-') operands.push(argument)
    else if (argument === '--') isPastOptions = true
    else for (const flag of flagsOf(argument)) flags.add(flag)
  }
  const name = programName(fields[0]?.text ?? '')
  return { name, fields, args, operands, flags, input, place, findings: place.findings }
}

function flagsOf(argument: string): readonly string[] {
  const [head = ''] = argument.split('=', 1)
  if (head.startsWith('--')) return [head.slice(2)]
  return [...head.slice(1).split(''), head.slice(1)]
}

/** Names that are one program under several: `python3.12` is `python3`, `/bin/rm` is `rm`. */
export function programName(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1)
  return name.replace(/^(python3|python2|python|perl|ruby|node|php|lua)[\d.]+$/, '$1')
}

export function has(call: Call, ...flags: readonly string[]): boolean {
  return flags.some((flag) => call.flags.has(flag))
}

/** The value after an option, in the forms `-o value`, `-ovalue`, `--long value`, `--long=value`. */
export function valuesOf(
  args: readonly string[],
  ...options: readonly string[]
): readonly string[] {
  const found: string[] = []
  for (const [index, argument] of args.entries()) {
    for (const option of options) {
      const isLong = option.startsWith('--')
      if (argument === option) found.push(args[index + 1] ?? '')
      else if (isLong && argument.startsWith(`${option}=`)) {
        found.push(argument.slice(option.length + 1))
      } else if (!isLong && argument.startsWith(option)) found.push(argument.slice(option.length))
    }
  }
  return found
}

export function risk(call: Call, name: Risk, why = ''): void {
  call.findings.risk(name, why === '' ? call.args.reduce(joined, call.name) : why)
}

function joined(text: string, argument: string): string {
  return text.length > 120 ? text : `${text} ${argument}`
}
