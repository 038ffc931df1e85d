// The same shapes as types/, as schemas: node/http checks requests with them and publishes them in the
// OpenAPI document. Each is declared with its type, so that the compiler refuses a schema that yields
// anything else. Only node/http loads this folder. Here: what several subjects use.

import { z } from 'zod'
import { DURATION_MAX_MS } from '../limits.ts'
import type * as api from '../types/basics.ts'

const NAME_LENGTH_MAX = 256 // A name, an id or an address: longer ones are mistakes.
const LABELS_MAX = 64

export const word: z.ZodString = z.string().min(1).max(NAME_LENGTH_MAX)
export const count: z.ZodNumber = z.number().int().nonnegative()
export const time: z.ZodNumber = z
  .number()
  .int()
  .nonnegative()
  .meta({ description: 'Milliseconds since 1970' })
export const duration: z.ZodNumber = z
  .number()
  .positive()
  .max(DURATION_MAX_MS, { message: `must be at most ${DURATION_MAX_MS / 86_400_000} days` })

/** Any JSON value: a parsed body cannot hold anything else. */
export const json: z.ZodType<api.Json> = z.any().meta({ id: 'Json', description: 'Any JSON value' })

export const labels: z.ZodType<api.Labels> = z
  .record(word, z.string().max(NAME_LENGTH_MAX))
  .refine((all) => Object.keys(all).length <= LABELS_MAX, {
    message: `must have at most ${LABELS_MAX} labels`
  })

export const apiError: z.ZodType<{ readonly error: api.ApiErrorBody }> = z
  .object({
    error: z.object({ code: z.string(), message: z.string(), hint: z.string().nullable() })
  })
  .meta({ id: 'Error' })

export const gpu: z.ZodType<api.Gpu> = z
  .object({ vendor: z.string(), model: z.string(), memoryBytes: count, declared: z.boolean() })
  .meta({ id: 'Gpu' })
export const resources: z.ZodType<api.Resources> = z.object({
  cpus: count,
  memoryBytes: count,
  gpus: z.array(gpu)
})
export const exit: z.ZodType<api.Exit> = z.object({
  code: z.number().int().nullable(),
  signal: z.string().nullable()
})
