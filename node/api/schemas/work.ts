import { z } from 'zod'
import type * as api from '../types/work.ts'
import { count, duration, exit, labels, time, word } from './basics.ts'
import { processFields } from './processes.ts'

const COMMAND_WORDS_MAX = 4096
const COMMAND_LENGTH_MAX = 256 * 1024 // Linux takes 128 KiB in one argument.
const ENV_MAX = 1024

const argument = z
  .string()
  .max(COMMAND_LENGTH_MAX)
  .refine((text) => !text.includes('\0'), { message: 'must not contain a NUL character' })
const command = z
  .array(argument)
  .max(COMMAND_WORDS_MAX)
  .refine((words) => words.reduce((size, text) => size + text.length, 0) <= COMMAND_LENGTH_MAX, {
    message: `must have at most ${COMMAND_LENGTH_MAX} characters in all`
  })
const env = z
  .record(z.string().regex(/^[^=\0]+$/), argument)
  .refine((all) => Object.keys(all).length <= ENV_MAX, {
    message: `must have at most ${ENV_MAX} variables`
  })

const limit = z.number().positive().nullable().default(null)
const noLimits = { memoryBytes: null, cpus: null, pids: null }
const sandbox: z.ZodType<api.SandboxSpec> = z.strictObject({
  containment: z.enum(['os', 'none']).default('os'),
  grants: z.array(z.string().max(8300)).max(128).default([]),
  limits: z.strictObject({ memoryBytes: limit, cpus: limit, pids: limit }).default(noLimits),
  role: z.string().max(32).optional(),
  image: z.string().max(255).optional()
})
const contained: api.SandboxSpec = { containment: 'os', grants: [], limits: noLimits }

export const taskSubmission: z.ZodType<api.TaskSubmission> = z
  .strictObject({
    command: command.min(1),
    env: env.default({}),
    cwd: argument.min(1).max(4096).nullable().default(null),
    gpu: word.nullable().default(null),
    labels: labels.default({}),
    node: word.nullable().default(null),
    timeoutMs: duration.nullable().default(null),
    sandbox: sandbox.default(contained)
  })
  .meta({ id: 'TaskSubmission' })
export const task: z.ZodType<api.Task> = z
  .object({
    taskId: z.string(),
    state: z.enum([
      'queued',
      'offered',
      'running',
      'succeeded',
      'failed',
      'cancelled',
      'timed-out',
      'lost'
    ]),
    origin: z.string(),
    executor: z.string().nullable(),
    epoch: count,
    attempts: count,
    exit: exit.nullable(),
    submittedAt: time,
    startedAt: time.nullable(),
    endedAt: time.nullable(),
    receipt: z.string().nullable(),
    command: z.array(z.string()),
    containment: z.string(),
    grants: z.array(z.string()),
    role: z.string().nullable(),
    reason: z.string().nullable()
  })
  .meta({ id: 'Task' })
export const taskAccepted: z.ZodType<api.TaskAccepted> = z.object({ taskId: z.string() })

const restart = z.enum(['permanent', 'transient', 'temporary'])
export const agentSpec: z.ZodType<api.AgentSpec> = z
  .strictObject({
    runtime: word,
    name: word,
    node: word.nullable().default(null),
    gpu: word.nullable().default(null),
    restart: restart.default('permanent'),
    args: command.default([]),
    env: env.default({}),
    cwd: argument.min(1).max(4096).nullable().default(null),
    sandbox: sandbox.default(contained)
  })
  .meta({ id: 'AgentSpec' })
export const agent: z.ZodType<api.Agent> = z
  .object({
    ...processFields,
    restart,
    command: z.array(z.string()),
    grants: z.array(z.string()),
    role: z.string().nullable(),
    reason: z.string().nullable()
  })
  .meta({ id: 'Agent' })

export const runtime: z.ZodType<api.Runtime> = z
  .object({
    name: z.string(),
    description: z.string(),
    available: z.boolean(),
    reason: z.string().nullable()
  })
  .meta({ id: 'Runtime' })
