// What one shell (or subshell) knows while its tree is walked.

import type { Flow, Place, ShellOptions } from './call.ts'
import type { Field } from './field.ts'
import type { Statement } from './tree.ts'

/** How builtins run statements: given to them, because the walk is what calls them. */
export interface Walk {
  statement(statement: Statement, shell: Shell, input: Flow): Flow
  list(statements: readonly Statement[], shell: Shell, input: Flow): Flow
  text(text: Field, options: ShellOptions, place: Place): Flow
}

/** What one shell (or subshell) knows at one moment. */
export interface Shell {
  place: Place
  readonly options: ShellOptions
  readonly variables: Map<string, string | null>
  readonly functions: Map<string, Statement | null>
  positional: readonly string[] | null
  areSeparatorsPlain: boolean
  /** Functions that have been called, by name. */
  readonly called: Set<string>
  /** Functions that are running now: what calls itself exhausts. */
  readonly running: ReadonlySet<string>
  readonly walk: Walk
}
