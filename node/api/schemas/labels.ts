import { z } from 'zod'
import type * as api from '../types/labels.ts'

const LABELS_MAX = 64 // As many as a node has: those of its start, and those of the mesh.
const TEXT_LENGTH_MAX = 256 // The kernel says what is wrong with a label; this bounds what it looks at.

const text = z.string().max(TEXT_LENGTH_MAX)

export const labelRequest: z.ZodType<api.LabelRequest> = z.strictObject({
  labels: z
    .record(text, text)
    .refine((all) => Object.keys(all).length <= LABELS_MAX, {
      message: `must have at most ${LABELS_MAX} labels`
    })
    .default({}),
  removed: z.array(text).max(LABELS_MAX).default([])
})

export const nodeLabels: z.ZodType<api.NodeLabels> = z
  .object({
    nodeId: z.string(),
    name: z.string(),
    labels: z.array(
      z.object({
        key: z.string(),
        value: z.string(),
        from: z.enum(['start', 'mesh']),
        startValue: z.string().nullable(),
        state: z.enum(['in-force', 'waiting', 'leaving'])
      })
    )
  })
  .meta({ id: 'NodeLabels' })
