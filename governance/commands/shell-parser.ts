// The one file that names the shell parser: mvdan/sh, compiled to JavaScript. It is strict, has no part
// that must be compiled at install, and is loaded when the first shell text is judged (50 ms).
//
// Its objects are read by name and checked here; what is not understood becomes `opaque`, which counts
// as not analysable, and of which every command inside is still judged.

import { createRequire } from 'node:module'

import { SHELL_TEXT_LENGTH_MAX, STATEMENTS_MAX } from './limits.ts'
import type {
  Assignment,
  Command,
  DefaultOperator,
  Parameter,
  Part,
  Reading,
  Redirect,
  RedirectOperator,
  Statement,
  Word
} from './tree.ts'

type Parsed = { readonly statements: readonly Statement[] } | { readonly error: string }

interface Syntax {
  NodeType(node: unknown): string
  NewParser(...options: unknown[]): { Parse(text: string, name: string): unknown }
  Variant(variant: unknown): unknown
  readonly LangBash: unknown
  readonly LangPOSIX: unknown
  Walk(node: unknown, visit: (node: unknown) => boolean): void
  SplitBraces(word: unknown): unknown
}

/** Total: an answer or an error, whatever the text is. */
export function parseShell(source: string, reading: Reading): Parsed {
  if (source.length > SHELL_TEXT_LENGTH_MAX) return { error: 'the shell text is too long' }
  if (source.includes('\0')) return { error: 'the shell text has a NUL in it' }
  try {
    const library = syntax()
    const variant = library.Variant(reading === 'bash' ? library.LangBash : library.LangPOSIX)
    const file = library.NewParser(variant).Parse(source, '')
    return { statements: statementsOf(new Converter(library, reading), get(file, 'Stmts')) }
  } catch (error) {
    // The parser's own errors are values of Go; a text that nests too deep is a RangeError.
    return { error: `the shell text cannot be parsed: ${describe(error)}` }
  }
}

let loaded: Syntax | null = null

function syntax(): Syntax {
  if (loaded !== null) return loaded
  const before = Reflect.get(globalThis, 'require')
  const require = createRequire(import.meta.url)
  const module: unknown = require('mvdan-sh')
  // Its runtime leaves `require` on the global object, where other packages look for it.
  if (before === undefined) Reflect.deleteProperty(globalThis, 'require')
  const found = get(module, 'syntax')
  if (!isSyntax(found)) throw new Error('the package mvdan-sh is not the one expected')
  loaded = found
  return found
}

function isSyntax(value: unknown): value is Syntax {
  const names = ['NodeType', 'NewParser', 'Variant', 'Walk', 'SplitBraces']
  return names.every((name) => typeof get(value, name) === 'function')
}

function describe(error: unknown): string {
  const reason = get(error, 'Text')
  if (typeof reason === 'string') return reason.slice(0, 200)
  return error instanceof Error ? error.message.slice(0, 200) : 'unknown error'
}

function get(node: unknown, name: string): unknown {
  if ((typeof node !== 'object' && typeof node !== 'function') || node === null) return undefined
  return Reflect.get(node, name)
}

function list(node: unknown, name: string): readonly unknown[] {
  const value = get(node, name)
  return Array.isArray(value) ? value : []
}

function text(node: unknown, name: string): string {
  const value = get(node, name)
  return typeof value === 'string' ? value : ''
}

/** The numbers that the parser gives its operators. */
const REDIRECTS: ReadonlyMap<unknown, RedirectOperator> = new Map([
  [54, '>'],
  [55, '>>'],
  [56, '<'],
  [57, '<>'],
  [58, '<&'],
  [59, '>&'],
  [60, '>|'],
  [61, '<<'],
  [62, '<<-'],
  [63, '<<<'],
  [64, '&>'],
  [65, '&>>']
])
const PIPES: ReadonlySet<unknown> = new Set([12, 13])
const DEFAULTS: ReadonlyMap<unknown, DefaultOperator> = new Map([
  [71, ':-'],
  [70, '-'],
  [75, ':='],
  [74, '='],
  [69, ':+'],
  [68, '+']
])

class Converter {
  readonly #library: Syntax
  readonly #reading: Reading
  #statements = 0

  constructor(library: Syntax, reading: Reading) {
    this.#library = library
    this.#reading = reading
  }

  type(node: unknown): string {
    return typeof node === 'object' && node !== null ? this.#library.NodeType(node) : 'nothing'
  }

  /** What runs somewhere inside a thing that is not followed. */
  inside(node: unknown): readonly (readonly Statement[])[] {
    const found: (readonly Statement[])[] = []
    if (typeof node !== 'object' || node === null) return found
    this.#library.Walk(node, (child) => {
      const type = this.type(child)
      if (type !== 'CmdSubst' && type !== 'ProcSubst') return true
      found.push(statementsOf(this, get(child, 'Stmts')))
      return false
    })
    return found
  }

  word(node: unknown): Word {
    const split = this.#reading === 'bash' ? this.#library.SplitBraces(node) : node
    return { parts: list(split, 'Parts').map((part) => this.part(part)) }
  }

  words(node: unknown, name: string): readonly Word[] {
    return list(node, name).map((word) => this.word(word))
  }

  part(node: unknown): Part {
    switch (this.type(node)) {
      case 'Lit':
        return { kind: 'literal', text: text(node, 'Value') }
      case 'SglQuoted': {
        const kind = get(node, 'Dollar') === true ? 'ansi' : 'quoted'
        return { kind, text: text(node, 'Value') }
      }
      case 'DblQuoted':
        return { kind: 'double', parts: list(node, 'Parts').map((part) => this.part(part)) }
      case 'ParamExp':
        return this.parameter(node)
      case 'CmdSubst':
        return { kind: 'substitution', statements: statementsOf(this, get(node, 'Stmts')) }
      case 'ProcSubst':
        return { kind: 'process', statements: statementsOf(this, get(node, 'Stmts')) }
      case 'BraceExp':
        return this.braces(node)
      default:
        return { kind: 'opaque', inside: this.inside(node) }
    }
  }

  braces(node: unknown): Part {
    if (get(node, 'Sequence') === true) return { kind: 'opaque', inside: this.inside(node) }
    return { kind: 'braces', items: this.words(node, 'Elems') }
  }

  parameter(node: unknown): Parameter {
    const name = text(get(node, 'Param'), 'Value')
    const isPlain =
      ['Excl', 'Length', 'Width'].every((key) => get(node, key) !== true) &&
      ['Index', 'Repl'].every((key) => get(node, key) === null) &&
      get(node, 'Names') === 0
    const other: Parameter = {
      kind: 'parameter',
      name,
      change: { kind: 'other', inside: this.inside(node) }
    }
    if (!isPlain) return other
    const slice = get(node, 'Slice')
    const expansion = get(node, 'Exp')
    if (slice !== null) return this.slice(name, slice) ?? other
    if (expansion === null) return { kind: 'parameter', name, change: { kind: 'none' } }
    const operator = DEFAULTS.get(get(expansion, 'Op'))
    if (operator === undefined) return other
    const word = this.word(get(expansion, 'Word'))
    return { kind: 'parameter', name, change: { kind: 'default', operator, word } }
  }

  slice(name: string, node: unknown): Parameter | null {
    const offset = this.number(get(node, 'Offset'))
    const width = get(node, 'Length')
    const length = width === null ? null : this.number(width)
    if (offset === null || (width !== null && length === null)) return null
    return { kind: 'parameter', name, change: { kind: 'slice', offset, length } }
  }

  number(node: unknown): number | null {
    const parts = list(node, 'Parts')
    const value = parts.length === 1 ? text(parts[0], 'Value') : ''
    return /^(0|[1-9]\d{0,5})$/.test(value) ? Number(value) : null
  }

  assignment(node: unknown): Assignment {
    const value = get(node, 'Value')
    const isPlain = get(node, 'Index') === null && get(node, 'Array') === null
    return {
      name: text(get(node, 'Name'), 'Value'),
      isAppended: get(node, 'Append') === true,
      value: isPlain ? (value === null ? { parts: [] } : this.plainWord(value)) : null,
      inside: isPlain ? [] : this.inside(node)
    }
  }

  /** Braces are not expanded in the value of an assignment. */
  plainWord(node: unknown): Word {
    return { parts: list(node, 'Parts').map((part) => this.part(part)) }
  }

  redirect(node: unknown): Redirect {
    const operator = REDIRECTS.get(get(node, 'Op'))
    if (operator === undefined) throw new Error('unknown redirection')
    const document = get(node, 'Hdoc')
    const descriptor = get(node, 'N')
    return {
      operator,
      descriptor: descriptor === null ? null : text(descriptor, 'Value'),
      target: this.plainWord(get(node, 'Word')),
      document:
        document === null || document === undefined
          ? operator.startsWith('<<') && operator !== '<<<'
            ? { parts: [] }
            : null
          : this.plainWord(document)
    }
  }

  command(node: unknown): Command {
    const type = this.type(node)
    switch (type) {
      case 'CallExpr':
        return {
          kind: 'simple',
          assignments: list(node, 'Assigns').map((item) => this.assignment(item)),
          words: this.words(node, 'Args')
        }
      case 'BinaryCmd': {
        const kind = PIPES.has(get(node, 'Op')) ? 'pipe' : 'maybe'
        return { kind, left: this.statement(get(node, 'X')), right: this.statement(get(node, 'Y')) }
      }
      case 'Subshell':
      case 'Block': {
        const statements = statementsOf(this, get(node, 'Stmts'))
        return { kind: 'group', isSubshell: type === 'Subshell', statements }
      }
      case 'TimeClause':
      case 'CoprocClause': {
        const statement = get(node, 'Stmt')
        const statements = statement === null ? [] : [this.statement(statement)]
        return { kind: 'group', isSubshell: type === 'CoprocClause', statements }
      }
      case 'FuncDecl':
        return {
          kind: 'function',
          name: text(get(node, 'Name'), 'Value'),
          body: this.statement(get(node, 'Body'))
        }
      case 'DeclClause':
        return this.declaration(node)
      default:
        return this.repeated(node, type)
    }
  }

  repeated(node: unknown, type: string): Command {
    switch (type) {
      case 'IfClause':
        return { kind: 'repeat', bodies: this.branches(node), ...NO_LOOP }
      case 'WhileClause': {
        const bodies = [get(node, 'Cond'), get(node, 'Do')].map((body) => statementsOf(this, body))
        return { kind: 'repeat', bodies, ...NO_LOOP, isEndless: isAlwaysTrue(bodies[0]) }
      }
      case 'ForClause':
        return this.loop(node)
      case 'CaseClause': {
        const items = list(node, 'Items')
        const patterns = items.flatMap((item) => this.words(item, 'Patterns'))
        const bodies = items.map((item) => statementsOf(this, get(item, 'Stmts')))
        const words = [this.plainWord(get(node, 'Word')), ...patterns]
        return { kind: 'repeat', bodies, loop: null, words, isEndless: false }
      }
      default:
        return { kind: 'opaque', inside: this.inside(node) }
    }
  }

  branches(node: unknown): readonly (readonly Statement[])[] {
    const found: (readonly Statement[])[] = []
    for (let branch = node; this.type(branch) === 'IfClause'; branch = get(branch, 'Else')) {
      found.push(statementsOf(this, get(branch, 'Cond')), statementsOf(this, get(branch, 'Then')))
    }
    return found
  }

  loop(node: unknown): Command {
    const header = get(node, 'Loop')
    const bodies = [statementsOf(this, get(node, 'Do'))]
    if (this.type(header) !== 'WordIter') {
      return { kind: 'repeat', bodies: [...this.inside(header), ...bodies], ...NO_LOOP }
    }
    const items = this.words(header, 'Items')
    const loop = { variable: text(get(header, 'Name'), 'Value'), items }
    return { kind: 'repeat', bodies, loop, words: [], isEndless: false }
  }

  declaration(node: unknown): Command {
    const assignments: Assignment[] = []
    const words: Word[] = []
    for (const item of list(node, 'Args')) {
      const name = get(item, 'Name')
      if (name === null) words.push(this.plainWord(get(item, 'Value')))
      else if (get(item, 'Naked') === true) {
        words.push({ parts: [{ kind: 'literal', text: text(name, 'Value') }] })
      } else assignments.push(this.assignment(item))
    }
    return { kind: 'declare', program: text(get(node, 'Variant'), 'Value'), assignments, words }
  }

  statement(node: unknown): Statement {
    this.#statements += 1
    if (this.#statements > STATEMENTS_MAX) throw new Error('it has too many commands')
    const command = get(node, 'Cmd')
    return {
      command: command === null || command === undefined ? null : this.command(command),
      redirects: list(node, 'Redirs').map((item) => this.redirect(item)),
      isBackground: get(node, 'Background') === true
    }
  }
}

const NO_LOOP = { loop: null, words: [], isEndless: false } as const

function statementsOf(converter: Converter, nodes: unknown): readonly Statement[] {
  return Array.isArray(nodes) ? nodes.map((node) => converter.statement(node)) : []
}

/** `while :` and `while true` end only from outside or by what their body says. */
function isAlwaysTrue(condition: readonly Statement[] | undefined): boolean {
  const command = condition?.[0]?.command
  if (command?.kind !== 'simple') return false
  const first = command.words[0]?.parts[0]
  return first?.kind === 'literal' && (first.text === ':' || first.text === 'true')
}
