import type { AgentGate } from '../agents/index.ts'
import { formatGrant, nodeId, WeaverError } from '../core/index.ts'
import type { Gate, Principal } from '../governance/index.ts'

/** The agents' port over the one gate. An agent that is restarted by rule asks again, for whoever spawned it. */
export function agentGate(gate: Gate): AgentGate {
  return {
    authorizeSpawn: async ({ requester, pid, name, runtime, command, cwd, restarts, sandbox }) => {
      const principal = principalOf(requester)
      const resource = `agent:${name}`
      const { containment, grants, limits } = sandbox
      await gate.authorize({
        principal,
        action: 'agent.spawn',
        resource,
        context: {
          argv: [...command],
          cwd,
          envNames: [],
          pid,
          runtime,
          restarts,
          containment,
          grants: grants.map(formatGrant),
          limits: { ...limits }
        }
      })
    }
  }
}

/** The other way round of how the chain names actors; agents/ carries the text through unread. */
function principalOf(requester: string): Principal {
  if (requester === 'user:local') return { kind: 'owner' }
  if (requester.startsWith('node:')) {
    return { kind: 'member', nodeId: nodeId(requester.slice('node:'.length)) }
  }
  throw new WeaverError('NODE_UNKNOWN_REQUESTER', `Cannot tell who '${requester}' is`)
}
