import type { AgentGate } from '../agents/index.ts'
import { nodeId, WeaverError } from '../core/index.ts'
import type { Gate, Principal } from '../governance/index.ts'

/** The agents' port over the one gate. An agent that is restarted by rule asks again, for whoever spawned it. */
export function agentGate(gate: Gate): AgentGate {
  return {
    authorizeSpawn: async ({ requester, pid, name, runtime, command, restarts }) => {
      await gate.authorize({
        principal: principalOf(requester),
        action: 'agent.spawn',
        resource: `agent:${name}`,
        context: { argv: [...command], cwd: null, envNames: [], pid, runtime, restarts }
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
