// Everything that the control API can ask of a kernel: the seam between node/http, which speaks HTTP,
// and node/kernel-service.ts, which has the rooms. In terms of the API's own JSON types, so that the
// HTTP side only checks, calls and serialises.
//
// Failures are WeaverErrors; node/http maps their codes to statuses in one table. A text in
// `detail.hint` reaches the user as "what to do next". Texts that name something (`node`, `process`,
// `task`, `entry`) come unchecked from the user: the service resolves them and throws `..._NOT_FOUND`,
// `..._AMBIGUOUS` or `CORE_INVALID_...`.

import type { FrameChannel } from '../core/index.ts'
import type {
  Agent,
  AgentSpec,
  Approval,
  BlobCollected,
  BlobFetchStep,
  BlobShelf,
  BlobStored,
  ChainEntry,
  ChainKeep,
  ChainKept,
  ChainLogQuery,
  ChainProof,
  ChainRedaction,
  ChainRedactionRequest,
  ChainRepair,
  ChainReport,
  ChainStatus,
  ChainVerifyQuery,
  ChainVerifyStep,
  KeyRotation,
  LabelRequest,
  ExportChunk,
  Health,
  Invite,
  InviteRequest,
  KernelEvent,
  KernelStatus,
  LogLine,
  MembershipAct,
  MeshPolicyView,
  MeshStatus,
  Netcheck,
  NodeLabels,
  NodeView,
  OutputChunk,
  PathPing,
  Peer,
  PendingChange,
  PolicyCheck,
  PolicyCheckRequest,
  PolicyLockView,
  PolicyText,
  PolicyValidation,
  PolicyView,
  ProcessQuery,
  ProcessRow,
  Role,
  Runtime,
  SecretRow,
  Task,
  TaskAccepted,
  TaskSubmission,
  Tool,
  ToolCall,
  ToolResult,
  ToolSummary
} from './api/index.ts'

/**
 * One item of a live stream. `id` is opaque, without line breaks, and enough to resume: the same call with
 * `after: id` continues with the item that follows it. When that is no longer possible (the buffer has
 * moved on, the kernel restarted) the stream begins with the oldest item it still has.
 */
export interface Streamed<T> {
  readonly id: string
  readonly item: T
}

/**
 * A stream starts when it is iterated, ends by itself when nothing more can come, and is left at once
 * when `signal` aborts: it then ends without an error, and holds nothing.
 */
export interface StreamOptions {
  readonly after: string | null
  readonly signal: AbortSignal
}

export interface FollowOptions extends StreamOptions {
  /** False: what there is now, then the end. */
  readonly follow: boolean
}

/** A counter or gauge with its values, for `/metrics`. */
export interface Metric {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge'
  readonly samples: readonly {
    readonly labels: Readonly<Record<string, string>>
    readonly value: number
  }[]
}

/** A task that runs with its I/O attached to the caller. */
export interface AttachedTask {
  readonly task: Task
  /**
   * The task in its final state, after the result is committed and after the service has ended its side
   * of the channel. Rejects only when the kernel itself can no longer say (it is stopping).
   */
  readonly outcome: Promise<Task>
}

/** A blob to be read to its end. */
export interface BlobBytes {
  readonly size: number
  readonly chunks: AsyncIterable<Uint8Array>
}

/**
 * Calls may overlap. Nothing is retried. When `signal` aborts (the client left or the deadline passed), a
 * call rejects with the signal's reason as soon as it can; what was already durable stays.
 */
export interface KernelService {
  status(): KernelStatus
  health(): Health
  metrics(): readonly Metric[]
  /**
   * Resolves when the stop is allowed and recorded, and before the kernel begins to stop: the answer still
   * leaves through the API. The kernel then drains and exits; that the socket is closed and the home's lock
   * free tells the caller that it has.
   */
  requestStop(): Promise<void>
  events(options: StreamOptions): AsyncIterable<Streamed<KernelEvent>>
  /** The kernel's own log: the newest `lines` lines first, at least zero. */
  logs(options: FollowOptions & { readonly lines: number }): AsyncIterable<Streamed<LogLine>>

  processes(query: ProcessQuery, signal: AbortSignal): Promise<readonly ProcessRow[]>
  /** What the process has written, from the oldest byte kept, on whichever node it runs. */
  processOutput(
    process: string,
    options: FollowOptions
  ): Promise<AsyncIterable<Streamed<OutputChunk>>>

  invite(request: InviteRequest): Promise<Invite>
  /** Resolves when the membership is stored. */
  join(invite: string, signal: AbortSignal): Promise<MeshStatus>
  meshStatus(): MeshStatus
  /** Resolves when the statement is durable here and the members had a moment to confirm it. */
  evictNode(node: string): Promise<MembershipAct>
  setNodeRole(node: string, role: Role): Promise<MembershipAct>
  /** The labels of a node, and where each comes from. */
  nodeLabels(node: string): NodeLabels
  /** Resolves when the change is durable here and the node, where it is connected, had a moment to take it on. */
  labelNode(node: string, change: LabelRequest, signal: AbortSignal): Promise<NodeLabels>
  setSignatures(signatures: number): Promise<MembershipAct>
  pendingChanges(): readonly PendingChange[]
  /** Signs one statement, by its id or the beginning of it, or all that waits for this node. */
  approveChanges(statement: string | null): Promise<readonly PendingChange[]>
  /** Resolves when this node is in a mesh of its own. */
  leaveMesh(force: boolean): Promise<MembershipAct>
  peers(): readonly Peer[]
  /** One round trip; a better path is looked for meanwhile. */
  pingNode(node: string, signal: AbortSignal): Promise<PathPing>
  /** Takes up to five seconds. */
  netcheck(signal: AbortSignal): Promise<Netcheck>
  /** Null: this node. */
  node(node: string | null): NodeView

  /** Resolves when the task is durable at this node, its origin. It runs on without the caller. */
  submitTask(submission: TaskSubmission, signal: AbortSignal): Promise<TaskAccepted>
  /**
   * The same, with the caller's I/O: `io` carries the frames of api/io-frame.ts. From the caller: stdin,
   * stdin-end, signal. To the caller: stdout, stderr, note; the service calls `io.end()` after the last
   * of them. When the call rejects, `io` was not used.
   * When the caller goes away, `io.frames` throws `API_CLIENT_LEFT`.
   */
  runTask(submission: TaskSubmission, io: FrameChannel): Promise<AttachedTask>
  tasks(): readonly Task[]
  task(taskId: string): Task
  /** The task as it is now, then after each change; ends after its final state. */
  taskEvents(taskId: string, options: StreamOptions): Promise<AsyncIterable<Streamed<Task>>>
  taskOutput(taskId: string, options: FollowOptions): Promise<AsyncIterable<Streamed<OutputChunk>>>
  /** Resolves when the wish is recorded; the task's events say when it has ended. */
  cancelTask(taskId: string): Promise<Task>

  /** The agents of every node of the mesh. */
  agents(): Promise<readonly Agent[]>
  spawnAgent(spec: AgentSpec, signal: AbortSignal): Promise<Agent>
  agent(process: string, signal: AbortSignal): Promise<Agent>
  /** Resolves when the whole process tree is gone. */
  stopAgent(process: string, signal: AbortSignal): Promise<Agent>
  restartAgent(process: string, signal: AbortSignal): Promise<Agent>
  runtimes(): readonly Runtime[]

  tools(signal: AbortSignal): Promise<readonly ToolSummary[]>
  tool(name: string, signal: AbortSignal): Promise<Tool>
  /** A tool that fails is a result with `ok: false`; only a call that could not be made rejects. */
  callTool(name: string, call: ToolCall, signal: AbortSignal): Promise<ToolResult>

  policy(): Promise<PolicyView>
  checkPolicy(asked: PolicyCheckRequest): Promise<PolicyCheck>
  validatePolicy(text: PolicyText): Promise<PolicyValidation>
  /** In force here once resolved; every member that is connected hears of it. */
  applyPolicy(text: string): Promise<MeshPolicyView>
  addPolicy(text: string): Promise<PolicyView>
  reloadPolicy(): Promise<PolicyView>
  lockPolicy(): Promise<PolicyLockView>
  approvals(): Promise<readonly Approval[]>
  approval(id: string): Promise<Approval>
  decideApproval(
    id: string,
    decision: { readonly approve: boolean; readonly hash: string | null }
  ): Promise<Approval>

  secrets(): Promise<readonly SecretRow[]>
  /** Durable once resolved. Resolves with what there is now. */
  setSecret(name: string, value: Uint8Array): Promise<readonly SecretRow[]>
  removeSecret(name: string): Promise<readonly SecretRow[]>
  /** The blobs of this node. */
  blobs(): BlobShelf
  /** Stores what `chunks` brings. Durable once resolved. */
  putBlob(
    chunks: AsyncIterable<Uint8Array>,
    options: { readonly pinned: boolean },
    signal: AbortSignal
  ): Promise<BlobStored>
  /** Sees to it that a blob is whole here: how far it is; the last item says that it is done. */
  fetchBlob(blob: string, options: StreamOptions): Promise<AsyncIterable<Streamed<BlobFetchStep>>>
  /** The bytes of a blob that is whole here, each checked. */
  readBlob(blob: string): Promise<BlobBytes>
  pinBlob(blob: string, pinned: boolean): Promise<BlobStored>
  /** Null: down to the budget. */
  collectBlobs(bytesMax: number | null): Promise<BlobCollected>

  chainStatus(): ChainStatus
  verifyChain(query: ChainVerifyQuery, signal: AbortSignal): Promise<ChainReport>
  /** The same with progress; the last item carries the report. When the reader leaves, it stops. */
  verifySteps(
    query: ChainVerifyQuery,
    options: StreamOptions
  ): Promise<AsyncIterable<Streamed<ChainVerifyStep>>>
  /** Resolves when the redaction is on record and the payload is gone from this node. */
  /** Chooses which lanes of others this node keeps. */
  keepLanes(wish: ChainKeep): Promise<ChainKept>
  /** Prepares another key for this node; the next start hands over to it. */
  rotateKey(): Promise<KeyRotation>
  redactEntry(request: ChainRedactionRequest): Promise<ChainRedaction>
  /** Fetches what of the lanes, or of one node's, is damaged or missing, from other members. */
  repairChain(lane: string | null, signal: AbortSignal): Promise<ChainRepair>
  chainLog(
    query: ChainLogQuery,
    options: StreamOptions
  ): Promise<AsyncIterable<Streamed<ChainEntry>>>
  chainEntry(entry: string): Promise<ChainEntry>
  /** A file that proves one entry to anybody, with its payload if wanted. */
  chainProof(entry: string, options: { readonly payload: boolean }): Promise<ChainProof>
  /** The bytes of an export file, in order; never resumed. `lane` is a node; null: all lanes. */
  exportChain(
    lane: string | null,
    options: StreamOptions
  ): Promise<AsyncIterable<Streamed<ExportChunk>>>
}
