// A policy over the real engine, with facts that a test sets.

import { loadCedar, EnginePolicy } from '../../../governance/index.ts'
import type { CommandFacts, PolicyFacts, PolicySource } from '../../../governance/index.ts'
import { unreadCommand } from '../../../governance/index.ts'
import { millis } from '../../../core/index.ts'
import type { Millis } from '../../../core/index.ts'
import { silentLog } from '../../doubles/silent-log.ts'

export interface Kit {
  readonly policy: EnginePolicy
  /** What a decision is told of members, agents and commands; a test may change it at any moment. */
  readonly facts: { -readonly [Key in keyof PolicyFacts]: PolicyFacts[Key] }
  now: Millis
}

export const plainCommand: Omit<CommandFacts, 'program' | 'programs'> = {
  risks: [],
  isAnalysable: true,
  reads: [],
  writes: [],
  hosts: []
}

export function readAs(more: Partial<CommandFacts>): PolicyFacts['analyse'] {
  return (argv) => ({ ...unreadCommand(argv), ...plainCommand, ...more })
}

export function source(text: string, name = 'home/test.cedar'): PolicySource {
  return { name, text, isBuiltIn: false }
}

export async function kit(
  texts: readonly PolicySource[] = [],
  more: Partial<ConstructorParameters<typeof EnginePolicy>[0]> = {}
): Promise<Kit> {
  const facts: Kit['facts'] = {
    roleOf: () => null,
    processOf: () => null,
    agentRole: () => null,
    home: '/home/me/.weaver',
    analyse: readAs({})
  }
  const made: { now: Millis } = { now: millis(0) }
  const policy = new EnginePolicy({
    loadEngine: loadCedar,
    facts,
    clock: { now: () => made.now },
    log: silentLog,
    texts: async () => ({ sources: texts, refused: null }),
    ...more
  })
  return Object.assign(made, { policy, facts })
}
