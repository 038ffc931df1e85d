// What an origin offers to the rest of the kernel. The driver behind it is in origin-driver.ts.

import type { Clock, Entropy, FrameChannel, Logger, Millis, NodeId, TaskId } from '../core/index.ts'
import type {
  ExecutorClient,
  FinishedReport,
  FinishedVerdict,
  Gate,
  IoFrames,
  Ledger,
  PeerDirectory,
  Requester,
  StartedReport,
  TaskStore
} from './ports.ts'
import type { TaskSpec } from './spec.ts'
import type { OriginEvent, TaskView } from './task-view.ts'
import type { Task } from './task.ts'

export interface OriginDeps {
  readonly ledger: Ledger
  readonly gate: Gate
  readonly store: TaskStore<Task>
  readonly executors: ExecutorClient
  readonly peers: PeerDirectory
  readonly ioFrames: IoFrames
  readonly clock: Clock
  readonly entropy: Entropy
  readonly log: Logger
}

export interface OriginOptions {
  readonly self: NodeId
  readonly executorGraceMs?: Millis
  readonly unfinishedMax?: number
  readonly endedKept?: number
}

export interface SubmittedTask {
  readonly task: TaskView
  /**
   * The task after its result is committed and, if attached, after this side of `io` has ended. Rejects
   * with `SCHEDULER_STOPPED` or `SCHEDULER_COMMIT_FAILED` when this kernel can no longer say. May be left
   * unawaited.
   */
  readonly outcome: Promise<TaskView>
}

/** Owns the tasks that were submitted on this node. */
export interface Origin {
  /**
   * Resolves when the task is durable here. `io` is the user's end of an attached task, exactly when the
   * spec says so; when the call rejects, it was not used.
   * @throws WeaverError `SCHEDULER_INVALID_SPEC`, `SCHEDULER_QUEUE_FULL`, `SCHEDULER_STARTING`,
   * `SCHEDULER_STOPPED`,
   * `GOVERNANCE_DENIED`, `GOVERNANCE_UNRECORDED`, or what the store threw
   */
  submit(spec: TaskSpec, io: FrameChannel | null, requester?: Requester): Promise<SubmittedTask>
  /** Oldest first: everything unfinished, and the newest that have ended. */
  list(): readonly TaskView[]
  /** @throws WeaverError `SCHEDULER_TASK_NOT_FOUND` */
  show(taskId: TaskId): TaskView
  /** Resolves when its result is committed. @throws as `show`, and as `SubmittedTask.outcome` */
  wait(taskId: TaskId, signal: AbortSignal): Promise<TaskView>
  /** Resolves when the wish is recorded; how it ends is seen by `wait`. Nothing happens to an ended task. */
  cancel(taskId: TaskId, requester?: Requester): Promise<TaskView>
  /** @throws WeaverError `SCHEDULER_TASK_NOT_RUNNING`, `SCHEDULER_TASK_NOT_FOUND` */
  signal(taskId: TaskId, name: string, requester?: Requester): Promise<void>
  /** The listener must not throw. Returns what removes it. */
  events(listener: (event: OriginEvent) => void): () => void
  /** From executors. `from` is the authenticated node. A result waits until `resume` is done. */
  started(from: NodeId, report: StartedReport): void
  finished(from: NodeId, report: FinishedReport): Promise<FinishedVerdict>
  /** Once, at kernel start: nothing is submitted before it. Resolves when every task is known again. */
  resume(): Promise<void>
  /** Takes nothing new and lets go of what runs elsewhere; the next kernel goes on with it. Idempotent. */
  stop(): Promise<void>
}
