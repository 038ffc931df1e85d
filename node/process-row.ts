// A row of the process table as its node writes it into its own replicated document, and as every other
// node reads it: bytes from a peer, so checked field by field.

import { z } from 'zod'
import type { Exit, Json, ProcessKind, ProcessState } from './api/index.ts'

/** `lost` is not among them: it is what a viewer makes of a live row whose node is out of reach. */
export type OwnState = Exclude<ProcessState, 'lost'>

export interface StoredRow {
  readonly pid: number
  readonly name: string
  readonly kind: ProcessKind
  readonly runtime: string | null
  readonly state: OwnState
  readonly parent: number | null
  readonly startedAt: number
  readonly restarts: number
  readonly exit: Exit | null
  readonly containment: string
  readonly task: string | null
  /** Places, among its node's GPUs, of those that it holds. */
  readonly gpus: readonly number[]
  /** What an agent was told to run, and by which rule it is restarted; null for other processes. */
  readonly agent: {
    readonly command: readonly string[]
    readonly restart: string
    readonly grants: readonly string[]
    readonly role: string | null
    readonly image: string | null
    /** As it was asked for, also while it holds none; null: none. */
    readonly gpu: string | null
    /** Why it failed, or what it waits for. */
    readonly reason: string | null
  } | null
}

const text = z.string().max(256)
/** A message of ours, which may quote a path. */
export const REASON_LENGTH_MAX = 1024

const rowSchema: z.ZodType<StoredRow> = z.object({
  pid: z.int().min(1),
  name: text,
  kind: z.enum(['agent', 'service', 'task', 'tool']),
  runtime: text.nullable(),
  state: z.enum(['starting', 'running', 'suspended', 'stopping', 'exited', 'failed']),
  parent: z.int().min(1).nullable(),
  startedAt: z.int().min(0),
  restarts: z.int().min(0),
  exit: z.object({ code: z.int().nullable(), signal: text.nullable() }).nullable(),
  containment: text,
  task: text.nullable(),
  gpus: z.array(z.int().min(0)).max(64).default([]),
  agent: z
    .object({
      command: z.array(z.string().max(4096)).max(256),
      restart: text,
      grants: z.array(z.string().max(8300)).max(128).default([]),
      role: text.nullable().default(null),
      image: text.nullable().default(null),
      gpu: text.nullable().default(null),
      reason: z.string().max(REASON_LENGTH_MAX).nullable().default(null)
    })
    .nullable()
})

export function rowJson(row: StoredRow): Json {
  return {
    ...row,
    exit: row.exit === null ? null : { ...row.exit },
    gpus: [...row.gpus],
    agent: row.agent === null ? null : { ...row.agent }
  }
}

/** Null where `value` is no row: a peer of another version, or a broken one. */
export function parseRow(value: unknown): StoredRow | null {
  const parsed = rowSchema.safeParse(value)
  return parsed.success ? parsed.data : null
}

export function hasEnded(row: StoredRow): boolean {
  return row.state === 'exited' || row.state === 'failed'
}
