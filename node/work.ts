// What starts processes: the two sides of the scheduler and the agents, with the secrets and the approvals
// that a process may need.

import { agentStore, createAgents } from '../agents/index.ts'
import type { Agents, GpuSource, PidSource, ProcessHost, SpawnRequest } from '../agents/index.ts'
import type { Clock, Entropy, KeyValueStore, Logger, Prng, Signer } from '../core/index.ts'
import type { Approvals, Capabilities, Gate } from '../governance/index.ts'
import type { Mesh } from '../mesh/index.ts'
import {
  createExecutor,
  createOrigin,
  executionStore,
  gpuVariables,
  originStore,
  parseGpuRequest,
  remoteExecutors,
  remoteOrigins,
  Resources,
  routeExecutors,
  routeOrigins
} from '../scheduler/index.ts'
import type { Executor, Origin } from '../scheduler/index.ts'
import { agentGate } from './agent-gate.ts'
import { withApprovals } from './approved-start.ts'
import { ioFrames } from './io-frames.ts'
import type { Asking } from './asking/index.ts'
import type { NodeLedger } from './ledger.ts'
import type { Directory } from './peer-directory.ts'
import type { Recorder } from './recorder.ts'
import type { KernelOptions } from './rooms.ts'
import { withSecrets } from './secret-grants.ts'
import type { StandingGrants } from './standing-grants.ts'
import type { Secrets } from './secrets.ts'
import { checkingOwn, memberCapabilities, withAuthority } from './task-authority.ts'

export interface WorkDeps {
  readonly clock: Clock
  readonly prng: Prng
  readonly entropy: Entropy
  readonly log: Logger
  readonly signer: Signer
  readonly store: KeyValueStore
  readonly pids: PidSource
  readonly agentProcesses: ProcessHost
  /** Gives each task a fresh folder where its spec names none. */
  readonly taskProcesses: ProcessHost
  readonly secrets: Secrets
}

/** What they are built on, beside the ports. */
export interface WorkParts {
  readonly options: KernelOptions
  readonly mesh: Mesh
  readonly gate: Gate
  readonly approvals: Approvals
  readonly ledger: NodeLedger
  readonly directory: Directory
  readonly recorder: Recorder
  readonly asking: Asking
  readonly standing: StandingGrants
}

interface Work {
  readonly origin: Origin
  readonly executor: Executor
  readonly agents: Agents
  readonly capabilities: Capabilities
}

/** Origin and executor know each other: on this node directly, on others by RPC. */
export function createWork(deps: WorkDeps, parts: WorkParts): Work {
  const { clock, entropy, pids, signer, store } = deps
  const { options, mesh, gate, approvals, ledger, directory, asking } = parts
  const self = signer.nodeId
  const log = deps.log.child({ room: 'scheduler' })
  const wire = { rpc: mesh.rpc, peers: directory }
  const shared = { ledger, gate, peers: directory, clock, log }
  const capabilities = memberCapabilities(deps, (node) => mesh.isMember(node))
  const taskHost = asking.host(approvedHost(deps.taskProcesses, approvals, taskOf))
  const resources = new Resources({ gpus: options.resources.gpus }, clock.wall())
  const processes = parts.standing.remembering(withSecretsOf(deps, mesh, taskHost))
  const executor: Executor = createExecutor(
    {
      ...shared,
      store: executionStore({ store, log }),
      processes,
      pids,
      resources,
      origins: routeOrigins({ self, local: () => origin, remote: remoteOrigins(wire) })
    },
    { self, name: options.name }
  )
  const origin: Origin = createOrigin(
    {
      ...shared,
      store: originStore({ store, log }),
      executors: routeExecutors({
        self,
        local: () => checkingOwn(executor, asking),
        remote: withAuthority(remoteExecutors(wire), (claims) => asking.authority.forTask(claims)),
        log
      }),
      ioFrames,
      entropy
    },
    { self }
  )
  const agents = nodeAgents(deps, { ...parts, capabilities, resources })
  return { origin, executor, agents, capabilities }
}

function nodeAgents(
  deps: WorkDeps,
  parts: WorkParts & { readonly capabilities: Capabilities; readonly resources: Resources }
): Agents {
  const { mesh, gate, approvals, recorder, asking, standing, capabilities } = parts
  const log = deps.log.child({ room: 'agents' })
  const agentOf = ({ pid }: SpawnRequest): string | null => {
    const name = agents.list().find((each) => each.pid === pid)?.name
    return name === undefined ? null : `agent:${name}`
  }
  const host = asking.host(approvedHost(deps.agentProcesses, approvals, agentOf))
  const agents: Agents = createAgents({
    processes: standing.remembering(withSecretsOf(deps, mesh, host)),
    pids: deps.pids,
    store: agentStore({ store: deps.store, log }),
    gpus: gpuSource(parts.resources),
    gate: agentGate({ gate, self: deps.signer.nodeId, capabilities, book: asking.book }),
    clock: deps.clock,
    prng: deps.prng,
    log,
    onEvent: (event) => recorder.agent(event)
  })
  return agents
}

/** Agents hold GPUs of the same stock as tasks. */
function gpuSource(resources: Resources): GpuSource {
  return {
    take: (request) => {
      const loan = resources.lend(parseGpuRequest(request))
      if (typeof loan === 'string') return loan
      const { gpus: devices } = loan
      return { devices, env: gpuVariables(devices), free: () => resources.takeBack(loan) }
    }
  }
}

function taskOf({ secretsOf: run }: SpawnRequest): string | null {
  return run === undefined ? null : `task:${run.taskId}`
}

/** Nothing comes between the last look and the start but the start itself. */
function approvedHost(
  processes: ProcessHost,
  approvals: Approvals,
  resourceOf: (request: SpawnRequest) => string | null
): ProcessHost {
  const confirm = (resource: string): Promise<void> => approvals.confirm(resource)
  return withApprovals(processes, { resourceOf, confirm })
}

function withSecretsOf(deps: WorkDeps, mesh: Mesh, processes: ProcessHost): ProcessHost {
  const { secrets, signer } = deps
  return withSecrets({ self: signer.nodeId, processes, secrets, rpc: mesh.rpc })
}
