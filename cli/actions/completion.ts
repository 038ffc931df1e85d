// Completion scripts, made from the table of commands: first words, second words, and options.

import { optionsOf } from '../args.ts'
import type { Command } from '../command.ts'
import { COMMANDS } from '../commands.ts'
import { EXIT, usageError } from '../errors.ts'

interface Completed {
  /** Empty, or the words before. */
  readonly path: string
  readonly words: readonly string[]
}

const SHELLS: Readonly<Record<string, (all: readonly Completed[]) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript
}

export const completionCommand: Command = {
  summary: 'Print a completion script for a shell',
  usage: 'bash|zsh|fish',
  words: { min: 1, max: 1 },
  examples: ['source <(weaver completion bash)', 'weaver completion fish | source'],
  load: () =>
    Promise.resolve(async ({ output }, args) => {
      const shell = args.words[0] ?? ''
      const script = Object.hasOwn(SHELLS, shell) ? SHELLS[shell] : undefined
      if (script === undefined) {
        throw usageError(`Cannot complete for '${shell}': must be bash, zsh or fish`)
      }
      const text = script(await allWords())
      await output.document({ shell, script: text }, () => text)
      return EXIT.done
    })
}

async function allWords(): Promise<readonly Completed[]> {
  const all: Completed[] = [{ path: '', words: Object.keys(COMMANDS) }]
  for (const [name, entry] of Object.entries(COMMANDS)) {
    if (entry.kind === 'command') {
      all.push({ path: name, words: optionWords(await entry.load()) })
      continue
    }
    const { commands } = await entry.load()
    all.push({ path: name, words: Object.keys(commands) })
    for (const [word, command] of Object.entries(commands)) {
      all.push({ path: `${name} ${word}`, words: optionWords(command) })
    }
  }
  return all
}

function optionWords(command: Command): readonly string[] {
  return Object.keys(optionsOf(command)).map((name) => `--${name}`)
}

function cases(all: readonly Completed[]): string {
  return all.map(({ path, words }) => `    '${path}') words='${words.join(' ')}' ;;`).join('\n')
}

function bashScript(all: readonly Completed[]): string {
  return `_weaver() {
  local current=\${COMP_WORDS[COMP_CWORD]} path="\${COMP_WORDS[*]:1:COMP_CWORD-1}" words=
  [[ $path =~ ^[a-z]+( [a-z]+)? ]] && path=\${BASH_REMATCH[0]}
  case $path in run*) path=run ;; esac
  case "$path" in
${cases(all)}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _weaver weaver
`
}

function zshScript(all: readonly Completed[]): string {
  return `#compdef weaver
_weaver() {
  local words_before="\${words[2]} \${words[3]}" path= words_known=
  (( CURRENT == 3 )) && path=\${words[2]}
  (( CURRENT > 3 )) && path=$words_before
  [[ \${words[2]} == run ]] && (( CURRENT > 2 )) && path=run
  local words=
  case "$path" in
${cases(all)}
  esac
  compadd -- \${=words} || _files
}
compdef _weaver weaver
`
}

function fishScript(all: readonly Completed[]): string {
  const lines = all.flatMap(({ path, words }) => {
    const [first, second] = path.split(' ')
    const seen =
      second === undefined ? first : `${first}; and __fish_seen_subcommand_from ${second}`
    const isFirst = path === ''
    const when = isFirst ? '__fish_use_subcommand' : `__fish_seen_subcommand_from ${seen}`
    return words.map((word) =>
      word.startsWith('--')
        ? `complete -c weaver -n '${when}' -l ${word.slice(2)}`
        : `complete -c weaver -f -n '${when}' -a ${word}`
    )
  })
  return `${lines.join('\n')}\n`
}
