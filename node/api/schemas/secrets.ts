import { z } from 'zod'
import type * as api from '../types/secrets.ts'
import { time } from './basics.ts'

export const secretRow: z.ZodType<api.SecretRow> = z
  .object({ name: z.string(), setAt: time })
  .meta({ id: 'SecretRow' })
export const secretValue: z.ZodType<api.SecretValue> = z
  .strictObject({ base64: z.base64().max(90_000) })
  .meta({ id: 'SecretValue' })
