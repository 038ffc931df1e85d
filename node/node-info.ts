// What a node tells every member about itself, in the `node` section of its replicated document.

import { z } from 'zod'
import type { GpuDevice } from '../scheduler/index.ts'
import type { Gpu, Labels } from './api/index.ts'
import { GIVEN_LABELS_MAX, START_LABELS_MAX } from './limits.ts'

export const NODE_SECTION = 'node'
export const NODE_KEY = 'self'

export interface NodeInfo {
  readonly version: string
  readonly cpus: number
  readonly memoryBytes: number
  readonly gpus: readonly GpuDevice[]
  /** Those that count: given at its start, or by the mesh. */
  readonly labels: Labels
  /** Those of its start; null: it is of a version that knows no others. */
  readonly startLabels: Labels | null
  /** What confines processes there; null: nothing does. */
  readonly containment: string | null
  readonly startedAt: number
}

const labels = z
  .record(z.string().max(63), z.string().max(63))
  .refine((all) => Object.keys(all).length <= START_LABELS_MAX + GIVEN_LABELS_MAX)

const infoSchema: z.ZodType<NodeInfo> = z.object({
  version: z.string().max(64),
  cpus: z.int().min(1),
  memoryBytes: z.int().min(0),
  gpus: z
    .array(
      z.object({
        index: z.int().min(0),
        vendor: z.string().max(64),
        vendorIndex: z.int().min(0),
        model: z.string().max(128),
        memoryBytes: z.int().min(0),
        isDeclared: z.boolean()
      })
    )
    .max(64),
  labels,
  startLabels: labels.nullable().default(null),
  // A version that could not contain says nothing of it.
  containment: z.string().max(64).nullable().default(null),
  startedAt: z.int().min(0)
})

/** Null where `value` says nothing that this version can read. */
export function parseNodeInfo(value: unknown): NodeInfo | null {
  const parsed = infoSchema.safeParse(value)
  return parsed.success ? parsed.data : null
}

export function gpuView(gpu: GpuDevice): Gpu {
  const { vendor, model, memoryBytes, isDeclared } = gpu
  return { vendor, model, memoryBytes, declared: isDeclared }
}
