// What a node tells every member about itself, in the `node` section of its replicated document.

import { z } from 'zod'
import type { GpuDevice } from '../scheduler/index.ts'
import type { Gpu, Labels } from './api/index.ts'

export const NODE_SECTION = 'node'
export const NODE_KEY = 'self'

export interface NodeInfo {
  readonly version: string
  readonly cpus: number
  readonly memoryBytes: number
  readonly gpus: readonly GpuDevice[]
  readonly labels: Labels
  /** What confines processes there; null: nothing does. */
  readonly containment: string | null
  readonly startedAt: number
}

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
  labels: z.record(z.string().max(63), z.string().max(63)),
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
