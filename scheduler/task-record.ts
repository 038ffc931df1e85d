// Tasks as their origin stores them, so that they outlive its kernel. Format: docs/task-protocol.md.

import { z } from 'zod'
import {
  decodeCbor,
  encodeCbor,
  epoch,
  nodeId,
  taskId,
  unixMillis,
  unreachable
} from '../core/index.ts'
import type { Cbor, Epoch, NodeId, TaskId, UnixMillis } from '../core/index.ts'
import { OFFERS_REMEMBERED, REASON_LENGTH_MAX } from './limits.ts'
import type { ExitStatus } from './result.ts'
import { specCbor, taskSpecSchema } from './spec.ts'
import type { Task, TaskEnd, TaskPhase } from './task.ts'

const VERSION = 1

export const epochSchema: z.ZodType<Epoch> = z.number().transform(epoch)
export const nodeIdSchema: z.ZodType<NodeId> = z.string().max(64).transform(nodeId)
export const taskIdSchema: z.ZodType<TaskId> = z.string().max(64).transform(taskId)
export const wallSchema: z.ZodType<UnixMillis> = z.number().transform(unixMillis)
export const exitSchema: z.ZodType<ExitStatus> = z.strictObject({
  code: z.int().min(0).max(0xffff_ffff).nullable(),
  signal: z.string().max(16).nullable()
})

const endSchema = z.strictObject({
  state: z.enum(['succeeded', 'failed', 'cancelled', 'timed-out', 'lost']),
  exit: exitSchema.nullable(),
  reason: z.string().max(REASON_LENGTH_MAX).nullable(),
  startedAt: wallSchema.nullable(),
  endedAt: wallSchema
})

const phaseSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('queued') }),
  z.strictObject({
    kind: z.enum(['offered', 'running']),
    executor: nodeIdSchema,
    isCancelling: z.boolean(),
    isUncertain: z.boolean()
  }),
  z.strictObject({
    kind: z.literal('ended'),
    executor: nodeIdSchema.nullable(),
    end: endSchema,
    isGivenUp: z.boolean(),
    receipt: z.string().max(200),
    isOwed: z.boolean()
  })
])

const taskSchema = z.strictObject({
  version: z.literal(VERSION),
  taskId: taskIdSchema,
  spec: taskSpecSchema,
  submittedAt: wallSchema,
  startedAt: wallSchema.nullable(),
  attempts: z.int().min(0),
  offers: z
    .array(z.strictObject({ epoch: epochSchema, executor: nodeIdSchema }))
    .max(OFFERS_REMEMBERED),
  isOrphaned: z.boolean(),
  fenced: z.array(epochSchema).max(OFFERS_REMEMBERED),
  phase: phaseSchema
})

export function encodeTask(task: Task): Uint8Array {
  return encodeCbor({
    version: VERSION,
    taskId: task.taskId,
    spec: specCbor(task.spec),
    submittedAt: task.submittedAt,
    startedAt: task.startedAt,
    attempts: task.attempts,
    offers: task.offers.map((offer) => ({ epoch: offer.epoch, executor: offer.executor })),
    isOrphaned: task.isOrphaned,
    fenced: task.fenced,
    phase: phaseCbor(task.phase)
  })
}

function phaseCbor(phase: TaskPhase): Cbor {
  switch (phase.kind) {
    case 'queued':
      return { kind: 'queued' }
    case 'offered':
    case 'running':
      return { ...phase }
    case 'committing':
      // Not committed yet: a kernel that dies now asks the executor again, or decides again.
      if (phase.from === 'queued' || phase.executor === null) return { kind: 'queued' }
      return { kind: phase.from, executor: phase.executor, isCancelling: false, isUncertain: true }
    case 'ended':
      return { ...phase, end: endCbor(phase.end) }
    default:
      return unreachable(phase)
  }
}

export function endCbor(end: TaskEnd): { readonly [key: string]: Cbor } {
  return { ...end, exit: end.exit === null ? null : { ...end.exit } }
}

/** @throws WeaverError `CORE_INVALID_CBOR`, or a ZodError, unless `bytes` are a stored task. */
export function decodeTask(bytes: Uint8Array): Task {
  const { version: _, ...task } = taskSchema.parse(decodeCbor(bytes))
  return task
}

/** The end in the payload of a `task.committed` entry, or null when there is none to be read. */
export function committedEnd(payload: unknown): TaskEnd | null {
  const parsed = z.object({ end: endSchema }).safeParse(payload)
  return parsed.success ? parsed.data.end : null
}
