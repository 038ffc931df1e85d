import type { AgentGate } from '../agents/index.ts'
import { nodeId, pid as pidOf, sandboxCbor, WeaverError } from '../core/index.ts'
import { requestingPid } from './asking/index.ts'
import type { Gate, Principal } from '../governance/index.ts'

/** The agents' port over the one gate. An agent that is restarted by rule asks again, for whoever spawned it. */
export function agentGate(gate: Gate): AgentGate {
  return {
    authorizeSpawn: async ({ requester, pid, name, runtime, command, cwd, restarts, sandbox }) => {
      const principal = principalOf(requester)
      const resource = `agent:${name}`
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
          ...sandboxCbor(sandbox)
        }
      })
    }
  }
}

/** The other way round of how the chain names actors; agents/ carries the text through unread. */
export function principalOf(requester: string): Principal {
  if (requester === 'user:local') return { kind: 'owner' }
  if (requester.startsWith('node:')) {
    return { kind: 'member', nodeId: nodeId(requester.slice('node:'.length)) }
  }
  const process = requestingPid(requester)
  if (process !== null) return { kind: 'process', pid: pidOf(process) }
  throw new WeaverError('NODE_UNKNOWN_REQUESTER', `Cannot tell who '${requester}' is`)
}
