// Functions and builtins: what a shell does itself before it looks for a program.

import { callOf, SILENT, UNKNOWN } from './call.ts'
import type { Flow } from './call.ts'
import { exact, texts } from './field.ts'
import type { Field } from './field.ts'
import { absolute, reads } from './paths.ts'
import { parseShell } from './shell-parser.ts'
import type { Shell } from './shell-state.ts'
import { judgeAssignment } from './shell-variables.ts'

/** Judges one command that a shell was given, with its functions and builtins. */
export function runSimple(fields: readonly Field[], shell: Shell, input: Flow): Flow {
  const { place } = shell
  const name = fields[0]?.text ?? ''
  if (fields[0]?.isExact !== true) {
    place.findings.unresolved('the name of a program is not known')
  } else if (shell.functions.has(name)) return runFunction(name, fields, shell, input)
  const builtin = BUILTINS.get(name)
  if (builtin !== undefined) {
    place.findings.command(fields)
    return builtin(fields, shell, input)
  }
  return place.judge(fields, input, place)
}

function runFunction(name: string, fields: readonly Field[], shell: Shell, input: Flow): Flow {
  const { findings } = shell.place
  const body = shell.functions.get(name) ?? null
  if (body === null) {
    findings.unresolved(`what ${name} is depends on what ran before`)
    return shell.place.judge(fields, input, shell.place)
  }
  if (shell.running.has(name)) {
    findings.risk('exhausts', `the function ${name} calls itself`)
    findings.unresolved(`the function ${name} calls itself`)
    return UNKNOWN
  }
  shell.called.add(name)
  if (!findings.step()) return UNKNOWN
  const areKnown = fields.every((field) => field.isExact)
  const inner: Shell = {
    ...shell,
    place: { ...shell.place, depth: shell.place.depth + 1 },
    positional: areKnown ? [shell.positional?.[0] ?? '', ...texts(fields.slice(1))] : null,
    running: new Set([...shell.running, name])
  }
  const printed = shell.walk.statement(body, inner, input)
  shell.areSeparatorsPlain &&= inner.areSeparatorsPlain
  shell.place = { ...shell.place, cwd: inner.place.cwd }
  return printed
}

type Builtin = (fields: readonly Field[], shell: Shell, input: Flow) => Flow

const BUILTINS: ReadonlyMap<string, Builtin> = new Map<string, Builtin>([
  [':', () => SILENT],
  ['eval', (fields, shell, input) => evaluate(fields.slice(1), shell, input)],
  ['cd', changeFolder],
  ['pushd', changeFolder],
  ['popd', changeFolder],
  ['alias', alias],
  ['unalias', () => SILENT],
  ['trap', trap],
  ['set', setPositional],
  ['shift', shift],
  ['unset', forget],
  ['read', forget],
  ['mapfile', forget],
  ['readarray', forget],
  ['getopts', forget],
  ['export', declare],
  ['readonly', declare],
  ['local', declare],
  ['declare', declare],
  ['typeset', declare],
  ['nameref', declare],
  ['exit', flowEnd],
  ['return', flowEnd],
  ['break', flowEnd],
  ['continue', flowEnd],
  ['enable', shellState],
  ['shopt', shellState],
  ['hash', shellState],
  ['bind', shellState],
  ['complete', shellState],
  ['.', source],
  ['source', source],
  ['command', unwrapped],
  ['builtin', unwrapped]
])

/** `exit` and its like change what else runs: all of it is judged, but less of it may run. */
function flowEnd(): Flow {
  return SILENT
}

function shellState(fields: readonly Field[], shell: Shell): Flow {
  shell.place.findings.unresolved(`${fields[0]?.text ?? ''} changes how the shell reads`)
  return SILENT
}

/** `command x` and `builtin x` go around functions, not around builtins. */
function unwrapped(fields: readonly Field[], shell: Shell, input: Flow): Flow {
  let rest = fields.slice(1)
  while (rest[0]?.text.startsWith('-') === true) {
    if (/^-\w*[vV]/.test(rest[0].text)) return UNKNOWN
    rest = rest.slice(1)
  }
  const name = rest[0]?.text ?? ''
  const builtin = BUILTINS.get(name)
  if (rest.length === 0) return SILENT
  if (rest[0]?.isExact === true && builtin !== undefined) {
    shell.place.findings.command(rest)
    return builtin(rest, shell, input)
  }
  return shell.place.judge(rest, input, shell.place)
}

function evaluate(fields: readonly Field[], shell: Shell, input: Flow): Flow {
  const { place } = shell
  const text = texts(fields).join(' ')
  const isExact = fields.every((field) => field.isExact)
  if (!isExact && place.substituted.has('network')) {
    place.findings.risk('runs-fetched-code', 'eval of what was fetched')
  }
  if (!isExact) place.findings.risk('interprets-code', 'eval of a text that is put together')
  const parsed = isExact ? parseShell(text, shell.options.reading) : { error: 'not known' }
  if ('error' in parsed || shell.options.isDoubtful || !place.findings.shell(text)) {
    // In its own shell, with the rules for doubtful and broken texts: what it assigns is not known.
    for (const name of shell.variables.keys()) shell.variables.set(name, null)
    place.findings.unresolved('eval changes the shell it runs in')
    const options = { ...shell.options, positional: shell.positional, input }
    return shell.walk.text({ text, isExact }, options, place)
  }
  shell.place = { ...place, depth: place.depth + 1 }
  return shell.walk.list(parsed.statements, shell, input)
}

function changeFolder(fields: readonly Field[], shell: Shell): Flow {
  const target = fields
    .slice(1)
    .find((field) => !/^-[LPe@]*$/.test(field.text) || field.text === '-')
  const isKnown =
    fields[0]?.text === 'cd' && target?.isExact === true && !/^(-|$)/.test(target.text)
  shell.place = {
    ...shell.place,
    cwd: isKnown && target !== undefined ? absolute(target.text, shell.place.cwd) : null
  }
  return SILENT
}

/** An alias is code for later lines in some shells and nothing in others. */
function alias(fields: readonly Field[], shell: Shell): Flow {
  const { place } = shell
  for (const field of fields.slice(1)) {
    const index = field.text.indexOf('=')
    if (index < 0) continue
    place.findings.unresolved(
      `the alias ${field.text.slice(0, index)} gives a name another meaning`
    )
    place.findings.risk('hides', `the alias ${field.text.slice(0, index)}`)
    const text = { text: field.text.slice(index + 1), isExact: field.isExact }
    place.shell(text, { ...shell.options, positional: null, input: UNKNOWN }, place)
  }
  return SILENT
}

function trap(fields: readonly Field[], shell: Shell): Flow {
  const code = fields[1]
  if (fields.length < 3 || code === undefined || code.text.startsWith('-')) return SILENT
  const { place } = shell
  place.shell(code, { ...shell.options, positional: null, input: UNKNOWN }, place)
  return SILENT
}

function setPositional(fields: readonly Field[], shell: Shell): Flow {
  const list = texts(fields.slice(1))
  if (list.length === 0) {
    shell.place.findings.risk('reads-secrets', 'set prints all variables')
    return { text: null, from: new Set(['secrets']) }
  }
  const isKnown = fields.every((field) => field.isExact)
  const start = list.findIndex((text) => text === '--' || !/^[-+]/.test(text))
  if (start >= 0) {
    const values = list.slice(list[start] === '--' ? start + 1 : start)
    // `-o name` takes a word of its own, and one bad letter makes all of it void: rather unknown than wrong.
    const isPlain = isKnown && list.slice(0, start).every((text) => /^[-+][eux]+$/.test(text))
    shell.positional = isPlain ? [shell.positional?.[0] ?? '', ...values] : null
  }
  if (list.some((text) => /^[-+]\w*[fnkpr]/.test(text))) {
    shell.place.findings.unresolved('set changes how the shell reads')
  }
  return SILENT
}

function shift(fields: readonly Field[], shell: Shell): Flow {
  const isOne = fields.length === 1 && shell.positional !== null && shell.positional.length > 1
  shell.positional = isOne
    ? [shell.positional?.[0] ?? '', ...(shell.positional?.slice(2) ?? [])]
    : null
  return SILENT
}

function forget(fields: readonly Field[], shell: Shell): Flow {
  for (const field of fields.slice(1)) {
    shell.variables.set(field.text, null)
    if (field.text === 'IFS') shell.areSeparatorsPlain = false
    if (field.text === 'HISTFILE') shell.place.findings.risk('hides', 'the history is switched off')
    if (fields[0]?.text === 'unset') shell.functions.set(field.text, null)
  }
  return SILENT
}

function declare(fields: readonly Field[], shell: Shell): Flow {
  const rest = fields.slice(1)
  const isPrinted = rest.every((field) => /^-[pxfF]+$/.test(field.text))
  if (isPrinted) {
    shell.place.findings.risk('reads-secrets', `${fields[0]?.text ?? ''} prints the environment`)
    return { text: null, from: new Set(['secrets']) }
  }
  for (const field of rest) {
    const index = field.text.indexOf('=')
    if (/^[-+]\w*n/.test(field.text)) shell.place.findings.unresolved('a name stands for another')
    if (index < 0 || field.text.startsWith('-')) continue
    const name = field.text.slice(0, index)
    const value = { text: field.text.slice(index + 1), isExact: field.isExact }
    if (name === 'IFS') shell.areSeparatorsPlain = false
    judgeAssignment(name, value, shell)
    shell.variables.set(name, field.isExact ? value.text : null)
  }
  return SILENT
}

function source(fields: readonly Field[], shell: Shell, input: Flow): Flow {
  const { place } = shell
  const path = fields[1]
  if (path === undefined) return SILENT
  const call = callOf(fields, input, place)
  reads(call, path.text)
  place.findings.risk('interprets-code', `the shell runs ${path.text}`)
  if (place.made.get(path.text) === 'fetched') {
    place.findings.risk('runs-fetched-code', `the shell runs ${path.text}, which was fetched`)
  }
  const isRead = path.isExact && !place.made.has(path.text) && path.text.includes('/')
  const text = isRead ? (place.readFile?.(absolute(path.text, place.cwd)) ?? null) : null
  for (const name of shell.variables.keys()) shell.variables.set(name, null)
  if (text === null || fields.length > 2) {
    place.findings.unresolved(`what ${path.text} has in it is not known`)
    shell.areSeparatorsPlain = false
    return UNKNOWN
  }
  const isDoubtful = true
  place.findings.unresolved(`${path.text} changes the shell it runs in`)
  return place.shell(exact(text), { ...shell.options, isDoubtful, positional: null, input }, place)
}
