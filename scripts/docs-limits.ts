// Writes docs/limits.md: every bound of every room with its value, its formula and its reason, from the
// rooms' own limits.ts. `npm run docs`.

import { glob, readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

const root = new URL('..', import.meta.url)
export const LIMITS_PAGE: URL = new URL('docs/limits.md', root)

const ROOMS = ['core', 'chain', 'mesh', 'sandbox-wasm', 'governance', 'agents', 'scheduler', 'node']
const INTRODUCTION = `# Limits

Everything that can grow has a bound, and reaching one is a normal outcome: the caller is told, or waits. Each
stands in its room's \`limits.ts\` with its reason; this page is written from those files by \`npm run docs\`, and a
test compares it with them. Names ending in \`_MS\` are milliseconds, in \`_BYTES\` bytes; a formula is shown where the
value was calculated. Neighbours that are one matter share one reason.
`

export interface Limit {
  readonly name: string
  readonly value: unknown
  readonly formula: string
  readonly reason: string
}

/** The page as it ought to be. */
export async function limitsPage(): Promise<string> {
  const sections = [INTRODUCTION]
  for (const file of await limitFiles()) {
    const rows = (await limitsOf(file)).map(rowOf)
    sections.push(
      [
        `## ${file}`,
        '',
        '| limit | value | formula | reason |',
        '| --- | --- | --- | --- |',
        ...rows
      ].join('\n') + '\n'
    )
  }
  return sections.join('\n')
}

async function limitFiles(): Promise<readonly string[]> {
  const files: string[] = []
  for await (const file of glob(`{${ROOMS.join(',')}}/**/{limits,host-limits}.ts`, {
    cwd: fileURLToPath(root)
  })) {
    files.push(file)
  }
  return files.toSorted()
}

/** In the order of the file. @throws Error for a limit that has no reason, and none above it */
export async function limitsOf(file: string): Promise<readonly Limit[]> {
  const url = new URL(file, root)
  const source = await readFile(url, 'utf8')
  const values: Readonly<Record<string, unknown>> = await import(url.href)
  const limits: Limit[] = []
  let reason = ''
  for (const block of source.split(/\n\n+/)) {
    reason = '' // Of another block: it speaks of other things.
    const pattern =
      /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n)?export const (\w+)[^=]*=\s*([\s\S]*?)(?=\n\/\*\*|\nexport |\n\/\/|$)/g
    for (const [, comment, name = '', expression = ''] of block.matchAll(pattern)) {
      if (comment !== undefined) reason = comment.replaceAll(/\s*\n\s*\*?\s*/g, ' ').trim()
      if (reason === '') throw new Error(`${name} in ${file} has no reason`)
      limits.push({ name, value: values[name], formula: formulaOf(expression), reason })
    }
  }
  return limits
}

/** What was calculated; nothing for a plain number. */
function formulaOf(expression: string): string {
  const text = expression
    .replaceAll(/\bmillis\(([^()]*)\)/g, '$1')
    .replaceAll(/\s+/g, ' ')
    .trim()
  return /^[\d_.]+$/.test(text) || text.startsWith('{') ? '' : text
}

function rowOf({ name, value, formula, reason }: Limit): string {
  const cells = [`\`${name}\``, valueText(value), formula === '' ? '' : `\`${formula}\``, reason]
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

function valueText(value: unknown): string {
  if (typeof value === 'number') return String(value).replaceAll(/\B(?=(\d{3})+(?!\d))/g, ',')
  return `\`${JSON.stringify(value)}\``
}

if (import.meta.main) await writeFile(LIMITS_PAGE, await limitsPage())
