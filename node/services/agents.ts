import { parseSandbox, WeaverError } from '../../core/index.ts'
import type { Clock, NodeId } from '../../core/index.ts'
import type { GateRequest } from '../../governance/index.ts'
import { parseGpuRequest, place } from '../../scheduler/index.ts'
import type { Placement } from '../../scheduler/index.ts'
import type { Agent, AgentSpec, ProcessRow, Restart } from '../api/index.ts'
import { gpuContext, startContext, startRequest } from '../agent-gate.ts'
import { resolveNode, resolveProcess } from '../resolve.ts'
import { ROW_WAIT_MS } from '../limits.ts'
import type { Rooms } from '../rooms.ts'
import type { KernelService } from '../service.ts'

type AgentOperations = Pick<
  KernelService,
  'agents' | 'spawnAgent' | 'agent' | 'stopAgent' | 'restartAgent' | 'runtimes'
>

export function agentOperations(rooms: Rooms): AgentOperations {
  const { table, remoteAgents, self } = rooms
  return {
    agents: async () =>
      table
        .all()
        .filter((row) => row.kind === 'agent')
        .map((row) => agentView(rooms, resolveNode(rooms.mesh, row.node), row)),
    agent: async (text) => {
      const { node, row } = agentPlace(rooms, text)
      return agentView(rooms, node, row)
    },
    spawnAgent: async (spec, signal) => {
      const node = await placeAgent(rooms, spec)
      const { name, runtime, args, env, restart, cwd, gpu } = spec
      const sandbox = parseSandbox(spec.sandbox)
      const order = { name, runtime, command: args, env, restart, cwd, gpu, sandbox }
      if (node !== self) {
        const { context, ...request } = startRequest({ kind: 'owner' }, order)
        await rooms.gate.authorize({ ...request, context: { ...context, node } })
        return remoteView(rooms, node, remoteAgents.spawn(node, order, signal))
      }
      const view = await rooms.agents.spawn({ ...order, requester: 'user:local' })
      return viewOf(rooms, node, view.pid)
    },
    stopAgent: async (text, signal) => {
      const { node, row } = agentPlace(rooms, text)
      const reference = String(row.pid)
      // Here, too, where another node decides for itself: on whose behalf it was asked stands in this lane alone.
      await authorize(rooms, 'agent.stop', row.name, commandOf(rooms, node, row))
      if (node !== self) return remoteView(rooms, node, remoteAgents.stop(node, reference, signal))
      await rooms.agents.stop(reference)
      return viewOf(rooms, node, row.pid)
    },
    restartAgent: async (text, signal) => {
      const { node, row } = agentPlace(rooms, text)
      const reference = String(row.pid)
      await authorize(rooms, 'agent.spawn', row.name, restartContext(rooms, node, row))
      if (node !== self) {
        return remoteView(rooms, node, remoteAgents.restart(node, reference, signal))
      }
      await rooms.agents.restart(reference)
      return viewOf(rooms, node, row.pid)
    },
    runtimes: () =>
      rooms.agents.runtimes().map((runtime) => ({ ...runtime, available: true, reason: null }))
  }
}

/** This node, unless a node or a GPU is asked for. A member that has just connected gets time to say what it has. */
async function placeAgent(rooms: Rooms, spec: AgentSpec): Promise<NodeId> {
  const { directory, clock } = rooms
  if (spec.node === null && spec.gpu === null) return rooms.self
  const wanted = {
    gpu: spec.gpu === null ? null : parseGpuRequest(spec.gpu),
    labels: {},
    node: spec.node === null ? null : resolveNode(rooms.mesh, spec.node),
    sandbox: parseSandbox(spec.sandbox)
  }
  const decide = (): Placement => place(wanted, directory.candidates())
  const onChange = (listener: () => void): (() => void) => directory.onChange(listener)
  const told = await firstFound(clock, onChange, () => {
    const found = decide()
    return found.kind === 'placed' || !directory.isAwaited(wanted.node) ? found : null
  })
  const placement = told ?? decide()
  if (placement.kind === 'placed') return placement.node
  throw new WeaverError('NODE_NO_PLACE', `Cannot place agent '${spec.name}': ${placement.why}`, {
    retry: 'later',
    detail: { hint: 'weaver mesh peers shows what each node has' }
  })
}

function agentPlace(
  rooms: Rooms,
  text: string
): { readonly node: NodeId; readonly row: ProcessRow } {
  const found = resolveProcess(rooms.mesh, rooms.table, text)
  if (found.row.kind === 'agent') return found
  throw new WeaverError(
    'AGENTS_NOT_FOUND',
    `Cannot use ${found.row.gpid} as an agent: it is a ${found.row.kind}`,
    { detail: { hint: 'weaver agent list shows agents' } }
  )
}

function commandOf(
  { agents, table, self }: Rooms,
  node: NodeId,
  row: ProcessRow
): GateRequest['context'] {
  const own = node === self ? agents.find(String(row.pid)) : null
  if (own !== null) return startContext(own)
  const argv = [...(table.stored(node, row.pid)?.agent?.command ?? [])]
  const containment = row.containment === 'none' ? 'none' : 'os'
  return { argv, cwd: null, envNames: [], containment }
}

/** Of an agent elsewhere, all that its row says; its own node decides about the rest of it, too. */
function restartContext(rooms: Rooms, node: NodeId, row: ProcessRow): GateRequest['context'] {
  const said = rooms.table.stored(node, row.pid)?.agent ?? null
  const command = commandOf(rooms, node, row)
  if (node === rooms.self || said === null) return command
  const { grants, restart, role, image, gpu } = said
  return {
    ...command,
    grants: [...grants],
    node,
    restart,
    ...gpuContext(gpu),
    ...(row.runtime === null ? {} : { runtime: row.runtime }),
    ...(role === null ? {} : { role }),
    ...(image === null ? {} : { image })
  }
}

async function authorize(
  { gate }: Rooms,
  action: 'agent.stop' | 'agent.spawn',
  name: string,
  context: GateRequest['context']
): Promise<void> {
  const resource = `agent:${name}`
  await gate.authorize({ principal: { kind: 'owner' }, action, resource, context })
}

async function remoteView(rooms: Rooms, node: NodeId, done: Promise<number>): Promise<Agent> {
  const pid = await done
  await rowOf(rooms, node, pid)
  return viewOf(rooms, node, pid)
}

/** The other node's row is on its way when its answer is here: it arrives a moment later. */
async function rowOf({ mesh, table, clock }: Rooms, node: NodeId, pid: number): Promise<void> {
  const onChange = (listener: () => void): (() => void) => mesh.rows.onChange(listener)
  await firstFound(clock, onChange, () => table.stored(node, pid))
}

/** What `look` finds at once or after a change; null where it finds nothing within ROW_WAIT_MS. */
async function firstFound<Value>(
  clock: Clock,
  onChange: (listener: () => void) => () => void,
  look: () => Value | null
): Promise<Value | null> {
  const { promise, resolve } = Promise.withResolvers<Value>()
  const tryOnce = (): void => {
    const value = look()
    if (value !== null) resolve(value)
  }
  const end = onChange(tryOnce)
  tryOnce()
  const timer = new AbortController()
  try {
    return await Promise.race([promise, clock.sleep(ROW_WAIT_MS, timer.signal).then(() => null)])
  } finally {
    timer.abort()
    end()
  }
}

function viewOf(rooms: Rooms, node: NodeId, pid: number): Agent {
  const row = rooms.table.of(node).find((candidate) => candidate.pid === pid)
  if (row !== undefined) return agentView(rooms, node, row)
  throw new WeaverError('AGENTS_NOT_FOUND', `Cannot find agent ${pid}@${rooms.mesh.nameOf(node)}`)
}

function agentView({ table }: Rooms, node: NodeId, row: ProcessRow): Agent {
  const agent = table.stored(node, row.pid)?.agent ?? null
  const { command = [], grants = [], role = null, reason = null } = agent ?? {}
  return { ...row, restart: restartRule(agent?.restart), command, grants, role, reason }
}

function restartRule(text: string | undefined): Restart {
  return text === 'permanent' || text === 'transient' ? text : 'temporary'
}
