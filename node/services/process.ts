// What one process may ask its kernel, on top of the operations that its owner has.

import { parseSandbox, WeaverError } from '../../core/index.ts'
import type { Limits, TaskId } from '../../core/index.ts'
import type { Agent, SandboxSpec, SelfView, TaskSubmission } from '../api/index.ts'
import { isGrantWithin, formatGrant } from '../../core/index.ts'
import { DEFAULT_ROLE } from '../../governance/index.ts'
import type { Rooms } from '../rooms.ts'
import { agentOperations } from './agents.ts'
import { taskOperations } from './tasks.ts'
import type { TaskOrigin } from './tasks.ts'
import { toolOperations } from './tools.ts'
import { resolveNode } from '../resolve.ts'
import { LimitExceededError, OwnNodeOnlyError } from '../asking/index.ts'
import type { ProcessService, Rights } from '../asking/index.ts'

/** To be made for each process; its principal is `rights.pid`, and cannot be said by anybody. */
export function processService(rooms: Rooms, rights: Rights): ProcessService {
  const { children } = rooms.asking
  const { pid } = rights
  const principal = { kind: 'process', pid } as const
  const tasks = (): ReturnType<typeof taskOperations> =>
    taskOperations({ ...rooms, origin: ownTasks(rooms, rights) })
  const ownAgent = (text: string): string => {
    const found = children.agentsOf(pid).find((agent) => {
      return agent.name === text || String(agent.pid) === text || gpidOf(rooms, agent.pid) === text
    })
    if (found !== undefined) return String(found.pid)
    throw new WeaverError(
      'AGENTS_NOT_FOUND',
      `Cannot find an agent '${text.slice(0, 64)}' of its own`
    )
  }
  return {
    self: () => selfView(rooms, rights),
    submitTask: async (submission, signal) => {
      children.checkRoom(pid)
      return await tasks().submitTask(bounded(rooms, rights, submission), signal)
    },
    runTask: async (submission, io) => {
      children.checkRoom(pid)
      return await tasks().runTask(bounded(rooms, rights, submission), io)
    },
    tasks: () => tasks().tasks(),
    task: (id) => tasks().task(id),
    taskEvents: (id, options) => tasks().taskEvents(id, options),
    taskOutput: (id, options) => tasks().taskOutput(id, options),
    cancelTask: (id) => tasks().cancelTask(id),
    agents: async () => {
      const own = new Set(children.agentsOf(pid).map((agent) => gpidOf(rooms, agent.pid)))
      return (await agentOperations(rooms).agents()).filter(({ gpid }) => own.has(gpid))
    },
    agent: async (text, signal) => agentOperations(rooms).agent(ownAgent(text), signal),
    spawnAgent: async (spec, signal) => {
      if (spec.gpu !== null || (spec.node !== null && !isHere(rooms, spec.node))) {
        throw new OwnNodeOnlyError('spawn an agent', 'hand on a task instead: weaver run --on NODE')
      }
      children.checkRoom(pid)
      const { name, runtime, args, env, restart, cwd } = spec
      const sandbox = parseSandbox(boundedSandbox(rights, spec.sandbox))
      const order = { name, runtime, command: args, env, restart, cwd, sandbox }
      const view = await rooms.agents.spawn({ ...order, requester: `process:${pid}` })
      return agentOperations(rooms).agent(String(view.pid), signal)
    },
    stopAgent: async (text): Promise<Agent> => {
      const { agents, gate } = rooms
      const reference = ownAgent(text)
      const name = agents.find(reference)?.name ?? reference
      const act = {
        principal,
        action: 'agent.stop',
        resource: `agent:${name}`,
        context: {}
      } as const
      await gate.authorize(act)
      await agents.stop(reference)
      return agentOperations(rooms).agent(reference, new AbortController().signal)
    },
    ...toolsOf(rooms, rights)
  }
}

function toolsOf(
  rooms: Rooms,
  { pid, sandbox }: Rights
): Pick<ProcessService, 'tools' | 'tool' | 'callTool'> {
  const isGranted = (name: string): boolean =>
    sandbox.grants.some((grant) => isGrantWithin({ kind: 'tool', name }, grant))
  return {
    tools: async (signal) => {
      return (await toolOperations(rooms).tools(signal)).filter(({ name }) => isGranted(name))
    },
    tool: async (name, signal) => {
      if (isGranted(name)) return await toolOperations(rooms).tool(name, signal)
      throw new WeaverError(
        'PROCESS_TOOL_NOT_FOUND',
        `Cannot show tool '${name}': it was not granted`
      )
    },
    callTool: async (name, { input, node, containment }, signal) => {
      if (node !== null && !isHere(rooms, node)) {
        throw new OwnNodeOnlyError('call a tool', 'call it here, or hand on a task')
      }
      const call = { name, input: JSON.stringify(input), containment }
      return await rooms.callTool({ kind: 'process', pid }, call, signal)
    }
  }
}

/** The tasks of this node as one process sees them: its own, asked for in its name. */
function ownTasks(rooms: Rooms, { pid }: Rights): TaskOrigin {
  const { origin } = rooms
  const { book } = rooms.asking
  const requester = { kind: 'process', pid } as const
  const isOwn = (taskId: TaskId): boolean => book.submitterOf(taskId) === pid
  return {
    submit: (spec, io) => origin.submit(spec, io, requester),
    list: () => origin.list().filter(({ taskId }) => isOwn(taskId)),
    show: (taskId) => origin.show(taskId), // Found in `list` before.
    cancel: (taskId) => origin.cancel(taskId, requester),
    events: (listener) =>
      origin.events((event) => {
        if (isOwn(event.kind === 'note' ? event.taskId : event.task.taskId)) listener(event)
      })
  }
}

/** Without a place of its own it runs here; and it gets no more of the machine than its parent has. */
function bounded(rooms: Rooms, rights: Rights, submission: TaskSubmission): TaskSubmission {
  const { node, gpu, labels } = submission
  const isAnywhere = node === null && (gpu !== null || Object.keys(labels).length > 0)
  return {
    ...submission,
    node: node ?? (isAnywhere ? null : rooms.self),
    sandbox: boundedSandbox(rights, submission.sandbox)
  }
}

function boundedSandbox({ sandbox }: Rights, asked: SandboxSpec): SandboxSpec {
  const limits = {
    memoryBytes: lesser('memoryBytes', asked.limits, sandbox.limits),
    cpus: lesser('cpus', asked.limits, sandbox.limits),
    pids: lesser('pids', asked.limits, sandbox.limits)
  }
  return { ...asked, limits }
}

/** @throws WeaverError `PROCESS_LIMIT_EXCEEDED` */
function lesser(name: keyof Limits, asked: Limits, own: Limits): number | null {
  const [wanted, held] = [asked[name], own[name]]
  if (held === null) return wanted
  if (wanted !== null && wanted > held) throw new LimitExceededError(name, held)
  return wanted ?? held
}

function isHere(rooms: Rooms, node: string): boolean {
  return resolveNode(rooms.mesh, node) === rooms.self
}

function gpidOf(rooms: Rooms, pid: number): string {
  return `${pid}@${rooms.mesh.name}`
}

function selfView(rooms: Rooms, rights: Rights): SelfView {
  const { pid, agent, sandbox, run, parent } = rights
  const { containment, grants, limits, role = DEFAULT_ROLE } = sandbox
  return {
    pid,
    gpid: gpidOf(rooms, pid),
    node: rooms.mesh.name,
    agent,
    role,
    containment,
    grants: grants.map(formatGrant),
    limits,
    parent: parent?.pid ?? null,
    task: run?.taskId ?? null
  }
}
