// What policies may know of this kernel, asked anew at each decision.

import type { Sandbox } from '../core/index.ts'
import { analyseCommand, commandContext, DEFAULT_ROLE } from '../governance/index.ts'
import type { PolicyFacts } from '../governance/index.ts'
import type { Rooms } from './rooms.ts'

/** `rooms` is called at decisions only, when all rooms are there. */
export function policyFacts(
  rooms: () => Pick<Rooms, 'mesh' | 'agents' | 'options' | 'asking'>
): PolicyFacts {
  return {
    roleOf: (node) => rooms().mesh.member(node)?.role ?? null,
    processOf: (pid) => {
      // By the number, which is never used again; an agent may be called like one.
      const agent = rooms()
        .agents.list()
        .find((each) => each.pid === pid)
      if (agent !== undefined) return { agent: agent.name, role: roleOf(agent.sandbox) }
      const rights = rooms().asking.book.of(pid)
      return rights === null ? null : { agent: null, role: roleOf(rights.sandbox) }
    },
    agentRole: (name) => {
      const agent = rooms()
        .agents.list()
        .find((each) => each.name === name)
      return agent === undefined ? null : roleOf(agent.sandbox)
    },
    get home() {
      return rooms().options.home
    },
    // Without reading files: what a script has in it may change before it runs.
    analyse: (argv, cwd, environmentNames) =>
      commandContext(analyseCommand(argv, { cwd, environmentNames }))
  }
}

function roleOf({ role }: Sandbox): string {
  return role ?? DEFAULT_ROLE
}
