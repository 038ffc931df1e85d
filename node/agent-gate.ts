import type { AgentGate } from '../agents/index.ts'
import { nodeId, pid as pidOf, sandboxCbor, WeaverError } from '../core/index.ts'
import { requestingPid } from './asking/index.ts'
import type { Gate, Principal } from '../governance/index.ts'

/** The agents' port over the one gate. An agent that is restarted by rule asks again, for whoever spawned it. */
export function agentGate(gate: Gate): AgentGate {
  return {
    authorizeSpawn: async (ask) => {
      const { requester, pid, name, runtime, command, env, cwd, restarts, sandbox } = ask
      await gate.authorize({
        principal: principalOf(requester),
        action: 'agent.spawn',
        resource: `agent:${name}`,
        command,
        environment: env,
        context: {
          argv: [...command],
          cwd,
          envNames: Object.keys(env).toSorted(),
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
