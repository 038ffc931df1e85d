// Help pages, written from the table of commands.

import { meant, optionsOf } from './args.ts'
import type { Command, Group, Option } from './command.ts'
import { COMMANDS } from './commands.ts'
import { EXIT, usageError } from './errors.ts'
import { Output } from './output.ts'

/** Prints the page of everything, of a group or of a command. */
export async function showHelp(path: readonly string[]): Promise<number> {
  await new Output({ isJson: false }).write(await helpText(path))
  return EXIT.done
}

/** @throws CliError `CLI_USAGE` when there is no such command */
export async function helpText(path: readonly string[]): Promise<string> {
  const [first, second] = path
  if (first === undefined) return overview()
  const entry = Object.hasOwn(COMMANDS, first) ? COMMANDS[first] : undefined
  if (entry === undefined) {
    throw usageError(
      `There is no command '${first}'${meant(first, Object.keys(COMMANDS))}`,
      'see: weaver --help'
    )
  }
  if (entry.kind === 'command') return commandPage(first, await entry.load())
  const group = await entry.load()
  if (second === undefined) return groupPage(first, group)
  const command = Object.hasOwn(group.commands, second) ? group.commands[second] : undefined
  if (command === undefined) {
    throw usageError(
      `${first} has no command '${second}'${meant(second, Object.keys(group.commands))}`,
      `see: weaver ${first} --help`
    )
  }
  return commandPage(`${first} ${second}`, command)
}

function overview(): string {
  return page([
    'weaver: all your machines, one computer for AI agents',
    '',
    'Usage: weaver COMMAND [OPTIONS]',
    '',
    'Commands:',
    ...aligned(Object.entries(COMMANDS).map(([name, { summary }]) => [name, summary])),
    '',
    'Examples:',
    '  weaver kernel start --name laptop',
    '  weaver run --gpu 1 -- nvidia-smi',
    '',
    'weaver COMMAND --help says more. WEAVER_HOME (default ~/.weaver) is the home of this node.'
  ])
}

function groupPage(name: string, group: Group): string {
  const commands = Object.entries(group.commands)
  const [, first] = commands[0] ?? []
  return page([
    `weaver ${name}: ${lowerFirst(group.summary)}`,
    '',
    `Usage: weaver ${name} COMMAND [OPTIONS]`,
    '',
    'Commands:',
    ...aligned(commands.map(([word, { summary }]) => [word, summary])),
    '',
    'Example:',
    `  ${first?.examples[0] ?? ''}`
  ])
}

function commandPage(path: string, command: Command): string {
  const options = Object.entries(optionsOf(command)).map(([name, option]): [string, string] => [
    optionText(name, option),
    option.help
  ])
  return page([
    `weaver ${path}: ${lowerFirst(command.summary)}`,
    '',
    `Usage: weaver ${path} [OPTIONS]${command.usage === undefined ? '' : ` ${command.usage}`}`,
    ...(command.about === undefined ? [] : ['', ...wrapped(command.about)]),
    '',
    'Options:',
    ...aligned(options),
    '',
    command.examples.length === 1 ? 'Example:' : 'Examples:',
    ...command.examples.map((example) => `  ${example}`)
  ])
}

export function optionText(name: string, { value, short, isMultiple }: Option): string {
  const long = `--${name}${value === undefined ? '' : ` ${value}`}${isMultiple === true ? '...' : ''}`
  return `${short === undefined ? '   ' : `-${short},`} ${long}`
}

function aligned(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`)
}

function wrapped(text: string): string[] {
  const lines: string[] = ['']
  for (const word of text.split(' ')) {
    const last = lines.at(-1) ?? ''
    if (last.length + word.length + 1 > 80) lines.push(word)
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`
  }
  return lines
}

function lowerFirst(text: string): string {
  return `${text.charAt(0).toLowerCase()}${text.slice(1)}`
}

function page(lines: readonly string[]): string {
  return `${lines.join('\n')}\n`
}
