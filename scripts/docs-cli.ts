// Writes the reference of the command into docs/cli.md, from the table of commands: all that stands behind
// its marker. What stands before it is written by hand. `npm run docs`.

import { readFile, writeFile } from 'node:fs/promises'
import { COMMANDS } from '../cli/commands.ts'
import { helpText } from '../cli/help.ts'

export const CLI_PAGE: URL = new URL('../docs/cli.md', import.meta.url)

const MARKER = '<!-- From here on written by `npm run docs`. -->\n'

/** The page as it ought to be: its own introduction, and the reference as the table says now. */
export async function cliPage(page: string): Promise<string> {
  const end = page.indexOf(MARKER)
  if (end < 0) throw new Error(`Cannot write docs/cli.md: it lacks the line ${MARKER}`)
  return `${page.slice(0, end)}${MARKER}\n${await reference()}`
}

async function reference(): Promise<string> {
  const sections: string[] = []
  for (const [name, entry] of Object.entries(COMMANDS)) {
    sections.push(`## weaver ${name}\n\n${entry.summary}.\n`)
    if (entry.kind === 'command') {
      sections.push(fenced(await helpText([name])))
      continue
    }
    const { commands } = await entry.load()
    for (const [word, { summary }] of Object.entries(commands)) {
      const page = await helpText([name, word])
      sections.push(`### weaver ${name} ${word}\n\n${summary}.\n`, fenced(page))
    }
  }
  return sections.join('\n')
}

/** Without its first line, which repeats the heading. */
function fenced(page: string): string {
  return `\`\`\`text\n${page.slice(page.indexOf('\n') + 1).trim()}\n\`\`\`\n`
}

if (import.meta.main) {
  const page = await readFile(CLI_PAGE, 'utf8')
  await writeFile(CLI_PAGE, await cliPage(page))
}
