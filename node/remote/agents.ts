// Agents on other nodes: the service that a node offers to members, and its client.

import { z } from 'zod'
import type { AgentView, Agents, RestartRule } from '../../agents/index.ts'
import { DEFAULT_SANDBOX, parseSandbox, sandboxCbor, WeaverError } from '../../core/index.ts'
import type { Cbor, NodeId, Sandbox } from '../../core/index.ts'
import type { RpcClient, RpcRequest, RpcService } from '../../mesh/index.ts'
import type { Gate } from '../../governance/index.ts'
import { REMOTE_CALL_TIMEOUT_MS } from '../limits.ts'
import { noSuchMethod } from './errors.ts'

const SERVICE = 'agents'

/** What is to be spawned; where it runs has been decided. */
export interface AgentOrder {
  readonly name: string
  readonly runtime: string
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly restart: RestartRule
  readonly cwd: string | null
  readonly sandbox: Sandbox
}

const orderSchema = z.object({
  name: z.string().max(63),
  runtime: z.string().max(63),
  command: z.array(z.string().max(131_072)).max(1024),
  env: z.record(z.string().max(256), z.string().max(32_768)),
  restart: z.enum(['permanent', 'transient', 'temporary']),
  cwd: z.string().min(1).max(4096).nullable().default(null),
  sandbox: z
    .unknown()
    .optional()
    .transform((value) => (value === undefined ? DEFAULT_SANDBOX : parseSandbox(value)))
})
const referenceSchema = z.object({ reference: z.string().max(63) })
const pidSchema = z.object({ pid: z.int().min(1) })

export interface AgentsServiceDeps {
  readonly agents: Agents
  readonly gate: Gate
}

/** The principal of every request is the peer of its connection. */
export function agentsService(deps: AgentsServiceDeps): RpcService {
  return { name: SERVICE, serve: (request) => serve(deps, request) }
}

async function serve({ agents, gate }: AgentsServiceDeps, request: RpcRequest): Promise<Cbor> {
  const principal = { kind: 'member', nodeId: request.peer } as const
  if (request.method === 'spawn') {
    // The agents room asks the gate itself, before every start.
    const order = orderSchema.parse(request.body)
    const view = await agents.spawn({ ...order, requester: `node:${request.peer}` })
    return pidOf(view)
  }
  const { reference } = referenceSchema.parse(request.body)
  const action = request.method === 'restart' ? 'agent.spawn' : 'agent.stop'
  const agent = agents.find(reference)
  if (agent === null) {
    throw new WeaverError('AGENTS_NOT_FOUND', `Cannot find an agent called '${reference}' here`)
  }
  const context = { argv: [...agent.command], cwd: null, envNames: [] }
  await gate.authorize({ principal, action, resource: `agent:${agent.name}`, context })
  switch (request.method) {
    case 'stop':
      return pidOf(await agents.stop(reference))
    case 'restart':
      return pidOf(await agents.restart(reference))
    default:
      throw noSuchMethod(SERVICE, request.method)
  }
}

function pidOf(view: AgentView): Cbor {
  return { pid: view.pid }
}

/** Each method resolves with the agent's pid on its node; its row says the rest. */
export interface RemoteAgents {
  spawn(node: NodeId, order: AgentOrder, signal: AbortSignal): Promise<number>
  stop(node: NodeId, reference: string, signal: AbortSignal): Promise<number>
  restart(node: NodeId, reference: string, signal: AbortSignal): Promise<number>
}

export function remoteAgents(rpc: RpcClient): RemoteAgents {
  const call = async (
    node: NodeId,
    method: string,
    body: Cbor,
    signal: AbortSignal
  ): Promise<number> => {
    const options = { signal, timeoutMs: REMOTE_CALL_TIMEOUT_MS }
    return pidSchema.parse(await rpc.call(node, SERVICE, method, body, options)).pid
  }
  return {
    spawn: (node, order, signal) =>
      call(node, 'spawn', { ...order, sandbox: sandboxCbor(order.sandbox) }, signal),
    stop: (node, reference, signal) => call(node, 'stop', { reference }, signal),
    restart: (node, reference, signal) => call(node, 'restart', { reference }, signal)
  }
}
