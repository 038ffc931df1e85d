// Agents on other nodes: the service that a node offers to members, and its client.

import { z } from 'zod'
import type { AgentView, Agents, RestartRule } from '../../agents/index.ts'
import { DEFAULT_SANDBOX, parseSandbox, sandboxCbor, WeaverError } from '../../core/index.ts'
import type { Cbor, NodeId, Sandbox } from '../../core/index.ts'
import type { RpcClient, RpcRequest, RpcService } from '../../mesh/index.ts'
import type { Capabilities, Gate } from '../../governance/index.ts'
import { startContext } from '../agent-gate.ts'
import { REMOTE_CALL_TIMEOUT_MS } from '../limits.ts'
import { noSuchMethod } from './errors.ts'
import { answered, received } from './received.ts'

const SERVICE = 'agents'

/** What is to be spawned; where it runs has been decided. */
export interface AgentOrder {
  readonly name: string
  readonly runtime: string
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly restart: RestartRule
  readonly cwd: string | null
  readonly gpu: string | null
  readonly sandbox: Sandbox
}

const orderSchema = z.object({
  name: z.string().max(63),
  runtime: z.string().max(63),
  command: z.array(z.string().max(131_072)).max(1024),
  env: z.record(z.string().max(256), z.string().max(32_768)),
  restart: z.enum(['permanent', 'transient', 'temporary']),
  cwd: z.string().min(1).max(4096).nullable().default(null),
  gpu: z.string().max(256).nullable().default(null),
  sandbox: z
    .unknown()
    .optional()
    .transform((value) => (value === undefined ? DEFAULT_SANDBOX : parseSandbox(value))),
  /** The proof of what it asks for; a member that grants nothing needs none. */
  authority: z.instanceof(Uint8Array).default(() => new Uint8Array())
})
const referenceSchema = z.object({ reference: z.string().max(63) })
const pidSchema = z.object({ pid: z.int().min(1) })

export interface AgentsServiceDeps {
  readonly self: NodeId
  readonly agents: Agents
  readonly gate: Gate
  readonly capabilities: Pick<Capabilities, 'check'>
  readonly asking: {
    readonly book: { keepAgentProof(requester: string, name: string, proof: Uint8Array): void }
  }
}

/** The principal of every request is the peer of its connection. */
export function agentsService(deps: AgentsServiceDeps): RpcService {
  return { name: SERVICE, serve: (request) => serve(deps, request) }
}

async function serve(deps: AgentsServiceDeps, request: RpcRequest): Promise<Cbor> {
  const { agents, gate } = deps
  const principal = { kind: 'member', nodeId: request.peer } as const
  if (request.method === 'spawn') {
    // The agents room asks the gate itself, before every start.
    const { authority, ...order } = received(orderSchema, request.body)
    const requester = `node:${request.peer}`
    const { grants } = order.sandbox
    if (grants.length > 0) {
      const shown = { issuer: request.peer, task: null, epoch: null, node: deps.self, grants }
      const verdict = await deps.capabilities.check(authority, shown)
      if (verdict.kind === 'refused') throw unproven(order.name, verdict.reason)
      deps.asking.book.keepAgentProof(requester, order.name, authority)
    }
    const warrant = grants.length > 0 ? authority : null
    return pidOf(await agents.spawn({ ...order, requester, warrant }))
  }
  const { reference } = received(referenceSchema, request.body)
  const action = request.method === 'restart' ? 'agent.spawn' : 'agent.stop'
  const agent = agents.find(reference)
  if (agent === null) {
    throw new WeaverError('AGENTS_NOT_FOUND', `Cannot find an agent called '${reference}' here`)
  }
  // Whoever has it started again must be one who may have it started.
  const context = startContext(agent)
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

function unproven(name: string, why: string): WeaverError {
  return new WeaverError(
    'GOVERNANCE_CAPABILITY_INVALID',
    `Cannot spawn agent '${name}': its node may not ask for this: ${why}`,
    { retry: 'never' }
  )
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

export function remoteAgents(
  rpc: RpcClient,
  capabilities: Pick<Capabilities, 'issue'>
): RemoteAgents {
  const call = async (
    node: NodeId,
    method: string,
    body: Cbor,
    signal: AbortSignal
  ): Promise<number> => {
    const options = { signal, timeoutMs: REMOTE_CALL_TIMEOUT_MS }
    return answered(pidSchema, await rpc.call(node, SERVICE, method, body, options)).pid
  }
  return {
    spawn: async (node, order, signal) => {
      const sandbox = sandboxCbor(order.sandbox)
      const { grants } = order.sandbox
      const body = { ...order, sandbox }
      if (grants.length === 0) return await call(node, 'spawn', body, signal)
      const claims = { task: null, epoch: null, node, grants, until: null }
      const authority = await capabilities.issue(claims)
      return await call(node, 'spawn', { ...body, authority }, signal)
    },
    stop: (node, reference, signal) => call(node, 'stop', { reference }, signal),
    restart: (node, reference, signal) => call(node, 'restart', { reference }, signal)
  }
}
