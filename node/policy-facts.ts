// What policies may know of this kernel, asked anew at each decision.

import { analyseCommand, commandContext, DEFAULT_ROLE } from '../governance/index.ts'
import type { PolicyFacts } from '../governance/index.ts'
import type { Rooms } from './rooms.ts'

/** `rooms` is called at decisions only, when all rooms are there. */
export function policyFacts(rooms: () => Pick<Rooms, 'mesh' | 'agents' | 'options'>): PolicyFacts {
  return {
    roleOf: (node) => rooms().mesh.member(node)?.role ?? null,
    agentOf: (pid) => {
      // By the number, which is never used again; an agent may be called like one.
      const agent = rooms()
        .agents.list()
        .find((each) => each.pid === pid)
      return agent === undefined ? null : { name: agent.name, role: DEFAULT_ROLE }
    },
    agentRole: (name) =>
      rooms()
        .agents.list()
        .some((each) => each.name === name)
        ? DEFAULT_ROLE
        : null,
    get home() {
      return rooms().options.home
    },
    // Without reading files: what a script has in it may change before it runs.
    analyse: (argv, cwd, environmentNames) =>
      commandContext(analyseCommand(argv, { cwd, environmentNames }))
  }
}
