// From a word of the tree to the arguments it becomes: quotes, variables, splitting, braces. Pure; what
// the shell would have to be asked for (files, other programs) makes the argument inexact.

import { decodeAnsiQuote } from './ansi-quote.ts'
import type { Field } from './field.ts'
import { FIELD_LENGTH_MAX, FIELDS_MAX } from './limits.ts'
import type { Parameter, Part, Statement, Word } from './tree.ts'

/** What the shell around a word knows. */
export interface WordScope {
  /** The value, or null where it is not known. */
  variable(name: string): string | null
  assign(name: string, value: string | null): void
  /** `$1`..., or null where they are not known. */
  positional(): readonly string[] | null
  /** Judges the commands, and says what they print if that is known. */
  substitute(statements: readonly Statement[]): string | null
  /** Null where `IFS` has been touched. */
  separators(): RegExp | null
}

interface Segment {
  readonly text: string
  readonly isExact: boolean
  readonly isQuoted: boolean
  /** A value that is split into fields when it stands outside quotes. */
  readonly isValue: boolean
  /** Ends the field before it: between the parameters of "$@". */
  readonly isBreak: boolean
}

/** The fields that words become, in order. */
export function expandWords(words: readonly Word[], scope: WordScope): readonly Field[] {
  const fields: Field[] = []
  for (const word of words) {
    for (const single of expandBraces(word)) {
      if (fields.length >= FIELDS_MAX) return [...fields, { text: '', isExact: false }]
      fields.push(...split(segments(single.parts, scope, false), scope))
    }
  }
  return fields
}

/** One text, without splitting: values of variables, targets of redirections, here-documents. */
export function expandText(word: Word, scope: WordScope): Field {
  const found = segments(word.parts, scope, false)
  const text = found.map((segment) => segment.text).join('')
  const first = word.parts[0]
  const hasTilde = first?.kind === 'literal' && /(^|:)~/.test(first.text)
  const isExact = !hasTilde && found.every((segment) => segment.isExact && !segment.isBreak)
  return { text: text.slice(0, FIELD_LENGTH_MAX), isExact }
}

/** A pattern in the target of a redirection: some shells expand it, some do not. */
export function hasPattern(word: Word): boolean {
  return word.parts.some(
    (part) => part.kind === 'literal' && isPattern(unescaped(part.text).marked)
  )
}

/** `r\m`, `'r'm`, `$'\x72m'`: a name written so that a reader does not see it. */
export function looksHidden(word: Word): boolean {
  const { parts } = word
  if (parts.some((part) => part.kind === 'ansi')) return true
  if (parts.some((part) => part.kind === 'literal' && /\\[A-Za-z]/.test(part.text))) return true
  return parts.length > 1 && parts.some((part) => part.kind === 'quoted' || part.kind === 'double')
}

function expandBraces(word: Word): readonly Word[] {
  let found: Word[] = [{ parts: [] }]
  for (const part of word.parts) {
    const choices: readonly (readonly Part[])[] =
      part.kind === 'braces'
        ? part.items.flatMap((item) => expandBraces(item)).map((item) => item.parts)
        : [[part]]
    found = found.flatMap((prefix) =>
      choices.map((choice) => ({ parts: [...prefix.parts, ...choice] }))
    )
    if (found.length > FIELDS_MAX) found = [{ parts: [{ kind: 'opaque', inside: [] }] }]
  }
  return found
}

function plain(text: string, isQuoted: boolean, isExact = true): Segment {
  return { text, isExact, isQuoted, isValue: false, isBreak: false }
}

function value(text: string | null, isQuoted: boolean): Segment {
  return { text: text ?? '', isExact: text !== null, isQuoted, isValue: true, isBreak: false }
}

function segments(parts: readonly Part[], scope: WordScope, isQuoted: boolean): readonly Segment[] {
  return parts.flatMap((part) => segmentsOf(part, scope, isQuoted))
}

function segmentsOf(part: Part, scope: WordScope, isQuoted: boolean): readonly Segment[] {
  switch (part.kind) {
    case 'literal':
      return isQuoted ? [plain(unquoted(part.text), true)] : literal(part.text)
    case 'quoted':
      return [plain(part.text, true)]
    case 'ansi': {
      const decoded = decodeAnsiQuote(part.text)
      return [plain(decoded.text, true, decoded.isExact)]
    }
    case 'double': {
      const inner = segments(part.parts, scope, true)
      const isBare = part.parts.length === 1 && isList(part.parts[0])
      // "$@" without parameters is no field at all; "" is an empty one.
      return isBare ? inner : [plain('', true), ...inner]
    }
    case 'parameter':
      return parameter(part, scope, isQuoted)
    case 'substitution':
      return [value(scope.substitute(part.statements), isQuoted)]
    case 'process':
      scope.substitute(part.statements)
      return [plain('/dev/fd/63', true, false)]
    case 'braces':
      return [plain('', isQuoted, false)]
    default:
      for (const statements of part.inside) scope.substitute(statements)
      return [value(null, isQuoted)]
  }
}

function isList(part: Part | undefined): boolean {
  return part?.kind === 'parameter' && part.name === '@' && part.change.kind === 'none'
}

function parameter(part: Parameter, scope: WordScope, isQuoted: boolean): readonly Segment[] {
  if (part.name === '@' || part.name === '*') return positionals(part, scope, isQuoted)
  const known = lookUp(part.name, scope)
  const { change } = part
  switch (change.kind) {
    case 'none':
      return [value(known ?? guess(part.name), isQuoted), ...(known === null ? [unknown()] : [])]
    case 'slice': {
      if (known === null) return [value(null, isQuoted)]
      const end = change.length === null ? undefined : change.offset + change.length
      return [value(known.slice(change.offset, end), isQuoted)]
    }
    case 'default': {
      // Its commands run when it applies, so they are judged in any case.
      const word = segments(change.word.parts, scope, isQuoted)
      if (change.operator === ':=' || change.operator === '=') scope.assign(part.name, null)
      if (known === null) return [value(null, isQuoted), ...word, unknown()]
      const isUsed = change.operator.endsWith('+') ? known !== '' : known === ''
      // Whether a variable is empty or not set makes a difference to the forms without a colon.
      if (known === '' && !change.operator.startsWith(':')) return [...word, unknown()]
      if (change.operator.endsWith('+')) return isUsed ? word : [value('', isQuoted)]
      return isUsed ? word : [value(known, isQuoted)]
    }
    default:
      for (const statements of change.inside) scope.substitute(statements)
      return [value(null, isQuoted)]
  }
}

function unknown(): Segment {
  return { text: '', isExact: false, isQuoted: true, isValue: false, isBreak: false }
}

/** The best guess for the reader and for rules about paths: a home is written `~`. */
function guess(name: string): string {
  return name === 'HOME' ? '~' : ''
}

function lookUp(name: string, scope: WordScope): string | null {
  if (/^\d+$/.test(name)) {
    const list = scope.positional()
    return list === null ? null : (list[Number(name)] ?? '')
  }
  if (name === '#') {
    const list = scope.positional()
    return list === null ? null : String(Math.max(0, list.length - 1))
  }
  return /^[A-Za-z_]\w*$/.test(name) ? scope.variable(name) : null
}

function positionals(part: Parameter, scope: WordScope, isQuoted: boolean): readonly Segment[] {
  const list = scope.positional()
  if (part.change.kind !== 'none' || list === null) {
    if (part.change.kind === 'default') segments(part.change.word.parts, scope, isQuoted)
    if (part.change.kind === 'other')
      for (const inner of part.change.inside) scope.substitute(inner)
    return [value(null, isQuoted)]
  }
  const values = list.slice(1)
  if (part.name === '*' && isQuoted) {
    return scope.separators() === null ? [value(null, true)] : [value(values.join(' '), true)]
  }
  const ending: Segment = { ...plain('', false), isBreak: true }
  return values.flatMap((text, index) => [...(index > 0 ? [ending] : []), value(text, isQuoted)])
}

/** In double quotes a backslash quotes four characters only. */
function unquoted(text: string): string {
  return text.replaceAll(/\\([$`"\\])/g, '$1')
}

const ESCAPED_MARK = '\u0001'

/** Without backslashes; in `marked`, what they quoted is not seen as part of a pattern. */
function unescaped(text: string): { readonly text: string; readonly marked: string } {
  return {
    text: text.replaceAll(/\\([^])/g, '$1'),
    marked: text.replaceAll(/\\[^]/g, ESCAPED_MARK)
  }
}

function isPattern(text: string): boolean {
  return /[*?]|\[[^]*\]/.test(text)
}

function literal(text: string): readonly Segment[] {
  // Escaped pieces are quoted, the rest is not, so that patterns are seen where the shell sees them.
  const found: Segment[] = []
  for (const [piece] of text.matchAll(/\\[^]|[^\\]+|\\$/g)) {
    if (piece.startsWith('\\') && piece.length > 1) found.push(plain(piece.slice(1), true))
    else found.push(plain(piece, false))
  }
  return found
}

/** Bash 5 does not split the values in a word in which a `$` stands for itself: `a$x$` is one field. */
function hasBareDollar(found: readonly Segment[]): boolean {
  return found.some(({ isQuoted, isValue, text }) => !isQuoted && !isValue && text.includes('$'))
}

interface Open {
  text: string
  isExact: boolean
  /** The unquoted characters: only they make a pattern. Quoted ones are replaced. */
  bare: string
}

function split(found: readonly Segment[], scope: WordScope): readonly Field[] {
  const fields: Field[] = []
  let open: Open | null = null
  const close = (): void => {
    if (open === null) return
    const hasTilde = open.bare.startsWith('~')
    fields.push({
      text: open.text.slice(0, FIELD_LENGTH_MAX),
      isExact:
        open.isExact && !hasTilde && !isPattern(open.bare) && open.text.length <= FIELD_LENGTH_MAX
    })
    open = null
  }
  const add = (segment: Segment, text: string): void => {
    open ??= { text: '', isExact: true, bare: '' }
    open.text += text
    open.bare += segment.isQuoted ? ESCAPED_MARK : text
    open.isExact &&= segment.isExact
  }
  for (const segment of found) {
    if (segment.isBreak) {
      close()
      continue
    }
    if (segment.isQuoted || !segment.isValue) {
      if (segment.isQuoted || segment.text !== '' || !segment.isExact) add(segment, segment.text)
      continue
    }
    const separators = hasBareDollar(found) ? null : scope.separators()
    if (!segment.isExact || separators === null) {
      add({ ...segment, isExact: false }, segment.text)
      continue
    }
    const pieces = segment.text.split(separators)
    for (const [index, piece] of pieces.entries()) {
      if (index > 0) close()
      if (piece !== '') add({ ...segment, isQuoted: false }, piece)
    }
  }
  close()
  return fields
}
