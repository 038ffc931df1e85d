// What a command is: enough to parse its arguments, to print its help and to complete it, without loading
// the code that runs it.

import type { ControlClient } from '../node/api/index.ts'
import type { Output } from './output.ts'

export interface Option {
  /** What stands for the value in help (`NODE`); absent for a flag that takes none. */
  readonly value?: string
  readonly short?: string
  readonly isMultiple?: boolean
  readonly help: string
}

export interface Command {
  readonly summary: string
  /** What may follow the options, as help shows it: `[NODE]`, `-- COMMAND [ARGS...]`. */
  readonly usage?: string
  readonly options?: Readonly<Record<string, Option>>
  /** How many words may follow; none by default. */
  readonly words?: { readonly min: number; readonly max: number }
  /** Everything from the first word on belongs to another program: its options are not ours. */
  readonly isWrapper?: boolean
  /** More for its help page: one paragraph. */
  readonly about?: string
  /** Whole command lines. At least one: a test runs down the table. */
  readonly examples: readonly [string, ...string[]]
  readonly load: () => Promise<Runner>
}

/** The least and the most that may be given. */
export type Range = readonly [least: number, most: number]

/** The checked words and options of one command line. */
export interface Args {
  readonly words: readonly string[]
  flag(name: string): boolean
  text(name: string): string | null
  texts(name: string): readonly string[]
  /** A whole number within `range`, `standard` when the option is absent. */
  count(name: string, standard: number, range?: Range): number
  oneOf<T extends string>(name: string, choices: readonly T[], standard: T): T
}

export interface Context {
  readonly home: string
  readonly client: ControlClient
  readonly output: Output
}

/** Runs the command. Its result is the exit code. */
export type Runner = (context: Context, args: Args) => Promise<number>

export interface Group {
  readonly summary: string
  readonly commands: Readonly<Record<string, Command>>
}
