// What the scheduler needs from the rest of the kernel, in its own words. node/ plugs in the chain, the
// mesh, the gate, the store and real processes; the simulator plugs in simulated ones.

import type {
  Cbor,
  Epoch,
  FrameChannel,
  Millis,
  NodeId,
  Pid,
  Sandbox,
  TaskId,
  UnixMillis
} from '../core/index.ts'
import type { GpuDevice, GpuState } from './gpu.ts'
import type { ExitStatus, TaskResult } from './result.ts'
import type { TaskSpec } from './spec.ts'

/** One entry for this node's chain lane. */
export interface EntryDraft {
  readonly kind: string
  readonly actor: string
  readonly subject: string
  readonly payload: Cbor
}

/** Where an entry lies. `id` is what people and other entries refer to it by. */
export interface EntryRef {
  readonly id: string
}

/** This node's chain lane. */
export interface Ledger {
  /**
   * Durable once resolved, all drafts in one block, in order, and after everything whose `record` was
   * called before. One reference per draft. Retries nothing; calls may overlap. A rejection leaves the
   * outcome unknown.
   */
  record(drafts: readonly EntryDraft[]): Promise<readonly EntryRef[]>
  /**
   * For each of `subjects`, the newest entry of `kind` in this node's own lane, by subject; absent where
   * there is none. `payload` is null where it was redacted. Called at kernel start only, to learn what a
   * crash left undecided: it may read the whole lane.
   */
  find(
    kind: string,
    subjects: readonly string[]
  ): Promise<ReadonlyMap<string, { readonly ref: EntryRef; readonly payload: unknown }>>
}

/** Who asks. It comes from where the request came from, never from what the request says. */
export type Requester =
  | { readonly kind: 'owner' }
  | { readonly kind: 'member'; readonly nodeId: NodeId }
  | { readonly kind: 'process'; readonly pid: Pid }

/** A privileged act of this room, before it happens. */
export interface GateRequest {
  readonly principal: Requester
  readonly action: 'task.submit' | 'task.accept' | 'task.cancel' | 'task.signal'
  readonly resource: string
  readonly context: Readonly<Record<string, Cbor>>
  /** The whole argument vector, of which `context` has as much as is recorded. */
  readonly command?: readonly string[]
  /** Its own variables, of which `context` has the names. */
  readonly environment?: Readonly<Record<string, string>>
}

/** The one gate. */
export interface Gate {
  /**
   * Decides, and makes the decision and `more` durable in one append. Resolves only when the act is
   * allowed and all of it is durable. Rejects with `GOVERNANCE_DENIED` (the decision is recorded, `more`
   * is not) or `GOVERNANCE_UNRECORDED` (whether anything was recorded is unknown). Calls may overlap.
   */
  authorizeWith(request: GateRequest, more: readonly EntryDraft[]): Promise<unknown>
}

/**
 * The tasks that this node is the origin of, or (another instance) those it executes for others.
 * `put` and `delete` are durable once resolved; calls may overlap, and two that name one task are applied
 * in the order of the calls. Nothing is retried. A rejection leaves the outcome unknown.
 */
export interface TaskStore<Stored> {
  put(record: Stored): Promise<void>
  delete(taskId: TaskId): Promise<void>
  /** Everything stored, oldest task id first. Records that cannot be read are logged and left out. */
  all(): Promise<readonly Stored[]>
}

/** What an executor says about itself: it rides on every pulse, and decides placement. */
export interface ExecutorLoad {
  /** Grows with every accepted and every ended task, over restarts too: orders reports and answers. */
  readonly revision: number
  readonly runningTasks: number
  readonly tasksMax: number
  readonly gpus: readonly GpuState[]
}

/** A node that a task might run on, this one included, as far as is known now. */
export interface Candidate extends ExecutorLoad {
  readonly nodeId: NodeId
  readonly name: string
  /** True when this node can call it now: it is this node, or there is an open session. */
  readonly isReachable: boolean
  readonly labels: Readonly<Record<string, string>>
  readonly cpus: number
  /** Share of all its cores in use, 0 to 1. */
  readonly cpuLoad: number
  /** Whether it can confine a process. */
  readonly canContain: boolean
}

/** Who is there. */
export interface PeerDirectory {
  /** Every member that has ever said what it has, this node first or anywhere; cheap to call. */
  candidates(): readonly Candidate[]
  /**
   * Called after a candidate appeared, changed, or became reachable or unreachable; a lost connection at
   * once. Returns what removes the listener. The listener never throws.
   */
  onChange(listener: () => void): () => void
}

/** A task offered to an executor under one epoch. */
export interface Offer {
  readonly taskId: TaskId
  readonly epoch: Epoch
  readonly spec: TaskSpec
  /** Its origin's proof, for the executor, of what the spec asks for; carried unread. */
  readonly authority?: Uint8Array | undefined
}

/** One run of a task: what status, cancel and signal are about. */
export interface TaskRun {
  readonly taskId: TaskId
  readonly epoch: Epoch
}

export type OfferAnswer =
  /** Durable at the executor; the command is being started. */
  | {
      readonly kind: 'accepted'
      readonly revision: number
      /** Places, among the executor's GPUs, of those that the task was given. */
      readonly gpus: readonly number[]
    }
  /** Not now, not here: nothing was started, and the origin may offer it elsewhere. */
  | { readonly kind: 'declined'; readonly reason: string; readonly revision: number }
  /** Never here: its policy says no, or the offer makes no sense. Ends the task. */
  | { readonly kind: 'refused'; readonly code: string; readonly reason: string }

export type RunStatus =
  /** Not accepted, and from now on never will be: the executor fences this epoch as it answers. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'running'; readonly startedAt: UnixMillis | null }
  | { readonly kind: 'finished'; readonly result: TaskResult; readonly revision: number }

/**
 * The executors of other nodes, and this one's. Every call may be repeated. A rejection whose `retry` is
 * `elsewhere` means that surely nothing was sent; after any other the outcome is unknown. Nothing is
 * retried inside; calls may overlap; every call ends within a bound of its own.
 */
export interface ExecutorClient {
  /** Accepted means durable at the executor. */
  offer(node: NodeId, offer: Offer): Promise<OfferAnswer>
  /**
   * The input and output of an attached task, once. Its frames end after the last output; it is aborted
   * when the connection breaks, and the task then goes on without it.
   */
  attach(node: NodeId, run: TaskRun): FrameChannel
  status(node: NodeId, run: TaskRun): Promise<RunStatus>
  /** Resolves when the executor knows; the end of the task comes as a result. */
  cancel(node: NodeId, run: TaskRun): Promise<void>
  signal(node: NodeId, run: TaskRun, name: string): Promise<void>
  /** The origin has committed (or fenced) the result: the executor may forget it. */
  acknowledge(node: NodeId, run: TaskRun): Promise<void>
}

export interface StartedReport extends TaskRun {
  readonly pid: Pid
  readonly startedAt: UnixMillis
}

export interface FinishedReport extends TaskRun {
  readonly result: TaskResult
  readonly revision: number
}

/** `committed`: durable at the origin. `fenced`: came too late, recorded. `unknown`: no such task. */
export type FinishedVerdict = 'committed' | 'fenced' | 'unknown'

/** The origins of other nodes, and this one's: where an executor reports to. */
export interface OriginClient {
  /** Best effort: a lost report is found out by a later one. Never throws. */
  started(origin: NodeId, report: StartedReport): void
  /** Any answer means that the executor may forget the result. Calls may overlap and be repeated. */
  finished(origin: NodeId, report: FinishedReport): Promise<FinishedVerdict>
}

export interface SpawnRequest {
  readonly pid: Pid
  readonly command: readonly [string, ...string[]]
  /** Added to the environment that the host gives every child. */
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string | null
  /** How it is confined. Never less than this: where it cannot be had, nothing starts. */
  readonly sandbox: Sandbox
  readonly gpus: readonly GpuDevice[]
  /** Who has the secrets that its grants name, and for which run. */
  readonly secretsOf: TaskRun & { readonly node: NodeId }
  /**
   * The child's input and output as I/O frames. The host sends output, then perhaps one exit frame (it
   * passes through unread: only a committed result counts), and ends its side when the child has ended and
   * its last output is sent. Null: no input, and the output goes to the spool.
   */
  readonly io: FrameChannel | null
}

/** How it ended, and what whoever asked for it should know beside that: at most `REASON_LENGTH_MAX` characters. */
export interface ProcessExit extends ExitStatus {
  readonly note?: string
}

export interface RunningProcess {
  readonly osPid: number
  /** Resolves, never rejects, once it has ended and all of its output has been delivered. */
  readonly exited: Promise<ProcessExit>
  signal(name: string): void
  /**
   * SIGTERM to the group, after `graceMs` SIGKILL to the whole tree; resolves when nothing is left. In any
   * state, as often as one likes: after an exit it ends what the process left behind.
   */
  stop(graceMs: Millis): Promise<ExitStatus>
  /** Closes the child's input; from here on its output goes to its spool. */
  detachIo(): void
}

/** Numbers for processes: each is given out once in the life of a home. */
export interface PidSource {
  next(): Promise<Pid>
}

/** Starts children. */
export interface ProcessHost {
  /**
   * Resolves when the command runs. Rejects with `PROCESS_NOT_FOUND` (exit code 127),
   * `PROCESS_NOT_EXECUTABLE`, `PROCESS_BAD_DIRECTORY` or `PROCESS_ARGUMENTS_TOO_LONG` (126), or another
   * code when the host itself failed (125); then nothing runs. Does not retry. Calls may overlap.
   */
  spawn(request: SpawnRequest): Promise<RunningProcess>
}

/** The few I/O frames that the scheduler makes or understands; the rest passes through unread. */
export interface IoFrames {
  /** A line for the user's standard error. */
  note(text: string): Uint8Array
  /** The name of the signal that a frame from the user carries, or null for any other frame. */
  signalOf(frame: Uint8Array): string | null
}

/** An RPC client, as much as the remote adapters need. */
export interface RpcCaller {
  call(
    peer: NodeId,
    service: string,
    method: string,
    body: Cbor,
    options?: { readonly timeoutMs?: Millis }
  ): Promise<unknown>
  open(
    peer: NodeId,
    service: string,
    method: string,
    body: Cbor
  ): { readonly channel: FrameChannel }
  notify(peer: NodeId, service: string, method: string, body: Cbor): void
}
