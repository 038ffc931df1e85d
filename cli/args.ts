// Command lines by `parseArgs` of node:util: it is built in and costs 0.3 ms, where commander costs 6.

import type { Args, Command, Option, Range } from './command.ts'
import { usageError } from './errors.ts'

// Not imported: an import reads every export of node:util, and that costs 2 ms (node:process costs 4).
const { parseArgs } = process.getBuiltinModule('node:util')

const COMMON: Readonly<Record<string, Option>> = {
  json: { help: 'Print JSON' },
  help: { short: 'h', help: 'Show this help' }
}

const COUNT_MAX = 999_999_999

type Values = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>

interface Parsed {
  readonly values: Values
  readonly positionals: readonly string[]
}

class ParsedArgs implements Args {
  readonly words: readonly string[]
  readonly #values: Values

  constructor(words: readonly string[], values: Values) {
    this.words = words
    this.#values = values
  }

  flag(name: string): boolean {
    return this.#values[name] === true
  }

  text(name: string): string | null {
    const value = this.#values[name]
    return typeof value === 'string' ? value : null
  }

  texts(name: string): readonly string[] {
    const value = this.#values[name]
    return Array.isArray(value) ? value.filter((text) => typeof text === 'string') : []
  }

  count(name: string, standard: number, range: Range = [0, COUNT_MAX]): number {
    const text = this.text(name)
    return text === null ? standard : wholeNumber(`--${name}`, text, range)
  }

  oneOf<T extends string>(name: string, choices: readonly T[], standard: T): T {
    const text = this.text(name)
    if (text === null) return standard
    const choice = choices.find((known) => known === text)
    if (choice === undefined) {
      throw usageError(`--${name} '${text}' is not one of ${choices.join(', ')}`)
    }
    return choice
  }
}

/** @throws CliError `CLI_USAGE` naming `where` it stands, the `whole` of what was given, and what may be */
export function wholeNumber(
  where: string,
  text: string,
  [least, most]: Range,
  whole: string = text
): number {
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (number >= least && number <= most) return number
  throw usageError(`${where} '${whole}' is not a whole number from ${least} to ${most}`)
}

export function optionsOf(command: Command): Readonly<Record<string, Option>> {
  return { ...command.options, ...COMMON }
}

/** @throws CliError `CLI_USAGE` */
export function parseCommandLine(path: string, command: Command, argv: readonly string[]): Args {
  const { own, rest } = command.isWrapper === true ? split(command, argv) : { own: argv, rest: [] }
  const { values, positionals } = parse(path, command, own)
  const words = [...positionals, ...rest]
  const { min, max } = command.words ?? { min: 0, max: 0 }
  const hint = `see: weaver ${path} --help`
  if (values['help'] !== true) {
    checkNothingIsEmpty(path, { values, positionals }, hint)
    if (words.length < min) {
      throw usageError(`${path} needs ${command.usage ?? 'more arguments'}`, hint)
    }
    if (words.length > max) {
      throw usageError(`${path} does not take '${words[max] ?? ''}'`, hint)
    }
  }
  return new ParsedArgs(words, values)
}

/**
 * Nobody can tell which of two is meant, also where both say the same.
 * @throws CliError `CLI_USAGE` naming the key that is there twice
 */
export function checkEachOnce(
  where: string,
  words: readonly (readonly [key: string, word: string])[]
): void {
  const seen = new Map<string, string>()
  for (const [key, word] of words) {
    const before = seen.get(key)
    if (before !== undefined) {
      throw usageError(`${where} has '${key}' twice, in '${before}' and '${word}': give it once`)
    }
    seen.set(key, word)
  }
}

/** An empty name is a variable that was not set in somebody's script. */
function checkNothingIsEmpty(path: string, { values, positionals }: Parsed, hint: string): void {
  if (positionals.includes('')) throw usageError(`${path} does not take an empty argument`, hint)
  for (const [name, value] of Object.entries(values)) {
    if (value === '' || (Array.isArray(value) && value.includes(''))) {
      throw usageError(`${path}: option --${name} needs a value, not an empty one`, hint)
    }
  }
}

function parse(path: string, command: Command, argv: readonly string[]): Parsed {
  try {
    return parseArgs({
      args: [...argv],
      options: parserOptions(command),
      allowPositionals: true,
      strict: true
    })
  } catch (error) {
    throw argumentError(path, command, error)
  }
}

type ParserOption = {
  type: 'string' | 'boolean'
  multiple: boolean
  short?: string
}

function parserOptions(command: Command): Record<string, ParserOption> {
  return Object.fromEntries(
    Object.entries(optionsOf(command)).map(([name, { value, short, isMultiple }]) => [
      name,
      {
        type: value === undefined ? 'boolean' : 'string',
        multiple: isMultiple === true,
        ...(short === undefined ? {} : { short })
      } satisfies ParserOption
    ])
  )
}

/** Cuts a wrapper's command line where the other program's begins: behind `--`, or at the first word. */
function split(
  command: Command,
  argv: readonly string[]
): { readonly own: readonly string[]; readonly rest: readonly string[] } {
  const { tokens } = parseArgs({
    args: [...argv],
    options: parserOptions(command),
    allowPositionals: true,
    strict: false,
    tokens: true
  })
  const first = tokens.find(({ kind }) => kind === 'positional' || kind === 'option-terminator')
  if (first === undefined) return { own: argv, rest: [] }
  const skipped = first.kind === 'option-terminator' ? 1 : 0
  return { own: argv.slice(0, first.index), rest: argv.slice(first.index + skipped) }
}

function argumentError(path: string, command: Command, error: unknown): Error {
  const hint = `see: weaver ${path} --help`
  if (!(error instanceof Error) || !('code' in error)) return usageError(String(error), hint)
  const quoted = /'(-[^' ]*)/.exec(error.message)?.[1] ?? ''
  if (error.code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') {
    const known = Object.keys(optionsOf(command)).map((name) => `--${name}`)
    return usageError(`${path} has no option ${quoted}${meant(quoted, known)}`, hint)
  }
  if (/argument missing/.test(error.message)) {
    return usageError(`${path}: option ${quoted} needs a value`, hint)
  }
  if (/ambiguous/.test(error.message)) {
    const how = `write ${quoted}=VALUE where it begins with -`
    return usageError(`${path}: option ${quoted} needs a value: ${how}`, hint)
  }
  if (/does not take an argument/.test(error.message)) {
    return usageError(`${path}: option ${quoted} takes no value`, hint)
  }
  return usageError(`${path}: ${error.message.split('. ')[0] ?? ''}`, hint)
}

/** ` (did you mean X?)`, or nothing when nothing is near. */
export function meant(word: string, known: readonly string[]): string {
  const ranked = known
    .map((candidate) => ({ candidate, distance: editDistance(word, candidate) }))
    .toSorted((a, b) => a.distance - b.distance)
  const best = ranked[0]
  if (best === undefined || best.distance > Math.max(1, Math.floor(word.length / 3))) return ''
  return ` (did you mean ${best.candidate}?)`
}

/** Insertions, deletions, replacements, and swaps of neighbours. */
function editDistance(a: string, b: string): number {
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const isSame = a[i - 1] === b[j - 1]
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      next[j] = Math.min(
        (row[j] ?? 0) + 1,
        (next[j - 1] ?? 0) + 1,
        (row[j - 1] ?? 0) + (isSame ? 0 : 1),
        isSwap ? (before[j - 2] ?? 0) + 1 : Infinity
      )
    }
    before = row
    row = next
  }
  return row[b.length] ?? 0
}
