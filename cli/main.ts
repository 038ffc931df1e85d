// The `weaver` command. Loads only what the command at hand needs: a slow start is a defect.

import { writeSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { ApiError, ControlClient } from '../node/api/index.ts'
import { meant, parseCommandLine } from './args.ts'
import { COMMANDS } from './commands.ts'
import type { Command, Context } from './command.ts'
import { EXIT, reportOf, usageError } from './errors.ts'
import { jsonText, oneLine, Output } from './output.ts'

/** Runs one command line. The exit code is left in `process.exitCode`: what is written gets out first. */
export async function main(argv: readonly string[]): Promise<void> {
  process.stdout.on('error', leaveQuietly)
  process.stderr.on('error', leaveQuietly)
  const isJson = ownWords(argv).includes('--json')
  try {
    process.exitCode = await dispatch(argv)
  } catch (error) {
    const report = reportOf(error)
    const { code, message, hint } = report
    // A member's words, or a process's, may be in it.
    process.stderr.write(`${oneLine(`weaver: ${message}${hint === null ? '' : `; ${hint}`}`)}\n`)
    if (isJson) process.stdout.write(`${jsonText({ error: { code, message, hint } })}\n`)
    process.exitCode = argv[0] === 'run' ? EXIT.runFailed : report.exit
  }
}

/** Whoever reads us (`head`, a closed terminal) has seen enough. */
function leaveQuietly(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(EXIT.done)
  writeLast(`weaver: Cannot write the output: ${error.message}\n`)
  process.exit(EXIT.failed)
}

/** Past the streams, one of which has just failed. */
function writeLast(text: string): void {
  try {
    writeSync(2, text)
  } catch {
    // Nobody can be told.
  }
}

function ownWords(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--')
  return end < 0 ? argv : argv.slice(0, end)
}

async function dispatch(argv: readonly string[]): Promise<number> {
  const [first, second, ...rest] = argv
  if (first === undefined || first === 'help' || first === '--help' || first === '-h') {
    const { showHelp } = await import('./help.ts')
    return showHelp(first === undefined ? [] : argv.slice(1))
  }
  if (first === '--version' || first === '-V') return dispatch(['version', ...argv.slice(1)])
  const entry = COMMANDS[first]
  if (entry === undefined || !Object.hasOwn(COMMANDS, first)) throw unknown(first, [])
  if (entry.kind === 'command') return run([first], await entry.load(), argv.slice(1))
  const group = await entry.load()
  if (second === undefined || second === '--help' || second === '-h') {
    const { showHelp } = await import('./help.ts')
    await showHelp([first])
    return second === undefined ? EXIT.usage : EXIT.done
  }
  const command = Object.hasOwn(group.commands, second) ? group.commands[second] : undefined
  if (command === undefined) throw unknown(second, [first, Object.keys(group.commands)])
  return run([first, second], command, rest)
}

async function run(
  path: readonly string[],
  command: Command,
  argv: readonly string[]
): Promise<number> {
  const args = parseCommandLine(path.join(' '), command, argv)
  if (args.flag('help')) {
    const { showHelp } = await import('./help.ts')
    return showHelp(path)
  }
  const runner = await command.load()
  const home = resolve(process.env['WEAVER_HOME'] || join(homedir(), '.weaver'))
  const client = new ControlClient({ socketPath: socketPathOf(home) })
  const context = { home, client, output: new Output({ isJson: args.flag('json') }) }
  for (;;) {
    try {
      return await runner(context, args)
    } catch (error) {
      await approved(context, error)
    }
  }
}

/** Inside a process that may ask its kernel, that is whom this command speaks with, as that process. */
function socketPathOf(home: string): string {
  return process.env['WEAVER_SOCKET'] || join(home, 'run', 'kernel.sock')
}

/** Resolves when what was refused for want of an approval has got it. @throws `error`, where it is any other */
async function approved(context: Context, error: unknown): Promise<void> {
  if (!(error instanceof ApiError) || error.code !== 'GOVERNANCE_APPROVAL_PENDING') throw error
  const { awaitedApproval, untilApproved } = await import('./approval-wait.ts')
  const id = awaitedApproval(error)
  // A process cannot look at approvals: it asks again.
  if (id === null || process.env['WEAVER_SOCKET']) throw error
  await untilApproved(context, id)
}

function unknown(
  word: string,
  [group, known]: readonly [group: string, known: readonly string[]] | readonly []
): Error {
  const isTop = group === undefined
  return usageError(
    `${isTop ? 'There is' : `${group} has`} no command '${word}'${meant(word, known ?? Object.keys(COMMANDS))}`,
    `see: weaver ${isTop ? '' : `${group} `}--help`
  )
}
