// Tasks and agents in the control API, and how both are confined.

import type { Exit, Labels } from './basics.ts'
import type { ProcessRow } from './processes.ts'

/** How a process is confined; see docs/containment.md. */
export interface SandboxSpec {
  readonly containment: 'os' | 'none'
  /** `fs.read:/path`, `env:NAME`, ...: see docs/cli.md. */
  readonly grants: readonly string[]
  /** Null: no limit. */
  readonly limits: {
    readonly memoryBytes: number | null
    readonly cpus: number | null
    readonly pids: number | null
  }
  /** What policies know it by when it asks its kernel for something. */
  readonly role?: string | undefined
  /** Runs it in a container of this image, which must be on the node that runs it. */
  readonly image?: string | undefined
}

export interface TaskSubmission {
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Null: a fresh folder of its own on the node that runs it. */
  readonly cwd: string | null
  /** `1`, `1:24GB`, `nvidia:1:24GB`; null: none. */
  readonly gpu: string | null
  readonly labels: Labels
  /** Where to run it; null: wherever it fits. */
  readonly node: string | null
  readonly timeoutMs: number | null
  readonly sandbox: SandboxSpec
}

export type TaskState =
  | 'queued'
  | 'offered'
  | 'running'
  | 'succeeded'
  | 'failed'
  | 'cancelled'
  | 'timed-out'
  | 'lost'

export interface Task {
  readonly taskId: string
  readonly state: TaskState
  /** Names of nodes. */
  readonly origin: string
  readonly executor: string | null
  readonly epoch: number
  readonly attempts: number
  readonly exit: Exit | null
  readonly submittedAt: number
  readonly startedAt: number | null
  readonly endedAt: number | null
  /** The id of the chain entry that committed the result, or null before. */
  readonly receipt: string | null
  readonly command: readonly string[]
  readonly containment: string
  readonly grants: readonly string[]
  /** Null: it was given none. */
  readonly role: string | null
  /** One sentence: what it waits for, or why it failed; null when there is nothing to say. */
  readonly reason: string | null
}

export interface TaskAccepted {
  readonly taskId: string
}

export type Restart = 'permanent' | 'transient' | 'temporary'

export interface AgentSpec {
  readonly runtime: string
  readonly name: string
  readonly node: string | null
  readonly gpu: string | null
  readonly restart: Restart
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Null: a folder of its own. */
  readonly cwd: string | null
  readonly sandbox: SandboxSpec
}

/** An agent: its row, and how it is kept alive. */
export interface Agent extends ProcessRow {
  readonly restart: Restart
  readonly command: readonly string[]
  readonly grants: readonly string[]
  /** Null: it was given none. */
  readonly role: string | null
  /** Why it failed, or what it waits for. */
  readonly reason: string | null
}

export interface Runtime {
  readonly name: string
  readonly description: string
  readonly available: boolean
  /** Why it is not available, or null. */
  readonly reason: string | null
}
