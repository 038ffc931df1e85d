// Goal: every command line of weaver that a page shows is one that weaver takes.
// Method: the lines are read from all pages (fenced code, and code within sentences that begins with
// `weaver `) and parsed by the command's own table. Nothing is run here; quick-start.spec.ts does that.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseCommandLine } from '../../cli/args.ts'
import type { Command } from '../../cli/command.ts'
import { COMMANDS } from '../../cli/commands.ts'
import { weaverCalls } from './command-lines.ts'
import { allPages, codeOf, ROOT } from './pages.ts'
import type { CodePiece } from './pages.ts'

const SHELLS: ReadonlySet<string> = new Set(['sh', 'bash', 'fish', 'zsh'])

/** The command lines that a piece of code shows; in a sentence `weaver run` alone names a command. */
function callsIn({ text, fence }: CodePiece): readonly (readonly string[])[] {
  if (fence === null) return text.startsWith('weaver ') ? weaverCalls(text) : []
  if (SHELLS.has(fence)) return weaverCalls(text)
  if (fence === 'ini') return weaverCalls(text.replace(/^Exec\w+=/, ''))
  // A session shows what was typed behind a dollar sign, a help page its examples behind two spaces.
  const typed = /^(?:\$| ) (.*)$/.exec(text)?.[1]
  return typed === undefined ? [] : weaverCalls(typed)
}

async function find(
  words: readonly string[]
): Promise<{ readonly path: string; readonly command: Command; readonly rest: string[] } | null> {
  const [first = '', second = '', ...rest] = words
  const entry = Object.hasOwn(COMMANDS, first) ? COMMANDS[first] : undefined
  assert(entry !== undefined, `weaver has no command '${first}'`)
  if (entry.kind === 'command') {
    return { path: first, command: await entry.load(), rest: words.slice(1) }
  }
  if (second === '' || second === '--help') return null
  const { commands } = await entry.load()
  const command = Object.hasOwn(commands, second) ? commands[second] : undefined
  assert(command !== undefined, `weaver ${first} has no command '${second}'`)
  return { path: `${first} ${second}`, command, rest }
}

async function check(words: readonly string[], isInSentence: boolean): Promise<void> {
  const [first = ''] = words
  if (first === '' || first.startsWith('-') || first === 'COMMAND' || first === 'help') return
  const found = await find(words)
  if (found === null) return
  const { path, command, rest } = found
  const min = isInSentence ? (command.words?.min ?? 0) : 0
  try {
    parseCommandLine(path, command, rest)
  } catch (error) {
    // A sentence may name a command with some of its options and leave its words out.
    if (min === 0) throw error
    parseCommandLine(path, command, [...rest, ...Array<string>(min).fill('WORD')])
  }
}

describe('the command lines of the pages', () => {
  it('are command lines that weaver takes', async () => {
    const problems: string[] = []
    let checked = 0
    for (const page of await allPages()) {
      for (const piece of codeOf(page)) {
        for (const words of callsIn(piece)) {
          checked += 1
          try {
            await check(words, piece.fence === null)
          } catch (error) {
            const why = error instanceof Error ? error.message : String(error)
            problems.push(`${piece.place}: ${why} in: ${piece.text.trim()}`)
          }
        }
      }
    }
    assert(checked > 100, `${checked} command lines were found`)
    assert.deepEqual(problems, [])
  })

  it('name no npm script that there is not', async () => {
    const manifest: unknown = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
    const scripts = new Set(Object.keys(Object(Object(manifest).scripts)))
    const pieces = (await allPages()).flatMap(codeOf)
    const named = pieces.flatMap(({ place, text }) =>
      [...text.matchAll(/\bnpm run ([a-z:-]+)/g)].map(([, name]) => ({ place, name: name ?? '' }))
    )
    assert(named.length > 5, 'npm scripts were found')
    assert.deepEqual(
      named.filter(({ name }) => !scripts.has(name)),
      []
    )
  })

  it('are found behind variables, pipes, substitutions and npx', () => {
    assert.deepEqual(weaverCalls('A=$HOME/x npx weaver mesh peers --json # all'), [
      ['mesh', 'peers', '--json']
    ])
    assert.deepEqual(weaverCalls(`git archive HEAD | weaver run -- sh -c 'a | b; c'`), [
      ['run', '--', 'sh', '-c', 'a | b; c']
    ])
    assert.deepEqual(weaverCalls('source <(weaver completion bash)'), [['completion', 'bash']])
    assert.deepEqual(weaverCalls('weaver mesh join <the line>; echo weaver'), [
      ['mesh', 'join', 'PLACEHOLDER']
    ])
  })

  it('are refused when command or option do not exist', async () => {
    await assert.rejects(check(['kernel', 'fly'], true), /has no command 'fly'/)
    await assert.rejects(check(['kernel', 'start', '--warp'], false), /has no option --warp/)
    await assert.rejects(check(['task', 'show'], false), /needs ID/)
  })
})
