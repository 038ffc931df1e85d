// What the control API asks of this kernel, put together from one file for each group of operations.

import type { Health, KernelStatus } from './api/index.ts'
import { gpuView } from './node-info.ts'
import { processOutput } from './process-output.ts'
import { resolveNode, resolveProcess } from './resolve.ts'
import type { Rooms } from './rooms.ts'
import type { KernelService, Metric } from './service.ts'
import { agentOperations } from './services/agents.ts'
import { blobOperations } from './services/blobs.ts'
import { chainOperations } from './services/chain.ts'
import { labelOperations } from './services/labels.ts'
import { membershipOperations } from './services/membership.ts'
import { meshOperations, meshStatus } from './services/mesh.ts'
import { approvalOperations } from './services/approvals.ts'
import { policyOperations, policySummary } from './services/policy.ts'
import { secretOperations } from './services/secrets.ts'
import { taskOperations } from './services/tasks.ts'
import { toolOperations } from './services/tools.ts'

/** What only the real process knows of itself. */
export interface Host {
  readonly osPid: number
  /** The address of the control API on TCP, or null while there is none. */
  http(): string | null
  /** Begins the stop, after the answer to whoever asked has left. */
  requestStop(): void
  readonly logs: KernelService['logs']
}

export function kernelService(rooms: Rooms, host: Host): KernelService {
  const { mesh, table, self, events } = rooms
  return {
    ...meshOperations(rooms),
    ...membershipOperations(rooms),
    ...labelOperations(rooms),
    ...taskOperations(rooms),
    ...agentOperations(rooms),
    ...toolOperations(rooms),
    ...policyOperations(rooms),
    ...approvalOperations(rooms),
    ...secretOperations(rooms),
    ...blobOperations(rooms),
    ...chainOperations(rooms),
    status: () => status(rooms, host),
    health: () => health(rooms),
    metrics: () => metrics(rooms),
    requestStop: async () => {
      const resource = `node:${self}`
      const principal = { kind: 'owner' } as const
      await rooms.gate.authorize({ principal, action: 'kernel.stop', resource, context: {} })
      host.requestStop()
    },
    events: ({ after, signal }) => events.stream(after, signal),
    logs: (options) => host.logs(options),
    processes: async ({ node, all }) => {
      if (all) return table.all()
      return table.of(node === null ? self : resolveNode(mesh, node))
    },
    processOutput: async (text, options) => {
      const { node, row } = resolveProcess(mesh, table, text)
      return processOutput(rooms, { node, pid: row.pid }, options)
    }
  }
}

function status(rooms: Rooms, host: Host): KernelStatus {
  const { options, clock, startedAt } = rooms
  const { id, members, connected, refused, nodeId, name, listen } = meshStatus(rooms)
  const { cpus, memoryBytes, gpus } = options.resources
  return {
    running: true,
    pid: host.osPid,
    nodeId,
    name,
    mesh: { id, members, connected, refused },
    uptimeMs: Math.round(clock.now() - startedAt),
    home: options.home,
    http: host.http(),
    version: options.version,
    listen,
    resources: { cpus, memoryBytes, gpus: gpus.map(gpuView) },
    labels: rooms.labels.effective,
    policy: policySummary(rooms)
  }
}

function health({ chain, mesh }: Rooms): Health {
  const problems: string[] = []
  const failure = chain.failure()
  if (failure !== null) problems.push(failure.message)
  const { refused, warning } = mesh.status()
  if (refused !== null) problems.push(refused)
  if (warning !== null) problems.push(warning)
  return { ok: problems.length === 0, problems }
}

function metrics(rooms: Rooms): readonly Metric[] {
  const { chain, mesh, origin, executor, table, self, clock, startedAt } = rooms
  const { members, connected } = mesh.status()
  const byState = new Map<string, number>()
  for (const { state } of origin.list()) byState.set(state, (byState.get(state) ?? 0) + 1)
  return [
    gauge(
      'weaver_uptime_seconds',
      'Since the start of the kernel',
      one((clock.now() - startedAt) / 1000)
    ),
    gauge('weaver_mesh_members', 'Members of the mesh, this node included', one(members)),
    gauge('weaver_mesh_connected', 'Members that are connected now', one(connected)),
    gauge(
      'weaver_processes_running',
      'Processes that run on this node',
      one(table.of(self).filter((row) => row.state === 'running').length)
    ),
    gauge(
      'weaver_executor_tasks',
      'Tasks that this node executes',
      one(executor.load().runningTasks)
    ),
    gauge(
      'weaver_origin_tasks',
      'Tasks that were submitted here and are kept, by state',
      [...byState].map(([state, value]) => ({ labels: { state }, value }))
    ),
    gauge('weaver_blob_bytes', 'What blobs take on disk', one(rooms.blobs.usedBytes)),
    gauge('weaver_blob_budget_bytes', 'What they may take', one(rooms.blobs.budgetBytes)),
    gauge(
      'weaver_chain_height',
      'Blocks held of each lane',
      chain.status().map(({ lane, height }) => ({ labels: { lane }, value: height }))
    )
  ]
}

function gauge(name: string, help: string, samples: Metric['samples']): Metric {
  return { name, help, type: 'gauge', samples }
}

function one(value: number): Metric['samples'] {
  return [{ labels: {}, value }]
}
