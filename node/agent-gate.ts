import type { AgentGate, AgentSpawnAsk, AgentView } from '../agents/index.ts'
import { nodeId, pid as pidOf, sandboxCbor, WeaverError } from '../core/index.ts'
import type { NodeId } from '../core/index.ts'
import { requestingPid } from './asking/index.ts'
import type { Capabilities, Gate, GateRequest, Principal } from '../governance/index.ts'
import { parseGpuRequest } from '../scheduler/index.ts'

export interface AgentGateDeps {
  readonly gate: Gate
  readonly self: NodeId
  readonly capabilities: Pick<Capabilities, 'check'>
  readonly book: { keepAgentProof(requester: string, name: string, proof: Uint8Array): void }
}

/**
 * The agents' port over the one gate. An agent that is restarted by rule asks again, for whoever spawned it; one that
 * comes from an earlier kernel also shows again what its node had proven.
 */
export function agentGate(deps: AgentGateDeps): AgentGate {
  return {
    authorizeSpawn: async (ask) => {
      await confirmWarrant(ask, deps)
      const { requester, pid, restarts } = ask
      const { context, ...request } = startRequest(principalOf(requester), ask)
      await deps.gate.authorize({ ...request, context: { ...context, pid, restarts } })
    }
  }
}

type AgentStart = Pick<
  AgentView,
  'command' | 'cwd' | 'envNames' | 'runtime' | 'restart' | 'gpu' | 'sandbox'
>

/** An agent that is to be started for the first time, with its variables. */
export type WantedAgent = Omit<AgentStart, 'envNames'> & {
  readonly name: string
  readonly env: Readonly<Record<string, string>>
}

/**
 * What the gate is asked before an agent starts: the same by the node that wants it as by the one that runs it, so
 * that neither decides about less than the other.
 */
export function startRequest(principal: Principal, wanted: WantedAgent): GateRequest {
  const { name, command, env } = wanted
  return {
    principal,
    action: 'agent.spawn',
    resource: `agent:${name}`,
    command,
    environment: env,
    context: startContext({ ...wanted, envNames: Object.keys(env).toSorted() })
  }
}

/** What would run, whole, as a request for the start of an agent says it. */
export function startContext(start: AgentStart): GateRequest['context'] {
  const { command, cwd, envNames, runtime, restart, gpu, sandbox } = start
  const said = { argv: [...command], cwd, envNames: [...envNames], runtime, restart }
  return { ...said, ...gpuContext(gpu), ...sandboxCbor(sandbox) }
}

/** As a task's GPUs are said. @throws WeaverError `SCHEDULER_INVALID_SPEC` */
export function gpuContext(gpu: string | null): GateRequest['context'] {
  return gpu === null ? {} : { gpu: { ...parseGpuRequest(gpu) } }
}

/** @throws WeaverError `GOVERNANCE_CAPABILITY_INVALID`: it has run out, or its node is no member any more */
async function confirmWarrant(ask: AgentSpawnAsk, deps: AgentGateDeps): Promise<void> {
  const { requester, name, warrant, sandbox, isResumed } = ask
  if (warrant === null || !isResumed) return
  const principal = principalOf(requester)
  const issuer = principal.kind === 'member' ? principal.nodeId : deps.self
  const shown = { issuer, task: null, epoch: null, node: deps.self, grants: sandbox.grants }
  const verdict = await deps.capabilities.check(warrant, shown)
  if (verdict.kind === 'refused') {
    throw new WeaverError(
      'GOVERNANCE_CAPABILITY_INVALID',
      `Cannot start agent '${name}' again: what its node granted holds no more: ${verdict.reason}`,
      { retry: 'never', detail: { hint: 'spawn it anew from the node that wants it' } }
    )
  }
  deps.book.keepAgentProof(requester, name, warrant)
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
