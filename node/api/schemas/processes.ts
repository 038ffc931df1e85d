import { z } from 'zod'
import type * as api from '../types/processes.ts'
import { count, exit, time } from './basics.ts'

export const processFields: {
  readonly [Field in keyof api.ProcessRow]: z.ZodType<api.ProcessRow[Field]>
} = {
  pid: count,
  gpid: z.string(),
  node: z.string(),
  name: z.string(),
  kind: z.enum(['agent', 'service', 'task', 'tool']),
  runtime: z.string().nullable(),
  state: z.enum(['starting', 'running', 'suspended', 'stopping', 'exited', 'failed', 'lost']),
  parent: count.nullable(),
  startedAt: time,
  cpuPercent: z.number().nonnegative().nullable(),
  memoryBytes: count.nullable(),
  restarts: count,
  exit: exit.nullable(),
  containment: z.string(),
  task: z.string().nullable(),
  gpus: z.array(count),
  lostSince: time.nullable()
}
export const processRow: z.ZodType<api.ProcessRow> = z.object(processFields).meta({ id: 'Process' })

export const outputChunk: z.ZodType<api.OutputChunk> = z
  .object({ stream: z.enum(['stdout', 'stderr']), base64: z.string() })
  .meta({ id: 'OutputChunk' })

const limitGiven = z.number().positive().nullable()
export const selfView: z.ZodType<api.SelfView> = z
  .object({
    pid: z.int().min(1),
    gpid: z.string(),
    node: z.string(),
    agent: z.string().nullable(),
    role: z.string(),
    containment: z.string(),
    grants: z.array(z.string()),
    limits: z.object({ memoryBytes: limitGiven, cpus: limitGiven, pids: limitGiven }),
    parent: z.int().nullable(),
    task: z.string().nullable()
  })
  .meta({ id: 'Self' })
