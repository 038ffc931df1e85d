// Walks a shell's tree the way a shell does, without running anything: every simple command is judged.
//
// Invariants
//   S1. Every simple command in the tree is judged at least once, also in branches that may never run.
//   S2. A value is exact only if every shell of that reading computes it; branches and loops make the
//       variables that they assign unknown.

import { callOf, SILENT, UNKNOWN } from './call.ts'
import type { Flow, Origin, Place, ShellOptions } from './call.ts'
import { exact } from './field.ts'
import type { Field } from './field.ts'
import { DEPTH_MAX, SHELL_TEXT_LENGTH_MAX } from './limits.ts'
import { isOwnPath, isSink, reads, writes } from './paths.ts'
import { parseShell } from './shell-parser.ts'
import { runSimple } from './shell-commands.ts'
import type { Shell } from './shell-state.ts'
import { judgeAssignment } from './shell-variables.ts'
import type { Assignment, Command, Redirect, Statement, Word } from './tree.ts'
import { expandText, expandWords, hasPattern, looksHidden } from './words.ts'
import type { WordScope } from './words.ts'

/** Judges a text in one reading, and says what it prints where that is known. */
export function judgeShellText(text: Field, options: ShellOptions, place: Place): Flow {
  const { findings } = place
  if (!text.isExact) findings.unresolved('a shell text is put together while it runs')
  if (place.depth > DEPTH_MAX) {
    findings.unresolved('shells lie too deep in each other')
    return UNKNOWN
  }
  if (!findings.shell(text.text)) return UNKNOWN
  const parsed = parseShell(text.text, options.reading)
  const other = options.isDoubtful ? parseShell(text.text, 'bash') : parsed
  const inner = { ...place, depth: place.depth + 1 }
  let printed: Flow | null = null
  if ('statements' in parsed) printed = runStatements(parsed.statements, newShell(options, inner))
  if (options.isDoubtful && JSON.stringify(parsed) !== JSON.stringify(other)) {
    findings.unresolved('shells read this text in different ways')
    if ('statements' in other) {
      printed = runStatements(other.statements, newShell({ ...options, reading: 'bash' }, inner))
    }
  }
  judgeHashes(text.text, parsed, options, inner)
  if ('error' in parsed) {
    findings.unresolved(parsed.error)
    if (printed === null) judgeCrudely(text.text, inner)
  }
  return printed ?? UNKNOWN
}

/**
 * The parser takes `"a"#` for the start of a comment, where shells go on with the word. Such a text is
 * read again with the `#` quoted, and where that makes a difference both are judged.
 */
function judgeHashes(text: string, parsed: unknown, options: ShellOptions, place: Place): void {
  const quoted = text.replaceAll(/([^\s;&|(#$\\{])#/g, String.raw`$1\#`)
  if (quoted === text || quoted.length > SHELL_TEXT_LENGTH_MAX) return
  const other = parseShell(quoted, options.reading)
  if ('error' in other || withPlainHashes(parsed) === withPlainHashes(other)) return
  place.findings.unresolved('a # stands where it may be a comment or not')
  runStatements(other.statements, newShell(options, place))
}

function withPlainHashes(tree: unknown): string {
  return JSON.stringify(tree).replaceAll('\\\\#', '#')
}

/** A shell runs the lines before a mistake, so even a broken text is looked through. */
function judgeCrudely(text: string, place: Place): void {
  for (const piece of text.slice(0, 8192).split(/[\n;&|(){}`<>]+/)) {
    const words = piece.split(/\s+/).filter((word) => word !== '')
    const fields = words.map((word) => ({ text: word.replaceAll(/["'\\]/g, ''), isExact: false }))
    if (fields.length > 0) place.judge(fields, UNKNOWN, place)
  }
}

function newShell(options: ShellOptions, place: Place): Shell {
  return {
    place,
    options,
    variables: new Map(),
    functions: new Map(),
    positional: options.positional,
    areSeparatorsPlain: true,
    called: new Set(),
    running: new Set(),
    walk: { statement: runStatement, list: runList, text: judgeShellText }
  }
}

function subshell(shell: Shell): Shell {
  return {
    ...shell,
    place: { ...shell.place, depth: shell.place.depth + 1 },
    variables: new Map(shell.variables),
    functions: new Map(shell.functions)
  }
}

export function runStatements(statements: readonly Statement[], shell: Shell): Flow {
  let printed: Flow = SILENT
  for (const statement of statements) {
    printed = together(printed, runStatement(statement, shell, shell.options.input))
  }
  judgeUncalled(shell, statements)
  return printed
}

/** A function that nobody calls here may be called by what is not seen. */
function judgeUncalled(shell: Shell, statements: readonly Statement[]): void {
  for (const { command } of statements) {
    if (command?.kind !== 'function' || shell.called.has(command.name)) continue
    shell.called.add(command.name)
    const inner = { ...subshell(shell), positional: null }
    runStatement(command.body, inner, UNKNOWN)
  }
}

export function together(one: Flow, two: Flow): Flow {
  const text = one.text === null || two.text === null ? null : one.text + two.text
  return { text, from: new Set([...one.from, ...two.from]) }
}

export function runStatement(statement: Statement, shell: Shell, input: Flow): Flow {
  if (shell.place.depth > DEPTH_MAX) {
    shell.place.findings.unresolved('commands lie too deep in each other')
    return UNKNOWN
  }
  if (!shell.place.findings.step()) return UNKNOWN
  const { command } = statement
  let given = input
  let isCaptured = false
  for (const redirect of statement.redirects) {
    given = redirected(redirect, shell) ?? given
    isCaptured ||= /^(>|&>)/.test(redirect.operator) && (redirect.descriptor ?? '1') === '1'
  }
  // What runs in the background is a subshell, and ends at another time.
  const own = statement.isBackground ? subshell(shell) : shell
  // A file that cannot be opened keeps the command from running, from changing the shell and from printing.
  const mayNotRun = statement.redirects.some((redirect) => opensFile(redirect, shell))
  const before = mayNotRun ? memory(own) : null
  const printed = command === null ? SILENT : runCommand(command, own, given)
  if (before !== null) forgetChanges(before, own)
  rememberOutput(statement, shell, printed)
  if (isCaptured) return { text: '', from: printed.from }
  return mayNotRun ? { text: null, from: printed.from } : printed
}

function opensFile({ document, operator, target }: Redirect, shell: Shell): boolean {
  if (document !== null || operator === '<<<') return false
  const { text, isExact } = expandText(target, scopeOf(shell))
  const isCopy = operator.endsWith('&') && /^(\d+|-)-?$/.test(text)
  return !isCopy && !(isExact && isSink(text))
}

/** `curl ... > x`: x is what came from there. */
function rememberOutput(statement: Statement, shell: Shell, printed: Flow): void {
  for (const redirect of statement.redirects) {
    if (!/^(>|&>)/.test(redirect.operator) || redirect.operator === '>&') continue
    const target = expandText(redirect.target, scopeOf(shell)).text
    const from = printed.from.has('network') ? 'fetched' : 'made'
    if (target !== '') shell.place.made.set(target, from)
  }
}

/** Judges a redirection. Gives the new standard input if it changes that. */
function redirected(redirect: Redirect, shell: Shell): Flow | null {
  const scope = scopeOf(shell)
  if (redirect.document !== null) return documentText(redirect, shell)
  const target = expandText(redirect.target, scope)
  const { findings } = shell.place
  if (redirect.operator === '<<<') {
    return { text: target.isExact ? `${target.text}\n` : null, from: new Set() }
  }
  const isNumber = /^(\d+|-)-?$/.test(target.text)
  if ((redirect.operator === '>&' || redirect.operator === '<&') && isNumber) return null
  if (!target.isExact) findings.unresolved('the target of a redirection is not known')
  else if (hasPattern(redirect.target)) findings.unresolved('a redirection goes to a pattern')
  const call = callOf([exact('the shell')], SILENT, shell.place)
  if (!redirect.operator.startsWith('<')) {
    writes(call, target.text)
    const isKept = redirect.operator.endsWith('>>') || isSink(target.text)
    if (!isKept && !isOwnPath(target.text, shell.place.cwd)) {
      findings.risk('destroys', `the shell overwrites ${target.text}`)
    }
    return null
  }
  const remote = /^\/dev\/(?:tcp|udp)\/([^/]+)/.exec(target.text)
  if (remote !== null) {
    findings.host(remote[1] ?? '')
    findings.risk('exfiltrates', `the shell connects to ${target.text}`)
  } else reads(call, target.text)
  if (redirect.operator === '<>') writes(call, target.text)
  const from: Origin = remote === null ? 'files' : 'network'
  return (redirect.descriptor ?? '0') === '0' ? { text: null, from: new Set([from]) } : null
}

function documentText(redirect: Redirect, shell: Shell): Flow {
  const isVerbatim = redirect.target.parts.some(
    (part) => part.kind !== 'literal' || part.text.includes('\\')
  )
  const parts = redirect.document?.parts ?? []
  const raw = parts.map((part) => (part.kind === 'literal' ? part.text : '')).join('')
  const field = isVerbatim
    ? exact(raw)
    : expandText({ parts: [{ kind: 'double', parts }] }, scopeOf(shell))
  const isStripped = redirect.operator === '<<-'
  const text = isStripped ? field.text.replaceAll(/^\t+/gm, '') : field.text
  const isOdd = !isVerbatim && raw.includes(String.raw`\"`)
  return { text: field.isExact && !isOdd ? text : null, from: new Set() }
}

export function runCommand(command: Command, shell: Shell, input: Flow): Flow {
  switch (command.kind) {
    case 'simple':
      return runWords(command.words, command.assignments, shell, input)
    case 'pipe': {
      const left = runStatement(command.left, subshell(shell), input)
      return runStatement(command.right, subshell(shell), left)
    }
    case 'maybe': {
      const left = runStatement(command.left, shell, input)
      const before = memory(shell)
      const right = runStatement(command.right, shell, input)
      forgetChanges(before, shell)
      return { text: null, from: together(left, right).from }
    }
    case 'group': {
      const inner = command.isSubshell ? subshell(shell) : shell
      return runList(command.statements, inner, input)
    }
    case 'repeat':
      return runRepeated(command, shell, input)
    case 'function':
      // A function that stands in a branch may or may not be this one.
      shell.functions.set(command.name, shell.functions.has(command.name) ? null : command.body)
      if (shell.functions.get(command.name) === null) {
        shell.place.findings.unresolved(`the function ${command.name} is defined twice`)
        runStatement(command.body, { ...subshell(shell), positional: null }, UNKNOWN)
      }
      return SILENT
    case 'declare': {
      const words: Word = { parts: [{ kind: 'literal', text: command.program }] }
      return runWords([words, ...command.words], command.assignments, shell, input)
    }
    default:
      // Arithmetic assigns, and an index in it may run commands.
      for (const name of shell.variables.keys()) shell.variables.set(name, null)
      shell.place.findings.unresolved('conditions and arithmetic are not followed')
      for (const inside of command.inside) runList(inside, subshell(shell), UNKNOWN)
      return UNKNOWN
  }
}

export function runList(statements: readonly Statement[], shell: Shell, input: Flow): Flow {
  let printed: Flow = SILENT
  for (const statement of statements) {
    printed = together(printed, runStatement(statement, shell, input))
  }
  judgeUncalled(shell, statements)
  return printed
}

type Memory = Pick<Shell, 'variables' | 'functions' | 'positional' | 'place'>

function memory(shell: Shell): Memory {
  const { variables, functions, positional, place } = shell
  return { variables: new Map(variables), functions: new Map(functions), positional, place }
}

/** What may or may not have run: whatever it changed is not known from then on. */
function forgetChanges(before: Memory, shell: Shell): void {
  for (const [name, value] of shell.variables) {
    if (before.variables.get(name) !== value) shell.variables.set(name, null)
  }
  for (const [name, body] of shell.functions) {
    if (before.functions.get(name) !== body) shell.functions.set(name, null)
  }
  if (before.positional !== shell.positional) shell.positional = null
  if (before.place.cwd !== shell.place.cwd) shell.place = { ...shell.place, cwd: null }
}

function runRepeated(
  command: Extract<Command, { kind: 'repeat' }>,
  shell: Shell,
  input: Flow
): Flow {
  const { findings } = shell.place
  if (command.isEndless) findings.risk('exhausts', 'a loop that never ends')
  expandWords(command.words, scopeOf(shell))
  const items = command.loop === null ? [] : expandWords(command.loop.items, scopeOf(shell))
  if (command.loop !== null) shell.variables.set(command.loop.variable, null)
  // What a body assigns is unknown already when it starts for the second time.
  for (const name of assignedIn(command.bodies)) shell.variables.set(name, null)
  const isFollowed =
    command.loop !== null && items.length <= 16 && items.every((item) => item.isExact)
  const rounds = isFollowed ? items.map((item) => item.text) : [null]
  let from: ReadonlySet<Origin> = input.from
  for (const round of rounds) {
    if (command.loop !== null) shell.variables.set(command.loop.variable, round)
    for (const body of command.bodies) {
      const before = memory(shell)
      from = new Set([...from, ...runList(body, shell, { text: null, from: input.from }).from])
      forgetChanges(before, shell)
    }
  }
  return { text: null, from }
}

/** Names assigned anywhere in the bodies. Deeper ones are found when they run, and forgotten then. */
function assignedIn(bodies: readonly (readonly Statement[])[]): ReadonlySet<string> {
  const names = new Set<string>()
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    if (Array.isArray(value)) {
      for (const item of value) visit(item)
      return
    }
    const name: unknown = Reflect.get(value, 'name')
    const variable: unknown = Reflect.get(value, 'variable')
    if (typeof name === 'string' && Reflect.has(value, 'isAppended')) names.add(name)
    if (typeof variable === 'string') names.add(variable)
    for (const item of Object.values(value)) visit(item)
  }
  visit(bodies)
  return names
}

function runWords(
  words: readonly Word[],
  assignments: readonly Assignment[],
  shell: Shell,
  input: Flow
): Flow {
  const { findings } = shell.place
  const fields = expandWords(words, scopeOf(shell))
  const [first] = words
  if (first !== undefined && looksHidden(first)) {
    findings.risk('hides', `the name of a program is disguised: ${fields[0]?.text ?? ''}`)
  }
  if (first?.parts.some((part) => part.kind !== 'literal' && part.kind !== 'quoted') === true) {
    if (fields[0]?.isExact === true && !fields[0].text.includes('/')) {
      findings.risk('hides', `the name of a program is computed: ${fields[0].text}`)
    }
  }
  for (const assignment of assignments) assign(assignment, shell, fields.length > 0)
  return fields.length === 0 ? SILENT : runSimple(fields, shell, input)
}

function assign(assignment: Assignment, shell: Shell, isForCommand: boolean): void {
  for (const inside of assignment.inside) runList(inside, subshell(shell), UNKNOWN)
  const field = assignment.value === null ? null : expandText(assignment.value, scopeOf(shell))
  const old = shell.variables.get(assignment.name) ?? null
  let value = field?.isExact === true ? field.text : null
  if (assignment.isAppended) value = value === null || old === null ? null : old + value
  if (assignment.name === 'IFS') shell.areSeparatorsPlain = false
  judgeAssignment(assignment.name, field ?? { text: '', isExact: false }, shell)
  // Before a command it is for that command alone, or stays after some builtins.
  shell.variables.set(assignment.name, isForCommand ? null : value)
}

export function scopeOf(shell: Shell): WordScope {
  return {
    variable: (name) =>
      name === 'IFS' && shell.areSeparatorsPlain ? ' \t\n' : (shell.variables.get(name) ?? null),
    assign: (name, value) => shell.variables.set(name, value),
    positional: () => shell.positional,
    substitute: (statements) => {
      const inner = subshell(shell)
      const printed = runList(statements, inner, shell.options.input)
      for (const origin of printed.from) shell.place.substituted.add(origin)
      return printed.text === null ? null : printed.text.replace(/\n+$/, '')
    },
    separators: () => (shell.areSeparatorsPlain ? /[ \t\n]+/ : null)
  }
}
