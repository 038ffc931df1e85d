import type { Agents } from '../agents/index.ts'
import type { Chain } from '../chain/index.ts'
import type { Clock, Logger, Millis, NodeId, Signer, WeaverError } from '../core/index.ts'
import type { Approvals, Capabilities, Denials, Gate, PolicyFacts } from '../governance/index.ts'
import type { Blobs, Mesh, Network } from '../mesh/index.ts'
import type { Sandbox } from '../sandbox-wasm/index.ts'
import type { Executor, GpuDevice, Origin } from '../scheduler/index.ts'
import type { KernelEvent, Labels } from './api/index.ts'
import type { Asking } from './asking/index.ts'
import type { RepairWish } from './chain-repair.ts'
import type { ChainSync } from './chain-sync.ts'
import type { Feed } from './feed.ts'
import type { KeptLanes } from './kept-lanes.ts'
import type { NodeLedger } from './ledger.ts'
import type { OwnLabels } from './own-labels.ts'
import type { Directory } from './peer-directory.ts'
import type { PolicyKeeper } from './policy-keeper.ts'
import type { ProcessTable } from './process-table.ts'
import type { PulseBook } from './pulse.ts'
import type { Recorder } from './recorder.ts'
import type { Secrets } from './secrets.ts'
import type { StreamMeter } from './stream-garbage.ts'
import type { OutputStore } from './remote/output.ts'
import type { PolicyExchange } from './remote/policy.ts'
import type { RemoteAgents } from './remote/agents.ts'
import type { ToolCaller } from './remote/tools.ts'
import type { Witness } from './witness.ts'

/** What this machine has, as found or declared at start. */
export interface OwnResources {
  readonly cpus: number
  readonly memoryBytes: number
  readonly gpus: readonly GpuDevice[]
}

/** What a kernel is told at start, and keeps for its life. */
export interface KernelOptions {
  readonly name: string
  readonly labels: Labels
  /** Where members may always be tried, from the configuration. */
  readonly peers?: readonly string[]
  readonly resources: OwnResources
  /** What confines processes on this machine; null: nothing does. */
  readonly containment: string | null
  readonly version: string
  readonly home: string
  /** Which start of this home this is, and a random name for this run. */
  readonly incarnation: { readonly generation: number; readonly bootId: string }
  /** Set where the owner has asked to repair the own lane before anything else. */
  readonly repair?: RepairWish | null
  /** What all blobs may take on disk; absent, the mesh's own default. */
  readonly blobBudgetBytes?: number
}

/** All rooms of one running kernel, put together: what the control API's operations work on. */
export interface Rooms {
  readonly self: NodeId
  readonly options: KernelOptions
  readonly clock: Clock
  /** On the monotonic clock. */
  readonly startedAt: Millis
  readonly log: Logger
  readonly chain: Chain
  readonly ledger: NodeLedger
  readonly gate: Gate
  readonly capabilities: Capabilities
  /** What processes may ask of this kernel. */
  readonly asking: Asking
  readonly approvals: Approvals
  readonly denials: Denials
  readonly facts: PolicyFacts
  /** Null where this kernel decides by its plain rules: in the simulator. */
  readonly policies: PolicyKeeper | null
  readonly policyExchange: PolicyExchange | null
  readonly network: Network
  readonly mesh: Mesh
  /** This node's own labels. */
  readonly labels: OwnLabels
  readonly directory: Directory
  readonly pulses: PulseBook
  readonly table: ProcessTable
  readonly recorder: Recorder
  readonly origin: Origin
  readonly executor: Executor
  readonly agents: Agents
  readonly remoteAgents: RemoteAgents
  readonly sandbox: Sandbox
  /** Why this machine cannot contain a process, and what to do. */
  readonly missingContainment: () => WeaverError
  readonly secrets: Secrets
  readonly callTool: ToolCaller
  readonly outputs: OutputStore
  readonly sync: ChainSync
  readonly kept: KeptLanes
  readonly witness: Witness
  readonly events: Feed<KernelEvent>
  readonly streamMeter: StreamMeter
  readonly blobs: Blobs
  /** Makes, or finds, the key that is to take the place of this node's. Durable once it returns. */
  readonly prepareKey: () => Signer
}
