// The project's Markdown pages, and what stands in them.

import { glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT: string = fileURLToPath(new URL('../..', import.meta.url))

const OTHERS = /(?:^|\/)(?:node_modules|dist|coverage|\.git)(?:\/|$)/

export interface Page {
  /** Relative to the root. */
  readonly path: string
  readonly text: string
}

export async function allPages(): Promise<readonly Page[]> {
  const paths: string[] = []
  for await (const path of glob('**/*.md', { cwd: ROOT, exclude: (name) => OTHERS.test(name) })) {
    paths.push(path)
  }
  return await Promise.all(
    paths.toSorted().map(async (path) => ({ path, text: await readFile(join(ROOT, path), 'utf8') }))
  )
}

export interface CodePiece {
  /** `README.md:12`. */
  readonly place: string
  readonly text: string
  /** The language of the fence that the line stands in; null for code within a sentence. */
  readonly fence: string | null
}

/** Every line of fenced code, and every piece of code within a sentence. */
export function codeOf({ path, text }: Page): readonly CodePiece[] {
  const pieces: CodePiece[] = []
  const prose: string[] = []
  let fence: string | null = null
  for (const [index, line] of text.split('\n').entries()) {
    const mark = /^\s*```(\S*)/.exec(line)
    if (mark !== null) fence = fence === null ? (mark[1] ?? '') : null
    else if (fence !== null) pieces.push({ place: `${path}:${index + 1}`, text: line, fence })
    prose.push(mark === null && fence === null ? line : '')
  }
  // Code within a sentence may go on in the next line, not in the next paragraph.
  const whole = prose.join('\n')
  for (const { 1: code, index } of whole.matchAll(/`((?:[^`\n]|\n(?!\n))+)`/g)) {
    const line = whole.slice(0, index).split('\n').length
    pieces.push({
      place: `${path}:${line}`,
      text: (code ?? '').replace(/\s*\n\s*/g, ' '),
      fence: null
    })
  }
  return pieces
}
