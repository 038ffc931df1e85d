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
    await this.write(
      this.isJson ? `${JSON.stringify(value, null, 2)}\n` : visible(lines(text(value)))
    )
  }

  /** One item of a stream: a JSON object on a line of its own, or `text` of it for people. */
  async item<T>(value: T, text: (value: T) => string): Promise<void> {
    await this.write(this.isJson ? `${JSON.stringify(value)}\n` : visible(lines(text(value))))
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
    process.stderr.write(`${visible(text)}\n`)
  }
}

/**
 * The text with its control characters spelled out, but for line breaks, tabs and the colours of `paint`:
 * names and commands may come from other machines, and must not be able to move the cursor or rename the
 * window of whoever looks at them.
 */
export function visible(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, (character, at: number) => {
    if (character === '\n' || character === '\t') return character
    if (/^.\[\d{1,2}m/su.test(text.slice(at, at + 5)) && character === '\u001b') return character
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
  })
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
  const cells = rows.map((row) => columns.map((column) => column.text(row)))
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

/** `name  value` lines, the values aligned. */
export function pairs(list: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...list.map(([name]) => name.length))
  return list.map(([name, value]) => `${paint(name.padEnd(width), 'dim')}  ${value}`).join('\n')
}

function lines(text: string): string {
  return text.endsWith('\n') ? text : `${text}\n`
}
