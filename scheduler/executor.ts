// What an executor offers to the rest of the kernel. The driver behind it is in executor-driver.ts.

import type { Clock, FrameChannel, Logger, Millis, NodeId } from '../core/index.ts'
import type { ExecutionRecord } from './execution-record.ts'
import type { ExecutorEvent } from './executor-events.ts'
import type {
  ExecutorLoad,
  Gate,
  Ledger,
  Offer,
  OfferAnswer,
  OriginClient,
  PeerDirectory,
  PidSource,
  ProcessHost,
  RunStatus,
  TaskRun,
  TaskStore
} from './ports.ts'
import type { Resources } from './resources.ts'

export interface ExecutorDeps {
  readonly ledger: Ledger
  readonly gate: Gate
  readonly store: TaskStore<ExecutionRecord>
  readonly processes: ProcessHost
  readonly pids: PidSource
  readonly origins: OriginClient
  readonly peers: PeerDirectory
  /** GPUs and slots; it takes its tasks' from them. */
  readonly resources: Resources
  readonly clock: Clock
  readonly log: Logger
}

export interface ExecutorOptions {
  readonly self: NodeId
  readonly name: string
  readonly stopGraceMs?: Millis
  readonly attachWaitMs?: Millis
}

/** Runs tasks for origins. `from` is always the authenticated node that a call came from. */
export interface Executor {
  /** Resolves with `accepted` only when that is durable; the command is then being started. */
  offer(from: NodeId, offer: Offer): Promise<OfferAnswer>
  /**
   * Joins the task's input and output to `channel`, once; resolves after its last output.
   * @throws WeaverError `SCHEDULER_NOT_ATTACHABLE`
   */
  attach(from: NodeId, run: TaskRun, channel: FrameChannel): Promise<void>
  /**
   * An unknown run is fenced: an offer of it that is still under way will be declined.
   * @throws WeaverError `SCHEDULER_STARTING` before `resume`, as do the three that follow
   */
  status(from: NodeId, run: TaskRun): RunStatus
  /** The end comes as a result. Does nothing for a run that is over or not known. */
  cancel(from: NodeId, run: TaskRun): void
  /** @throws WeaverError `SCHEDULER_TASK_NOT_RUNNING` */
  signal(from: NodeId, run: TaskRun, name: string): void
  acknowledge(from: NodeId, run: TaskRun): void
  /** Ends everything of an origin that may have nothing done here any more. */
  disown(origin: NodeId): void
  load(): ExecutorLoad
  /** Called after every change of `load()`. */
  onLoadChange(listener: () => void): () => void
  /** For the process table. */
  onEvent(listener: (event: ExecutorEvent) => void): () => void
  /** Once, at kernel start, after the children of a crashed kernel were reaped. Resolves when durable. */
  resume(): Promise<void>
  /** Declines offers, ends all children, stores their results, tells their origins. Idempotent. */
  stop(): Promise<void>
}
