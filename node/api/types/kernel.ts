// The kernel itself in the control API: its state, its log, and what happens in it.

import type { Json, Labels, Resources } from './basics.ts'
import type { MeshSummary } from './mesh.ts'
import type { PolicySummary } from './policy.ts'

export interface KernelStatus {
  readonly running: boolean
  readonly pid: number
  readonly nodeId: string
  readonly name: string
  readonly mesh: MeshSummary
  readonly uptimeMs: number
  readonly home: string
  /** The TCP address of the control API, `http://127.0.0.1:7070`, or null when there is none. */
  readonly http: string | null
  readonly version: string
  readonly listen: readonly string[]
  readonly resources: Resources
  readonly labels: Labels
  /** Null where this kernel decides by its plain rules. */
  readonly policy: PolicySummary | null
}

/** Something that happened in the kernel, for `kernel attach` and other live views. */
export interface KernelEvent {
  readonly time: number
  /** `process.started`, `peer.alive`, `task.running`, ... */
  readonly kind: string
  readonly subject: string
  /** One sentence for people. */
  readonly message: string
  readonly detail: { readonly [key: string]: Json }
}

export interface LogLine {
  readonly time: number
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly message: string
  readonly fields: { readonly [key: string]: Json }
}

export interface Health {
  readonly ok: boolean
  /** One sentence for each thing that is wrong. */
  readonly problems: readonly string[]
}

/** The kernel will stop; its operating-system pid, to see it go. */
export interface StopAccepted {
  readonly pid: number
}
