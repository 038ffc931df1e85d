// What a task is: a command, where it may run, and how long. Checked when it is submitted, and again by
// every executor that is offered it.

import { z } from 'zod'
import {
  DEFAULT_SANDBOX,
  millis,
  mistakeText,
  mistakeWords,
  nodeId,
  parseSandbox,
  sandboxCbor,
  WeaverError
} from '../core/index.ts'
import type { Cbor, Millis, NodeId, Sandbox } from '../core/index.ts'
import { InvalidSpecError } from './errors.ts'
import type { GpuRequest } from './gpu.ts'
import {
  ARGUMENTS_MAX,
  COMMAND_BYTES_MAX,
  ENV_BYTES_MAX,
  ENV_VARIABLES_MAX,
  GPUS_MAX,
  LABEL_BYTES_MAX,
  LABELS_MAX,
  PATH_BYTES_MAX,
  RECORDED_COMMAND_LENGTH_MAX,
  RECORDED_NAMES_MAX,
  TIMEOUT_MAX_MS
} from './limits.ts'

export interface TaskSpec {
  readonly command: readonly [string, ...string[]]
  readonly env: Readonly<Record<string, string>>
  /** Null: a folder that the executor chooses. */
  readonly cwd: string | null
  readonly gpu: GpuRequest | null
  /** Every one of these the executor must have, with this value. */
  readonly labels: Readonly<Record<string, string>>
  readonly node: NodeId | null
  /** From the start of the command, on the executor's monotonic clock. */
  readonly timeoutMs: Millis | null
  /** Somebody waits at a terminal: input and output stream both ways. */
  readonly isAttached: boolean
  /** How its process is confined on whichever node runs it. */
  readonly sandbox: Sandbox
}

const text = z.string().refine((value) => !value.includes('\0'), 'must not contain NUL')
const argument = text.max(COMMAND_BYTES_MAX)

const gpuSchema = z.strictObject({
  vendor: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,31}$/)
    .nullable(),
  count: z.int().min(1).max(GPUS_MAX),
  memoryBytes: z.int().min(1).nullable()
})

export const taskSpecSchema: z.ZodType<TaskSpec> = z.strictObject({
  command: z
    .tuple([argument.min(1)], argument)
    .refine(
      (command) => command.length <= ARGUMENTS_MAX,
      `must have at most ${ARGUMENTS_MAX} arguments`
    )
    .refine((command) => bytesOf(command) <= COMMAND_BYTES_MAX, 'must have at most 128 KiB in all'),
  env: z
    .record(text.regex(/^[^=]+$/), text)
    .refine(
      (env) => Object.keys(env).length <= ENV_VARIABLES_MAX,
      'must have at most 256 variables'
    )
    .refine(
      (env) => bytesOf(Object.entries(env).flat()) <= ENV_BYTES_MAX,
      'must have at most 64 KiB in all'
    ),
  cwd: text.min(1).max(PATH_BYTES_MAX).nullable(),
  gpu: gpuSchema.nullable(),
  labels: z
    .record(z.string().min(1).max(LABEL_BYTES_MAX), z.string().max(LABEL_BYTES_MAX))
    .refine((labels) => Object.keys(labels).length <= LABELS_MAX, 'must have at most 32 labels'),
  node: z.string().transform(nodeId).nullable(),
  timeoutMs: z.int().min(1).max(TIMEOUT_MAX_MS).transform(millis).nullable(),
  isAttached: z.boolean(),
  // A task that was stored or sent by a version without containment is contained like any other.
  sandbox: z
    .unknown()
    .optional()
    .transform((value) => (value === undefined ? DEFAULT_SANDBOX : parseSandbox(value)))
})

function bytesOf(parts: readonly string[]): number {
  return parts.reduce((sum, part) => sum + Buffer.byteLength(part) + 1, 0)
}

/** @throws WeaverError `SCHEDULER_INVALID_SPEC` */
export function parseTaskSpec(value: unknown): TaskSpec {
  try {
    return taskSpecSchema.parse(value, { error: mistakeWords })
  } catch (error) {
    const why = error instanceof z.ZodError ? mistakeText(error) : messageOf(error)
    const hint = error instanceof WeaverError ? error.detail['hint'] : null
    throw new InvalidSpecError(`Cannot use task: ${why}`, typeof hint === 'string' ? hint : null)
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : ''
}

/** The spec as a message or a stored record carries it. */
export function specCbor(spec: TaskSpec): Cbor {
  const { gpu, sandbox } = spec
  return { ...spec, gpu: gpu === null ? null : { ...gpu }, sandbox: sandboxCbor(sandbox) }
}

/** What of a spec is decided on and recorded: bounded, and names of variables without their values. */
export interface RecordedCommand {
  readonly [key: string]: Cbor
  readonly argv: readonly string[]
  /** Arguments that were left out, or cut, because they are too long to keep. */
  readonly argvCut: number
  readonly cwd: string | null
  readonly envNames: readonly string[]
  readonly containment: string
  /** In their canonical form. */
  readonly grants: readonly string[]
  readonly limits: { readonly [key: string]: Cbor }
  readonly role?: string
  readonly image?: string
}

export function recordedCommand(spec: TaskSpec): RecordedCommand {
  const argv: string[] = []
  let room = RECORDED_COMMAND_LENGTH_MAX
  let whole = 0
  for (const item of spec.command) {
    if (room <= 0) break
    argv.push(item.slice(0, room))
    if (item.length <= room) whole += 1
    room -= item.length + 1
  }
  return {
    argv,
    argvCut: spec.command.length - whole,
    cwd: spec.cwd,
    envNames: Object.keys(spec.env)
      .toSorted()
      .slice(0, RECORDED_NAMES_MAX)
      .map((name) => name.slice(0, 128)),
    ...sandboxCbor(spec.sandbox)
  }
}
