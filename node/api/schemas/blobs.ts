import { z } from 'zod'
import type * as api from '../types/blobs.ts'
import { count, time } from './basics.ts'

export const blobShelf: z.ZodType<api.BlobShelf> = z
  .object({
    budgetBytes: count,
    usedBytes: count,
    blobs: z.array(
      z.object({
        id: z.string(),
        bytes: count,
        state: z.enum(['whole', 'part']),
        pinned: z.boolean(),
        addedAt: time
      })
    )
  })
  .meta({ id: 'BlobShelf' })
export const blobStored: z.ZodType<api.BlobStored> = z
  .object({ id: z.string(), bytes: count, pinned: z.boolean(), isNew: z.boolean() })
  .meta({ id: 'BlobStored' })
export const blobFetchStep: z.ZodType<api.BlobFetchStep> = z
  .object({
    id: z.string(),
    bytes: count,
    bytesTotal: count.nullable(),
    sources: z.array(z.string()),
    done: z.boolean()
  })
  .meta({ id: 'BlobFetchStep' })
export const blobPin: z.ZodType<{ readonly pinned: boolean }> = z
  .strictObject({ pinned: z.boolean() })
  .meta({ id: 'BlobPin' })
export const blobCollect: z.ZodType<{ readonly bytesMax: number | null }> = z
  .strictObject({ bytesMax: z.int().min(0).nullable() })
  .meta({ id: 'BlobCollect' })
export const blobCollected: z.ZodType<api.BlobCollected> = z
  .object({ removed: z.array(z.string()), bytesFreed: count, usedBytes: count })
  .meta({ id: 'BlobCollected' })
