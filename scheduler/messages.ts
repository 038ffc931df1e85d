// What origins and executors say to each other: plain CBOR objects, each checked when it is received.
// docs/task-protocol.md is the public page.

import { z } from 'zod'
import { pid } from '../core/index.ts'
import type { Cbor, Pid } from '../core/index.ts'
import { InvalidMessageError } from './errors.ts'
import { resultCbor, resultSchema } from './execution-record.ts'
import { AUTHORITY_BYTES_MAX, GPUS_MAX, REASON_LENGTH_MAX } from './limits.ts'
import type {
  FinishedReport,
  FinishedVerdict,
  Offer,
  OfferAnswer,
  RunStatus,
  StartedReport,
  TaskRun
} from './ports.ts'
import { specCbor, taskSpecSchema } from './spec.ts'
import { epochSchema, taskIdSchema, wallSchema } from './task-record.ts'

const run = { taskId: taskIdSchema, epoch: epochSchema }
const pidSchema: z.ZodType<Pid> = z.number().transform(pid)
const revision = z.int().min(0)
const reason = z.string().max(REASON_LENGTH_MAX)

export const runSchema: z.ZodType<TaskRun> = z.strictObject(run)

export const offerSchema: z.ZodType<Offer> = z.strictObject({
  ...run,
  spec: taskSpecSchema,
  authority: z
    .instanceof(Uint8Array)
    .refine((bytes) => bytes.length <= AUTHORITY_BYTES_MAX)
    .optional()
})

export const signalSchema: z.ZodType<TaskRun & { readonly name: string }> = z.strictObject({
  ...run,
  name: z.string().regex(/^SIG[A-Z0-9]{1,12}$/)
})

export const answerSchema: z.ZodType<OfferAnswer> = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('accepted'),
    revision,
    gpus: z.array(z.int().min(0)).max(GPUS_MAX)
  }),
  z.strictObject({ kind: z.literal('declined'), reason, revision }),
  z.strictObject({ kind: z.literal('refused'), code: z.string().max(64), reason })
])

export const statusSchema: z.ZodType<RunStatus> = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('unknown') }),
  z.strictObject({ kind: z.literal('running'), startedAt: wallSchema.nullable() }),
  z.strictObject({ kind: z.literal('finished'), result: resultSchema, revision })
])

export const startedSchema: z.ZodType<StartedReport> = z.strictObject({
  ...run,
  pid: pidSchema,
  startedAt: wallSchema
})

export const finishedSchema: z.ZodType<FinishedReport> = z.strictObject({
  ...run,
  result: resultSchema,
  revision
})

export const verdictSchema: z.ZodType<FinishedVerdict> = z.enum(['committed', 'fenced', 'unknown'])

/** @throws WeaverError `SCHEDULER_INVALID_MESSAGE`, naming `what` it should have been. */
export function received<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  try {
    return schema.parse(value)
  } catch (error) {
    // A ZodError, or the CORE_INVALID_... of an id inside a transform.
    throw new InvalidMessageError(what, error)
  }
}

/** Only what the message has: a caller's object may have more. */
export function runCbor({ taskId, epoch }: TaskRun): { readonly [key: string]: Cbor } {
  return { taskId, epoch }
}

export function offerCbor(offer: Offer): Cbor {
  const { spec, authority } = offer
  const proof = authority === undefined ? {} : { authority }
  return { ...runCbor(offer), spec: specCbor(spec), ...proof }
}

export function statusCbor(status: RunStatus): Cbor {
  return status.kind === 'finished'
    ? { kind: 'finished', result: resultCbor(status.result), revision: status.revision }
    : { ...status }
}

export function finishedCbor(report: FinishedReport): Cbor {
  return { ...runCbor(report), result: resultCbor(report.result), revision: report.revision }
}
