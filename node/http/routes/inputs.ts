import { z } from 'zod'
import { LOG_LINES_MAX } from '../../api/limits.ts'

const text = z.string().min(1).max(256)

export const byNode: z.ZodType<{ readonly node: string }> = z.object({ node: text })
export const byProcess: z.ZodType<{ readonly process: string }> = z.object({ process: text })
export const byId: z.ZodType<{ readonly id: string }> = z.object({ id: text })
export const byName: z.ZodType<{ readonly name: string }> = z.object({ name: text })

/** `true` or `false`, as query strings have it; absent is false. */
export const flag: z.ZodType<boolean> = z
  .enum(['true', 'false'])
  .default('false')
  .transform((value) => value === 'true')

/** Absent is null. */
export const optionalText: z.ZodType<string | null> = text
  .optional()
  .transform((value) => value ?? null)

/** Milliseconds since 1970; absent is null. */
export const optionalTime: z.ZodType<number | null> = z.coerce
  .number()
  .int()
  .min(0)
  .optional()
  .transform((value) => value ?? null)

/** A number of newest lines to begin with. */
export const lines: z.ZodType<number> = z.coerce
  .number()
  .int()
  .min(0)
  .max(LOG_LINES_MAX)
  .default(20)

export const followQuery: z.ZodType<{ readonly follow: boolean }> = z.strictObject({
  follow: flag
})
