// A kernel that only remembers and repeats. It answers every operation with a plausible document, and
// runs `echo`-like tasks whose script the test chooses.

import { WeaverError } from '../../core/index.ts'
import type { FrameChannel } from '../../core/index.ts'
import { decodeIoFrame, encodeIoFrame } from '../../node/api/io-frame.ts'
import { counted } from './counted.ts'
import type { IoFrame } from '../../node/api/io-frame.ts'
import type {
  Agent,
  ChainEntry,
  ChainKeep,
  ChainKept,
  ChainProof,
  ChainRedaction,
  ChainRedactionRequest,
  ChainRepair,
  ChainReport,
  ChainStatus,
  ChainVerifyQuery,
  ChainVerifyStep,
  KeyRotation,
  Exit,
  ExportChunk,
  KernelEvent,
  KernelStatus,
  LogLine,
  MembershipAct,
  MeshStatus,
  Netcheck,
  NodeLabels,
  NodeView,
  OutputChunk,
  PathPing,
  Peer,
  PendingChange,
  ProcessRow,
  SecretRow,
  Task,
  TaskSubmission,
  Tool
} from '../../node/api/index.ts'
import { FakeBlobs } from './kernel-blobs.ts'
import type {
  AttachedTask,
  FollowOptions,
  KernelService,
  Metric,
  StreamOptions,
  Streamed
} from '../../node/service.ts'
import { AGENT, ROW } from './rows.ts'

const GPU = { vendor: 'nvidia', model: 'H200', memoryBytes: 24e9, declared: true }
const NODE_ID = '12D3KooWGQmMsLFF4yLBS5eTDnZLHKEaB3WbmUaJx5AswUkNzEYf'
export const TASK_ID = '0123456789abcdef'

export const STATUS: KernelStatus = {
  running: true,
  pid: process.pid,
  nodeId: NODE_ID,
  name: 'laptop',
  mesh: { id: 'ab'.repeat(32), members: 2, connected: 1, refused: null },
  uptimeMs: 754_000,
  home: '/home/ada/.weaver',
  http: null,
  version: '0.1.0',
  listen: [`/ip4/192.168.1.7/tcp/40001/p2p/${NODE_ID}`],
  resources: { cpus: 8, memoryBytes: 32e9, gpus: [GPU] },
  labels: { site: 'home' },
  policy: { state: 'in-force', lock: 'none', drift: [], meshVersion: null }
}

export const TASK: Task = {
  taskId: TASK_ID,
  state: 'succeeded',
  origin: 'laptop',
  executor: 'server',
  epoch: 1,
  attempts: 1,
  exit: { code: 0, signal: null },
  submittedAt: 1_700_000_000_000,
  startedAt: 1_700_000_000_100,
  endedAt: 1_700_000_001_100,
  receipt: `7.0@${NODE_ID}`,
  command: ['true'],
  containment: 'os',
  grants: [],
  role: null,
  reason: null
}

export const ACT: MembershipAct = {
  statement: 'cd'.repeat(32),
  inForce: true,
  signers: ['laptop'],
  needed: 1,
  confirmed: ['server'],
  outstanding: ['desk']
}

export const LABELS: NodeLabels = {
  nodeId: NODE_ID,
  name: 'server',
  labels: [
    { key: 'site', value: 'attic', from: 'mesh', startValue: 'home', state: 'in-force' },
    { key: 'tier', value: 'fast', from: 'mesh', startValue: null, state: 'waiting' },
    { key: 'zone', value: 'a', from: 'start', startValue: 'a', state: 'in-force' }
  ]
}

export const PENDING: PendingChange = {
  statement: 'cd'.repeat(32),
  what: 'laptop: evict desk',
  signers: ['laptop'],
  needed: 2
}

export const PEER: Peer = {
  nodeIdText: `${NODE_ID}-7aK`,
  nodeId: NODE_ID,
  name: 'laptop',
  state: 'self',
  rttMs: null,
  role: 'admin',
  addresses: STATUS.listen,
  gpus: [GPU],
  labels: { site: 'home' },
  lastSeen: 1_700_000_000_000,
  connection: null,
  path: null,
  relay: null
}

export const ENTRY: ChainEntry = {
  node: 'laptop',
  lane: NODE_ID,
  height: 7,
  index: 0,
  entry: `7.0@${NODE_ID}`,
  time: 1_700_000_001_100,
  kind: 'task.committed',
  actor: `node:${NODE_ID}`,
  subject: `task:${TASK_ID}`,
  payload: { code: 0 },
  redactedBy: null,
  isPayloadKept: true
}

const TOOL: Tool = {
  name: 'hash',
  version: '1.0.0',
  description: 'Hashes a text',
  digest: 'cd'.repeat(32),
  sizeBytes: 4096,
  grants: [],
  input: { type: 'object' },
  limits: { timeoutMs: 5000, memoryBytes: 64e6 }
}

/** What an attached task does with its caller. */
export type Script = (caller: Caller, submission: TaskSubmission) => Promise<Exit>

export interface Caller {
  readonly frames: AsyncIterable<IoFrame>
  send(frame: IoFrame): Promise<void>
}

export class FakeKernelService extends FakeBlobs implements KernelService {
  /** The operations that were called, with what they were given. */
  readonly calls: [name: string, ...args: unknown[]][] = []
  /** Thrown by the next operation, once. */
  failure: Error | null = null
  script: Script = () => Promise.resolve({ code: 0, signal: null })
  taskStates: readonly Task['state'][] = ['queued', 'running', 'succeeded']
  eventsMax = 3
  output: readonly string[] = ['one\n', 'two\n', 'three\n']
  chainReport: ChainReport = {
    ok: true,
    lanes: 2,
    blocks: 48,
    entries: 71,
    signatures: 48,
    problems: []
  }
  /** Called by `requestStop`. */
  onStop: () => void = () => undefined
  /** When set, `verifyChain` waits for it. */
  gate: Promise<void> | null = null
  lastSignal: AbortSignal | null = null
  /** Whether `taskEvents` stays open behind its last state. */
  eventsFollow = false
  /** How an attached task ends, whatever its script says. */
  finalState: Task['state'] | null = null
  kernelPid: number = process.pid
  /** Events made so far, over all streams. */
  itemsGiven = 0

  status(): KernelStatus {
    this.#called('status')
    return { ...STATUS, pid: this.kernelPid }
  }

  health(): { readonly ok: boolean; readonly problems: readonly string[] } {
    return { ok: true, problems: [] }
  }

  metrics(): readonly Metric[] {
    const samples = [{ labels: { state: 'a "quoted" one' }, value: 3 }]
    return [{ name: 'weft_processes', help: 'Processes by state', type: 'gauge', samples }]
  }

  async requestStop(): Promise<void> {
    this.#called('requestStop')
    this.onStop()
  }

  events(options: StreamOptions): AsyncIterable<Streamed<KernelEvent>> {
    this.#called('events', options.after)
    return counted({ ...options, follow: true }, this.eventsMax, (n) => {
      this.itemsGiven += 1
      return event(n)
    })
  }

  logs(options: FollowOptions & { readonly lines: number }): AsyncIterable<Streamed<LogLine>> {
    this.#called('logs', options.lines, options.follow)
    return counted(options, Math.min(options.lines, 3), line)
  }

  async processes(query: {
    readonly node: string | null
    readonly all: boolean
  }): Promise<readonly ProcessRow[]> {
    this.#called('processes', query)
    if (!query.all) return [ROW]
    return [ROW, { ...ROW, pid: 9, gpid: '9@server', node: 'server', kind: 'task', task: TASK_ID }]
  }

  async processOutput(
    process: string,
    options: FollowOptions
  ): Promise<AsyncIterable<Streamed<OutputChunk>>> {
    this.#called('processOutput', process, options.follow)
    return this.#output(options)
  }

  async invite(request: unknown): Promise<{ invite: string; expiresAt: number; uses: number }> {
    this.#called('invite', request)
    return { invite: 'weft1abc', expiresAt: 1_700_000_600_000, uses: 1 }
  }

  async join(invite: string): Promise<MeshStatus> {
    this.#called('join', invite)
    return this.meshStatus()
  }

  meshStatus(): MeshStatus {
    const nodeIdText = `${NODE_ID}-7aK`
    const { listen } = STATUS
    const mesh = { ...STATUS.mesh, signatures: 1, healthScore: 0 }
    return { ...mesh, nodeId: NODE_ID, nodeIdText, name: 'laptop', listen }
  }

  async evictNode(node: string): Promise<MembershipAct> {
    this.#called('evictNode', node)
    return ACT
  }

  async setNodeRole(node: string, role: string): Promise<MembershipAct> {
    this.#called('setNodeRole', node, role)
    return ACT
  }

  nodeLabels(node: string): NodeLabels {
    this.#called('nodeLabels', node)
    return LABELS
  }

  async labelNode(node: string, change: unknown): Promise<NodeLabels> {
    this.#called('labelNode', node, change)
    return LABELS
  }

  async setSignatures(signatures: number): Promise<MembershipAct> {
    this.#called('setSignatures', signatures)
    return ACT
  }

  pendingChanges(): readonly PendingChange[] {
    return [PENDING]
  }

  async approveChanges(statement: string | null): Promise<readonly PendingChange[]> {
    this.#called('approveChanges', statement)
    return [PENDING]
  }

  async leaveMesh(force: boolean): Promise<MembershipAct> {
    this.#called('leaveMesh', force)
    return ACT
  }

  async pingNode(node: string): Promise<PathPing> {
    this.#called('pingNode', node)
    const path = { connection: 'direct', path: 'lan', relay: null } as const
    return { node, nodeId: NODE_ID, rttMs: 0.8, address: '/ip4/10.0.0.2/tcp/4801', ...path }
  }

  async netcheck(): Promise<Netcheck> {
    const relays = [{ node: 'server', nodeId: NODE_ID, rttMs: 0.8 }]
    const found = { ipv6: [], multicast: true, upnp: false, relays, direct: 1, relayed: 0 }
    return { ...found, mapped: [], listen: STATUS.listen, advice: ['Do this'] }
  }

  peers(): readonly Peer[] {
    this.#called('peers')
    return [PEER, { ...PEER, name: 'server', state: 'alive', rttMs: 0.8, gpus: [], labels: {} }]
  }

  node(node: string | null): NodeView {
    this.#called('node', node)
    return {
      ...PEER,
      version: '0.1.0',
      resources: STATUS.resources,
      processes: 2,
      cpuPercent: 12,
      memoryBytesFree: 8e9
    }
  }

  async submitTask(submission: TaskSubmission): Promise<{ taskId: string }> {
    this.#called('submitTask', submission)
    return { taskId: TASK_ID }
  }

  async runTask(submission: TaskSubmission, io: FrameChannel): Promise<AttachedTask> {
    this.#called('runTask', submission)
    const task = { ...TASK, command: submission.command }
    const outcome = this.#play(submission, io).then((exit): Task => {
      const state = this.finalState ?? (exit.code === 0 ? 'succeeded' : 'failed')
      return { ...task, state, exit }
    })
    return { task: { ...task, state: 'queued', exit: null, endedAt: null }, outcome }
  }

  tasks(): readonly Task[] {
    this.#called('tasks')
    return [TASK, { ...TASK, state: 'queued', executor: null, reason: 'no node has a GPU' }]
  }

  task(taskId: string): Task {
    this.#called('task', taskId)
    if (taskId !== TASK_ID) throw notFound('TASK', taskId)
    return TASK
  }

  async taskEvents(taskId: string, options: StreamOptions): Promise<AsyncIterable<Streamed<Task>>> {
    this.#called('taskEvents', taskId)
    if (taskId !== TASK_ID) throw notFound('TASK', taskId)
    const states = this.taskStates
    return counted({ ...options, follow: this.eventsFollow }, states.length, (n) => ({
      ...TASK,
      state: states[n - 1] ?? 'lost',
      exit: states[n - 1] === 'succeeded' ? TASK.exit : null
    }))
  }

  async taskOutput(
    taskId: string,
    options: FollowOptions
  ): Promise<AsyncIterable<Streamed<OutputChunk>>> {
    this.#called('taskOutput', taskId)
    return this.#output(options)
  }

  async cancelTask(taskId: string): Promise<Task> {
    this.#called('cancelTask', taskId)
    return { ...TASK, state: 'running', exit: null, endedAt: null }
  }

  async agents(): Promise<readonly Agent[]> {
    this.#called('agents')
    return [AGENT]
  }

  async spawnAgent(spec: { readonly name: string }): Promise<Agent> {
    this.#called('spawnAgent', spec)
    return { ...AGENT, name: spec.name, state: 'starting' }
  }

  async agent(process: string): Promise<Agent> {
    this.#called('agent', process)
    return AGENT
  }

  async stopAgent(process: string): Promise<Agent> {
    this.#called('stopAgent', process)
    return { ...AGENT, state: 'exited', exit: { code: null, signal: 'SIGTERM' } }
  }

  async restartAgent(process: string): Promise<Agent> {
    this.#called('restartAgent', process)
    return { ...AGENT, restarts: 2 }
  }

  runtimes(): readonly {
    name: string
    description: string
    available: boolean
    reason: string | null
  }[] {
    return [{ name: 'custom', description: 'Any command', available: true, reason: null }]
  }

  async tools(): Promise<readonly Tool[]> {
    return [TOOL]
  }

  async tool(name: string): Promise<Tool> {
    if (name !== 'hash') throw notFound('TOOL', name)
    return TOOL
  }

  async callTool(
    name: string,
    call: { readonly input: unknown }
  ): ReturnType<KernelService['callTool']> {
    this.#called('callTool', name, call)
    const error = { code: 'TOOL_TRAPPED', message: 'The tool trapped' }
    return name === 'hash'
      ? { ok: true, output: { hash: '00ff' }, error: null, durationMs: 4, memoryBytes: 1e6 }
      : { ok: false, output: null, error, durationMs: 4, memoryBytes: null }
  }

  async secrets(): Promise<readonly SecretRow[]> {
    return [{ name: 'API_KEY', setAt: 0 }]
  }

  async setSecret(name: string, value: Uint8Array): Promise<readonly SecretRow[]> {
    this.#called('setSecret', name, Buffer.from(value).toString())
    return [{ name, setAt: 0 }]
  }

  async removeSecret(name: string): Promise<readonly SecretRow[]> {
    this.#called('removeSecret', name)
    return []
  }

  chainStatus(): ChainStatus {
    this.#called('chainStatus')
    const lane = { node: 'laptop', nodeId: NODE_ID, height: 7, entries: 12, head: 'ef'.repeat(32) }
    const clock = { clockAheadMs: 0, clockBehindMs: 0 }
    return {
      mesh: STATUS.mesh.id,
      lanes: [
        { ...lane, ...clock, checkpoint: null, state: 'ok', kept: 'whole', bytes: 900, heir: null }
      ]
    }
  }

  async verifySteps(
    query: ChainVerifyQuery,
    options: StreamOptions
  ): Promise<AsyncIterable<Streamed<ChainVerifyStep>>> {
    this.#called('verifySteps', query)
    this.lastSignal = options.signal
    if (this.gate !== null) await this.gate
    const step = { lane: 'laptop', height: 7, heightMax: 7, blocks: 7, entries: 12 }
    const report = this.chainReport
    return counted({ ...options, follow: false }, 2, (n) => {
      return { ...step, report: n === 1 ? report : null }
    })
  }

  readonly keepLanes = async ({ lanes, rest = 'none' }: ChainKeep): Promise<ChainKept> => {
    return { lanes, rest, headersOnly: [], lacking: [], freedBytes: 4096 }
  }

  readonly rotateKey = async (): Promise<KeyRotation> => ({ from: NODE_ID, to: NODE_ID })

  async redactEntry({ entry, reason }: ChainRedactionRequest): Promise<ChainRedaction> {
    this.#called('redactEntry', entry, reason)
    if (entry !== ENTRY.entry) throw notFound('CHAIN_ENTRY', entry)
    return { entry, by: `8.1@${NODE_ID}`, reason }
  }

  async repairChain(lane: string | null): Promise<ChainRepair> {
    this.#called('repairChain', lane)
    return { ok: true, lanes: [{ lane: 'laptop', damaged: 1, repaired: 1, missing: [] }] }
  }

  async verifyChain(query: ChainVerifyQuery, signal: AbortSignal): Promise<ChainReport> {
    this.#called('verifyChain', query)
    this.lastSignal = signal
    if (this.gate !== null) await this.gate
    return this.chainReport
  }

  async chainLog(
    query: { readonly follow: boolean },
    options: StreamOptions
  ): Promise<AsyncIterable<Streamed<ChainEntry>>> {
    this.#called('chainLog', query)
    return counted({ ...options, follow: query.follow }, 2, (n) => ({ ...ENTRY, index: n }))
  }

  async chainProof(entry: string, options: { readonly payload: boolean }): Promise<ChainProof> {
    this.#called('chainProof', entry, options)
    return { proof: '{}\n' }
  }

  async exportChain(
    lane: string | null,
    options: StreamOptions
  ): Promise<AsyncIterable<Streamed<ExportChunk>>> {
    this.#called('exportChain', lane)
    return counted({ ...options, follow: false }, 2, () => ({ base64: 'V0VG' }))
  }

  async chainEntry(entry: string): Promise<ChainEntry> {
    this.#called('chainEntry', entry)
    if (entry !== ENTRY.entry) throw notFound('CHAIN_ENTRY', entry)
    return ENTRY
  }

  async #play(submission: TaskSubmission, io: FrameChannel): Promise<Exit> {
    const exit = await this.script(
      { frames: decoded(io.frames), send: (frame) => io.send(encodeIoFrame(frame)) },
      submission
    )
    await io.send(encodeIoFrame({ kind: 'exit', exit }))
    io.end()
    return exit
  }

  #output(options: FollowOptions): AsyncIterable<Streamed<OutputChunk>> {
    return counted(options, this.output.length, (n) => ({
      stream: n % 2 === 1 ? 'stdout' : 'stderr',
      base64: Buffer.from(this.output[n - 1] ?? '').toString('base64')
    }))
  }

  #called(name: string, ...args: unknown[]): void {
    this.calls.push([name, ...args])
    const { failure } = this
    this.failure = null
    if (failure !== null) throw failure
  }
}

function event(n: number): KernelEvent {
  return {
    time: 1_700_000_000_000 + n,
    kind: 'process.started',
    subject: `process:${n}@laptop`,
    message: `process ${n} started`,
    detail: { n }
  }
}

function line(n: number): LogLine {
  return {
    time: 1_700_000_000_000 + n,
    level: 'info',
    message: `line ${n}`,
    fields: { room: 'mesh' }
  }
}

async function* decoded(frames: AsyncIterable<Uint8Array>): AsyncGenerator<IoFrame, void, void> {
  for await (const frame of frames) yield decodeIoFrame(frame)
}

function notFound(what: string, name: string): WeaverError {
  const noun = what.toLowerCase().replaceAll('_', ' ')
  return new WeaverError(`${what}_NOT_FOUND`, `Cannot find ${noun} '${name}'`, {
    detail: { hint: 'see what there is' }
  })
}
