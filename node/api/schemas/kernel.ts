import { z } from 'zod'
import type * as api from '../types/kernel.ts'
import { count, json, labels, resources, time } from './basics.ts'
import { meshSummary } from './mesh.ts'
import { policySummary } from './policy.ts'

const jsonObject = z.record(z.string(), json)

export const kernelStatus: z.ZodType<api.KernelStatus> = z
  .object({
    running: z.boolean(),
    pid: count,
    nodeId: z.string(),
    name: z.string(),
    mesh: meshSummary,
    uptimeMs: z.number().nonnegative(),
    home: z.string(),
    http: z.string().nullable(),
    version: z.string(),
    listen: z.array(z.string()),
    resources,
    labels,
    policy: policySummary.nullable()
  })
  .meta({ id: 'KernelStatus' })

export const stopAccepted: z.ZodType<api.StopAccepted> = z.object({ pid: count })

export const kernelEvent: z.ZodType<api.KernelEvent> = z
  .object({
    time,
    kind: z.string(),
    subject: z.string(),
    message: z.string(),
    detail: jsonObject
  })
  .meta({ id: 'KernelEvent' })

export const logLine: z.ZodType<api.LogLine> = z
  .object({
    time,
    level: z.enum(['debug', 'info', 'warn', 'error']),
    message: z.string(),
    fields: jsonObject
  })
  .meta({ id: 'LogLine' })

export const health: z.ZodType<api.Health> = z
  .object({ ok: z.boolean(), problems: z.array(z.string()) })
  .meta({ id: 'Health' })
