// Data to stdout, everything else to stderr. `--json` changes the former only.

import { paint } from './paint.ts'
import type { Colour } from './paint.ts'

export interface Column<Row> {
  readonly title: string
  readonly text: (row: Row) => string
  readonly colour?: (row: Row) => Colour | null
  readonly isRight?: boolean
}

export class Output {
  readonly isJson: boolean

  constructor(options: { readonly isJson: boolean }) {
    this.isJson = options.isJson
  }

  /** The one document of a command, or `text` of it for people. */
  async document<T>(value: T, text: (value: T) => string): Promise<void> {
    await this.write(this.isJson ? `${jsonText(value, 2)}\n` : visible(lines(text(value))))
  }

  /** One item of a stream, on a line of its own: a JSON object, or `text` of it for people. */
  async item<T>(value: T, text: (value: T) => string): Promise<void> {
    await this.write(`${this.isJson ? jsonText(value) : oneLine(text(value))}\n`)
  }

  async rows<Row>(
    rows: readonly Row[],
    columns: readonly Column<Row>[],
    none: string
  ): Promise<void> {
    if (this.isJson) await this.document(rows, String)
    else if (rows.length === 0) this.note(none)
    else await this.write(visible(table(rows, columns)))
  }

  /** Resolves when the reader has room again. */
  async write(bytes: string | Uint8Array): Promise<void> {
    await writeTo(process.stdout, bytes)
  }

  /** A line for people, beside the data. */
  note(text: string): void {
    process.stderr.write(`${oneLine(text)}\n`)
  }
}

/** What is not seen as itself: it moves the cursor, ends a line, turns its direction, or is not seen at all. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu
/** The colours of `paint`. No other: some hide what follows. */
// oxlint-disable-next-line no-control-regex -- the escape is what is looked for
const PAINTED = /^\u001B\[(?:31|32|33|2|0)m/

/**
 * The text with what is not seen spelled out, but for line breaks, tabs and the colours of `paint`: names and
 * commands may come from other machines, and must not be able to move the cursor, rename the window, hide or turn
 * around a part of themselves before whoever looks at them.
 */
export function visible(text: string): string {
  return text.replaceAll(UNSEEN, (character, at: number) => {
    if (character === '\n' || character === '\t') return character
    return PAINTED.test(text.slice(at, at + 5)) ? character : spelled(character)
  })
}

/** The same for what has one line: a name with a line break in it must not look like two of ours. */
export function oneLine(text: string): string {
  return visible(text).replaceAll(/[\n\t]/g, spelled)
}

function spelled(character: string): string {
  const code = (character.codePointAt(0) ?? 0).toString(16)
  return code.length > 2 ? `\\u{${code}}` : `\\x${code.padStart(2, '0')}`
}

/** As JSON, in which what is not seen is escaped as JSON has it: the same document, for a terminal too. */
export function jsonText(value: unknown, indent?: number): string {
  // JSON itself has none of these outside its texts, and escapes the rest of the control characters.
  return (JSON.stringify(value, null, indent) ?? 'null').replaceAll(UNSEEN, (character) =>
    character === '\n' ? character : escaped(character)
  )
}

function escaped(character: string): string {
  const units = Array.from({ length: character.length }, (_, at) => character.charCodeAt(at))
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('')
}

export async function writeTo(
  stream: NodeJS.WriteStream,
  bytes: string | Uint8Array
): Promise<void> {
  if (stream.write(bytes) || stream.destroyed) return
  const { promise, resolve } = Promise.withResolvers<void>()
  stream.once('drain', resolve)
  stream.once('close', resolve)
  await promise
  stream.off('drain', resolve)
  stream.off('close', resolve)
}

/** Resolves when everything written so far has been taken, or could not be. */
export async function flushed(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.destroyed || stream.writableLength === 0) return
  const { promise, resolve } = Promise.withResolvers<void>()
  stream.write('', () => resolve())
  await promise
}

export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const cells = rows.map((row) => columns.map((column) => oneLine(column.text(row))))
  const widths = columns.map((column, index) =>
    Math.max(column.title.length, ...cells.map((line) => line[index]?.length ?? 0))
  )
  const pad = (text: string, index: number): string => {
    const width = widths[index] ?? 0
    if (columns[index]?.isRight === true) return text.padStart(width)
    return index === columns.length - 1 ? text : text.padEnd(width)
  }
  const head = columns.map(({ title }, index) => paint(pad(title, index), 'dim')).join('  ')
  const body = rows.map((row, at) =>
    columns
      .map((column, index) =>
        paint(pad(cells[at]?.[index] ?? '', index), column.colour?.(row) ?? null)
      )
      .join('  ')
  )
  return lines([head, ...body].map((line) => line.trimEnd()).join('\n'))
}

/** `name  value` lines, the values aligned; each text of a list has a line of its own. */
export function pairs(
  list: readonly (readonly [name: string, value: string | readonly string[]])[]
): string {
  const width = Math.max(...list.map(([name]) => name.length))
  const below = `\n${' '.repeat(width + 2)}`
  return list
    .map(([name, value]) => {
      const texts = typeof value === 'string' ? [value] : value
      return `${paint(name.padEnd(width), 'dim')}  ${texts.map(oneLine).join(below)}`
    })
    .join('\n')
}

function lines(text: string): string {
  return text.endsWith('\n') ? text : `${text}\n`
}
