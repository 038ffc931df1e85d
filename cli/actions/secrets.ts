// A secret's value comes from a prompt that does not show it, or from stdin; never from an argument.

import type { SecretRow } from '../../node/api/index.ts'
import type { Runner } from '../command.ts'
import { EXIT, usageError } from '../errors.ts'
import type { Column, Output } from '../output.ts'
import { ageText } from '../quantity.ts'

const VALUE_BYTES_MAX = 64 * 1024
const INTERRUPT = 3
const END_OF_INPUT = 4
const ERASE = new Set([8, 127])
const LINE_ENDS = new Set([10, 13])

export const set: Runner = async ({ client, output }, args) => {
  const name = args.words[0] ?? ''
  const value = process.stdin.isTTY ? await prompted(output, name) : await wholeStdin()
  if (value.length === 0) throw usageError(`The value of '${name}' is empty: nothing was changed`)
  const rows = await client.setSecret(name, value)
  await output.document(
    rows.find((row) => row.name === name) ?? null,
    () => `secret ${name} is set`
  )
  return EXIT.done
}

export const list: Runner = async ({ client, output }) => {
  const rows = await client.secrets()
  const columns: readonly Column<SecretRow>[] = [
    { title: 'NAME', text: ({ name }) => name },
    { title: 'SET', text: ({ setAt }) => `${ageText(setAt, client.answeredAt)} ago` }
  ]
  await output.rows(rows, columns, 'There are no secrets; set one: weaver secrets set NAME')
  return EXIT.done
}

export const remove: Runner = async ({ client, output }, args) => {
  const name = args.words[0] ?? ''
  await client.removeSecret(name)
  await output.document({ name, removed: true }, () => `secret ${name} is removed`)
  return EXIT.done
}

/** One line break at the end is the shell's, not the secret's. */
async function wholeStdin(): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of process.stdin) {
    if (!Buffer.isBuffer(chunk)) continue
    chunks.push(chunk)
    size += chunk.length
    if (size > VALUE_BYTES_MAX + 2)
      throw usageError(`A secret has at most ${VALUE_BYTES_MAX} bytes`)
  }
  const bytes = Buffer.concat(chunks)
  const end = bytes.at(-1) === 10 ? (bytes.at(-2) === 13 ? 2 : 1) : 0
  return bytes.subarray(0, bytes.length - end)
}

/** Reads a line without showing it. */
async function prompted(output: Output, name: string): Promise<Buffer> {
  process.stderr.write(`value of ${name} (not shown): `)
  const { stdin } = process
  const typed: number[] = []
  stdin.setRawMode(true)
  try {
    for await (const chunk of stdin) {
      if (Buffer.isBuffer(chunk) && take(typed, chunk)) break
    }
  } finally {
    stdin.setRawMode(false)
    output.note('')
  }
  return Buffer.from(typed)
}

/** Whether the line is complete. @throws CliError at Ctrl-C */
function take(typed: number[], chunk: Buffer): boolean {
  for (const byte of chunk) {
    if (byte === INTERRUPT) throw usageError('Nothing was changed')
    if (LINE_ENDS.has(byte) || byte === END_OF_INPUT) return true
    if (!ERASE.has(byte)) typed.push(byte)
    else {
      // A whole character: its last byte, and the bytes before that go on it (UTF-8).
      while (((typed.pop() ?? 0) & 0xc0) === 0x80);
    }
  }
  return false
}
