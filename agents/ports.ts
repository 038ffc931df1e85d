// What agents/ needs from outside. node/ plugs in node/processes, the scheduler's pids and the gate.

import type {
  Epoch,
  FrameChannel,
  Millis,
  NodeId,
  Pid,
  Sandbox,
  TaskId,
  UnixMillis
} from '../core/index.ts'

/** How a process ended: one of the two is null. */
export interface ExitStatus {
  readonly code: number | null
  readonly signal: string | null
}

/** How a process ended, and what whoever asked for it should know beside that. */
export interface ProcessExit extends ExitStatus {
  readonly note?: string
}

/** Takes out of one stream what must not leave with it. Holds back what may yet turn out to be such. */
export interface OutputFilter {
  push(bytes: Uint8Array): Uint8Array
  /** What was held back, at the end of the stream. */
  end(): Uint8Array
  /** Whether there was any so far. */
  readonly hasFound: boolean
}

export interface SpawnRequest {
  readonly pid: Pid
  readonly command: readonly [string, ...string[]]
  /** Added to what every process gets; see node/processes/environment.ts. */
  readonly env: Readonly<Record<string, string>>
  /** Null: the host's default folder. */
  readonly cwd: string | null
  /** True: `cwd` was made for this process alone, and is its own inside. */
  readonly isOwnFolder?: boolean
  /** How it is confined. Never less than this: where it cannot be had, nothing starts. */
  readonly sandbox: Sandbox
  /** The run of a task whose origin has the secrets that its grants name; absent: they are this node's. */
  readonly secretsOf?: { readonly node: NodeId; readonly taskId: TaskId; readonly epoch: Epoch }
  /** A socket of this kernel, on this machine, on which it may ask; absent: it has none. */
  readonly kernelSocket?: string
  /** Who wants it, as the chain names actors; absent for a task, which is its origin's. */
  readonly requester?: string
  /** GPUs that it was given; without, it sees none when it is contained. */
  readonly gpus?: readonly { readonly vendor: string; readonly vendorIndex: number }[]
  /** Null: no input, and output goes to the process's spool. */
  readonly io: FrameChannel | null
  /** Makes a filter for each of its output streams; absent: they pass as they are. */
  readonly outputFilter?: () => OutputFilter
}

/** One live process and everything that it started. */
export interface RunningProcess {
  readonly osPid: number
  /** Resolves, never rejects, once it has ended and all of its output has been delivered. */
  readonly exited: Promise<ProcessExit>
  /** Sends `SIGTERM`, `SIGHUP`, ... to its group. Does nothing when it has ended. */
  signal(name: string): void
  /**
   * Ends it and every process that it left: asks, waits `graceMs`, then kills. May be called in any
   * state and as often as one likes; after an exit it ends what the process left behind.
   */
  stop(graceMs: Millis): Promise<ExitStatus>
  /** Closes its input; from here on its output goes to the spool. */
  detachIo(): void
}

/**
 * Starts processes on this machine.
 *
 * Nothing is durable and nothing is retried. Calls may overlap. A start that fails leaves nothing behind
 * and throws `PROCESS_NOT_FOUND`, `PROCESS_NOT_EXECUTABLE`, `PROCESS_BAD_DIRECTORY`,
 * `PROCESS_ARGUMENTS_TOO_LONG` (all: never), `PROCESS_TOO_MANY` (later), or, where it cannot be confined as
 * asked, `CONTAINMENT_MISSING`, `CONTAINMENT_LIMIT_MISSING` (elsewhere) or `CONTAINMENT_GRANT_REFUSED` (never).
 */
export interface ProcessHost {
  spawn(request: SpawnRequest): Promise<RunningProcess>
  /**
   * Says that `pid` may write to its spool again after its present process has ended, so that whoever
   * follows its output waits. The returned function takes that back. Hosts without a spool have none.
   */
  holdOutput?(pid: Pid): () => void
}

/** Numbers for processes: each is given out once in the life of a home. */
export interface PidSource {
  next(): Promise<Pid>
}

export interface AgentSpawnAsk {
  /** Who wants it, as the chain names actors: `user:local`, `node:<NodeId>`. */
  readonly requester: string
  readonly pid: Pid
  readonly name: string
  readonly runtime: string
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string | null
  readonly sandbox: Sandbox
  /** By which rule it will be started again. */
  readonly restart: RestartRule
  /** How often this agent has been started before. */
  readonly restarts: number
  /** As it was asked for; null: none. */
  readonly gpu: string | null
  /** What came with the wish of another node to prove it; null: nothing had to. */
  readonly warrant: Uint8Array | null
  /** Its first start under this kernel, after one under an earlier. */
  readonly isResumed: boolean
}

/**
 * Decides whether an agent may start. Resolves only when the permission is durably recorded; throws when
 * it is refused or cannot be recorded. Asked before every start, restarts by rule included. Whatever it throws
 * with an `approval` in its detail is no refusal: it is asked again, for as long as it names the same one.
 */
export interface AgentGate {
  authorizeSpawn(ask: AgentSpawnAsk): Promise<void>
}

/** What an agent holds of this node's GPUs. */
export interface GpuLoan {
  readonly devices: readonly {
    readonly index: number
    readonly vendor: string
    readonly vendorIndex: number
  }[]
  /** The variables that tell a command which they are. */
  readonly env: Readonly<Record<string, string>>
  /** Idempotent. */
  free(): void
}

/** The GPUs of this node, which tasks are given as well. */
export interface GpuSource {
  /**
   * Takes them at once, until they are freed; or says in a sentence what is missing.
   * @throws WeaverError where `request` cannot be read
   */
  take(request: string): GpuLoan | string
}

export type RestartRule = 'permanent' | 'transient' | 'temporary'

/**
 * `running`: it is to run, and its kernel has not said since that it stopped. `paused`: its kernel stopped it,
 * or could not start it: it is to run with the next. `ended`: by its rule or by whoever may end it.
 */
export type RecordStatus = 'running' | 'paused' | 'ended'

export interface AgentRecord {
  readonly pid: Pid
  readonly name: string
  readonly runtime: string
  readonly restart: RestartRule
  /** Who asked for it, as the chain names actors. */
  readonly requester: string
  readonly sandbox: Sandbox
  readonly plan: LaunchPlan
  /** As it was asked for; null: none. */
  readonly gpu: string | null
  /** What came with the wish of another node to prove it; carried unread. */
  readonly warrant: Uint8Array | null
  readonly status: RecordStatus
  readonly restarts: number
  /** Of its last process, or when it was last to be started. */
  readonly startedAt: UnixMillis
  readonly exit: ExitStatus | null
  /** Why it failed; null otherwise. */
  readonly why: string | null
  /** How often in a row its kernel ended without a word soon after it was started. */
  readonly losses: number
}

/**
 * Agents that are to outlive their kernel. `put` and `delete` are durable once resolved; the caller keeps the
 * order of those that name one pid. Nothing is retried. A rejection leaves the outcome unknown.
 */
export interface AgentStore {
  put(record: AgentRecord): Promise<void>
  delete(pid: Pid): Promise<void>
  /** Everything stored, by pid. Records that cannot be read are logged and left out. */
  all(): Promise<readonly AgentRecord[]>
}

/** What a runtime makes of a spec: exactly what will be started. */
export interface LaunchPlan {
  readonly command: readonly [string, ...string[]]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string | null
}

export interface LaunchSpec {
  readonly name: string
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string | null
}

/** Knows how one kind of agent is started. Pure: it plans, and touches nothing. */
export interface RuntimeAdapter {
  readonly name: string
  readonly description: string
  /** @throws WeaverError `AGENTS_INVALID_COMMAND` */
  plan(spec: LaunchSpec): LaunchPlan
}
