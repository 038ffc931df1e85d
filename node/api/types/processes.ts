// The process table in the control API.

import type { Exit } from './basics.ts'

export type ProcessKind = 'agent' | 'service' | 'task' | 'tool'
export type ProcessState =
  | 'starting'
  | 'running'
  | 'suspended'
  | 'stopping'
  | 'exited'
  | 'failed'
  | 'lost'

export interface ProcessRow {
  readonly pid: number
  readonly gpid: string
  /** The node's name. */
  readonly node: string
  readonly name: string
  readonly kind: ProcessKind
  readonly runtime: string | null
  readonly state: ProcessState
  /** The pid of the process that started it, or null. */
  readonly parent: number | null
  readonly startedAt: number
  readonly cpuPercent: number | null
  readonly memoryBytes: number | null
  readonly restarts: number
  readonly exit: Exit | null
  readonly containment: string
  /** The task it runs for, or null. */
  readonly task: string | null
  /** Places, among the node's GPUs, of those that it holds. */
  readonly gpus: readonly number[]
  /** Since when the row's node has been out of reach; null unless `state` is `lost`. */
  readonly lostSince: number | null
}

export interface ProcessQuery {
  /** A node's name or a unique prefix of its id; null means this node. Not read when `all` is set. */
  readonly node: string | null
  /** Rows of every node. */
  readonly all: boolean
}

export type OutputStream = 'stdout' | 'stderr'

/** A piece of what a process wrote. */
export interface OutputChunk {
  readonly stream: OutputStream
  /** The bytes in base64: output need not be text. */
  readonly base64: string
}

/** What a process is to its kernel. */
export interface SelfView {
  readonly pid: number
  readonly gpid: string
  readonly node: string
  /** Its name, where it is an agent. */
  readonly agent: string | null
  readonly role: string
  readonly containment: string
  readonly grants: readonly string[]
  readonly limits: {
    readonly memoryBytes: number | null
    readonly cpus: number | null
    readonly pids: number | null
  }
  /** The process that asked for it, or null. */
  readonly parent: number | null
  readonly task: string | null
}
