import { z } from 'zod'
import type * as api from '../types/tools.ts'
import { count, json, word } from './basics.ts'

const toolFields = {
  name: z.string(),
  version: z.string(),
  description: z.string(),
  digest: z.string()
}
export const toolSummary: z.ZodType<api.ToolSummary> = z
  .object(toolFields)
  .meta({ id: 'ToolSummary' })
export const tool: z.ZodType<api.Tool> = z
  .object({
    ...toolFields,
    sizeBytes: count,
    grants: z.array(z.string()),
    input: json,
    limits: z.object({ timeoutMs: count, memoryBytes: count })
  })
  .meta({ id: 'Tool' })
export const toolCall: z.ZodType<api.ToolCall> = z.strictObject({
  input: json,
  node: word.nullable().default(null),
  containment: z.enum(['os', 'none']).default('os')
})
export const toolResult: z.ZodType<api.ToolResult> = z
  .object({
    ok: z.boolean(),
    output: json,
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
    durationMs: z.number().nonnegative(),
    memoryBytes: count.nullable()
  })
  .meta({ id: 'ToolResult' })
