// The face of command analysis: a command vector in, what it would do out. Pure and total.
//
// Invariants
//   C1. It never throws and always ends, whatever the arguments are.
//   C2. Where `isAnalysable` is true, `commands` has every argument vector that a shell in it would
//       execute, word for word. Where that cannot be said, `isAnalysable` is false.
//   C3. It is advice. Containment and grants do not depend on it.

import { MadeFiles, UNKNOWN } from './call.ts'
import type { Place } from './call.ts'
import { exact } from './field.ts'
import { Findings } from './findings.ts'
import type { Risk } from './findings.ts'
import { judgeCommand } from './judge.ts'
import { SCRIPT_LENGTH_MAX } from './limits.ts'
import { judgeShellText } from './shell.ts'

/** What policy sees of a command, as `context.command`. */
export interface CommandContext {
  /** The program's name without its folder. */
  readonly program: string
  /** Every program found, in pipes, substitutions, wrappers and shell texts too. */
  readonly programs: readonly string[]
  readonly risks: readonly Risk[]
  readonly isAnalysable: boolean
  /** Paths, absolute where the working folder is known; a home is written `~`. */
  readonly reads: readonly string[]
  readonly writes: readonly string[]
  /** Names and addresses of hosts, lower case. */
  readonly hosts: readonly string[]
}

/** The same, and what an approver reads. */
export interface CommandAnalysis extends CommandContext {
  /** Every command found, in order. */
  readonly commands: readonly (readonly string[])[]
  /** Why: one sentence for each risk, and for what could not be resolved. */
  readonly notes: readonly string[]
}

export interface CommandSurroundings {
  /** The absolute working folder, null where it is not known. */
  readonly cwd: string | null
  /** Names of the variables that the command will see. */
  readonly environmentNames: readonly string[]
  /** Reads a script that a shell is told to run; null where it cannot, or may not. Must not throw. */
  readonly readFile?: (path: string) => string | null
}

export function analyseCommand(
  argv: readonly string[],
  surroundings: CommandSurroundings
): CommandAnalysis {
  const findings = new Findings()
  const { readFile } = surroundings
  const place: Place = {
    findings,
    cwd: surroundings.cwd,
    environmentNames: new Set(surroundings.environmentNames),
    readFile:
      readFile === undefined
        ? null
        : (path) => {
            const text = readFile(path)
            return text === null || text.length > SCRIPT_LENGTH_MAX ? null : text
          },
    depth: 0,
    made: new MadeFiles(),
    substituted: new Set(),
    judge: judgeCommand,
    shell: judgeShellText
  }
  try {
    if (argv.length === 0) findings.unresolved('there is no command')
    else judgeCommand(argv.map(exact), UNKNOWN, place)
  } catch (error) {
    // A mistake of ours, or a stack that ran out: then nothing may be concluded (C1, C2).
    findings.unresolved(error instanceof Error ? error.message.slice(0, 120) : 'unknown error')
  }
  return answer(argv, findings)
}

function answer(argv: readonly string[], findings: Findings): CommandAnalysis {
  const path = argv[0] ?? ''
  return {
    program: path.slice(path.lastIndexOf('/') + 1).slice(0, 256),
    programs: [...findings.programs].toSorted(),
    risks: [...findings.risks].toSorted(),
    isAnalysable: findings.isAnalysable,
    reads: [...findings.reads].toSorted(),
    writes: [...findings.writes].toSorted(),
    hosts: [...findings.hosts].toSorted(),
    commands: findings.commands,
    notes: findings.notes
  }
}

/** Exactly the record that policies see. */
export function commandContext(analysis: CommandAnalysis): CommandContext {
  const { program, programs, risks, isAnalysable, reads, writes, hosts } = analysis
  return { program, programs, risks, isAnalysable, reads, writes, hosts }
}
