// What is kept of an agent that is to outlive its kernel. Format: docs/formats/agents.md.
//
// If the kernel dies here: the record says what was last durable, and `decideResume` makes the best of it.

import { z } from 'zod'
import {
  decodeCbor,
  encodeCbor,
  parseSandbox,
  pid,
  sandboxCbor,
  unixMillis
} from '../core/index.ts'
import type { AgentRecord } from './ports.ts'

const VERSION = 1

const text = z.string().max(4096)
const count = z.int().min(0)

const recordSchema = z.strictObject({
  version: z.literal(VERSION),
  pid: z.int().min(1).transform(pid),
  name: text,
  runtime: text,
  restart: z.enum(['permanent', 'transient']),
  requester: text,
  sandbox: z.unknown().transform(parseSandbox),
  command: z.tuple([z.string()], z.string()),
  env: z.record(z.string(), z.string()),
  cwd: text.nullable(),
  gpu: text.nullable(),
  warrant: z.instanceof(Uint8Array).nullable(),
  status: z.enum(['running', 'paused', 'ended']),
  restarts: count,
  startedAt: count.transform(unixMillis),
  exit: z.strictObject({ code: z.int().nullable(), signal: text.nullable() }).nullable(),
  why: text.nullable(),
  losses: count
})

export function encodeAgent(record: AgentRecord): Uint8Array {
  const { plan, sandbox, exit, why, ...rest } = record
  return encodeCbor({
    version: VERSION,
    ...rest,
    command: [...plan.command],
    env: { ...plan.env },
    cwd: plan.cwd,
    sandbox: sandboxCbor(sandbox),
    exit: exit === null ? null : { code: exit.code, signal: exit.signal },
    why: why === null ? null : why.slice(0, 4096)
  })
}

/** @throws WeaverError `CORE_INVALID_CBOR`, or a ZodError, unless `bytes` are a kept agent. */
export function decodeAgent(bytes: Uint8Array): AgentRecord {
  const { version: _, command, env, cwd, ...rest } = recordSchema.parse(decodeCbor(bytes))
  return { ...rest, plan: { command, env, cwd } }
}
