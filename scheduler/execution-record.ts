// What an executor stores of each task that it has accepted and whose result its origin has not
// acknowledged. Format: docs/task-protocol.md.

import { z } from 'zod'
import { decodeCbor, encodeCbor } from '../core/index.ts'
import type { Cbor, Epoch, NodeId, TaskId } from '../core/index.ts'
import { REASON_LENGTH_MAX } from './limits.ts'
import type { TaskResult } from './result.ts'
import { epochSchema, exitSchema, nodeIdSchema, taskIdSchema, wallSchema } from './task-record.ts'

const VERSION = 1

export interface ExecutionRecord {
  readonly taskId: TaskId
  readonly epoch: Epoch
  readonly origin: NodeId
  /** Null: accepted, and whatever came of it was not stored: its kernel ended before. */
  readonly result: TaskResult | null
}

export const resultSchema: z.ZodType<TaskResult> = z.strictObject({
  outcome: z.enum(['exited', 'not-started', 'cancelled', 'timed-out', 'lost']),
  exit: exitSchema.nullable(),
  reason: z.string().max(REASON_LENGTH_MAX).nullable(),
  startedAt: wallSchema.nullable(),
  endedAt: wallSchema
})

const recordSchema = z.strictObject({
  version: z.literal(VERSION),
  taskId: taskIdSchema,
  epoch: epochSchema,
  origin: nodeIdSchema,
  result: resultSchema.nullable()
})

export function resultCbor(result: TaskResult): { readonly [key: string]: Cbor } {
  return { ...result, exit: result.exit === null ? null : { ...result.exit } }
}

export function encodeExecution(record: ExecutionRecord): Uint8Array {
  return encodeCbor({
    version: VERSION,
    taskId: record.taskId,
    epoch: record.epoch,
    origin: record.origin,
    result: record.result === null ? null : resultCbor(record.result)
  })
}

/** @throws WeaverError `CORE_INVALID_CBOR`, or a ZodError, unless `bytes` are a stored execution. */
export function decodeExecution(bytes: Uint8Array): ExecutionRecord {
  const { version: _, ...record } = recordSchema.parse(decodeCbor(bytes))
  return record
}

/** The result of `epoch` in the payload of a `task.finished` entry, or null when there is none. */
export function finishedResult(payload: unknown, epoch: Epoch): TaskResult | null {
  const parsed = z.object({ epoch: epochSchema, result: resultSchema }).safeParse(payload)
  return parsed.success && parsed.data.epoch === epoch ? parsed.data.result : null
}
