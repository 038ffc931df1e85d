// The same shapes as types.ts, as schemas: node/http checks requests with them and publishes them in the
// OpenAPI document. Each is declared with its type, so that the compiler refuses a schema that yields
// anything else. Only node/http loads this file.

import { z } from 'zod'
import { policySummary } from './policy-schemas.ts'
import type * as api from './types.ts'

const NAME_LENGTH_MAX = 256 // A name, an id or an address: longer ones are mistakes.
const COMMAND_WORDS_MAX = 4096
const COMMAND_LENGTH_MAX = 256 * 1024 // Linux takes 128 KiB in one argument.
const LABELS_MAX = 64
const ENV_MAX = 1024

const word = z.string().min(1).max(NAME_LENGTH_MAX)
const count = z.number().int().nonnegative()
const time = z.number().int().nonnegative().meta({ description: 'Milliseconds since 1970' })
const duration = z
  .number()
  .positive()
  .max(31 * 86_400_000)
const argument = z
  .string()
  .max(COMMAND_LENGTH_MAX)
  .refine((text) => !text.includes('\0'), { message: 'must not contain a NUL character' })
const command = z
  .array(argument)
  .max(COMMAND_WORDS_MAX)
  .refine((words) => words.reduce((size, text) => size + text.length, 0) <= COMMAND_LENGTH_MAX, {
    message: `must be <= ${COMMAND_LENGTH_MAX} characters in all`
  })

/** Any JSON value: a parsed body cannot hold anything else. */
const json: z.ZodType<api.Json> = z.any().meta({ id: 'Json', description: 'Any JSON value' })
const jsonObject = z.record(z.string(), json)
const labels = z
  .record(word, z.string().max(NAME_LENGTH_MAX))
  .refine((all) => Object.keys(all).length <= LABELS_MAX, { message: `at most ${LABELS_MAX}` })
const env = z
  .record(z.string().regex(/^[^=\0]+$/), argument)
  .refine((all) => Object.keys(all).length <= ENV_MAX, { message: `at most ${ENV_MAX}` })

export const apiError: z.ZodType<{ readonly error: api.ApiErrorBody }> = z
  .object({
    error: z.object({ code: z.string(), message: z.string(), hint: z.string().nullable() })
  })
  .meta({ id: 'Error' })

const gpu = z
  .object({ vendor: z.string(), model: z.string(), memoryBytes: count, declared: z.boolean() })
  .meta({ id: 'Gpu' })
const resources = z.object({ cpus: count, memoryBytes: count, gpus: z.array(gpu) })
const exit = z.object({ code: z.number().int().nullable(), signal: z.string().nullable() })
const meshSummary = z.object({
  id: z.string().nullable(),
  members: count,
  connected: count,
  refused: z.string().nullable()
})

export const kernelStatus: z.ZodType<api.KernelStatus> = z
  .object({
    running: z.boolean(),
    pid: count,
    nodeId: z.string(),
    name: z.string(),
    mesh: meshSummary,
    uptimeMs: z.number().nonnegative(),
    home: z.string(),
    http: z.string().nullable(),
    version: z.string(),
    listen: z.array(z.string()),
    resources,
    labels,
    policy: policySummary.nullable()
  })
  .meta({ id: 'KernelStatus' })

export const stopAccepted: z.ZodType<api.StopAccepted> = z.object({ pid: count })

const processFields = {
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

export const kernelEvent: z.ZodType<api.KernelEvent> = z
  .object({
    time,
    kind: z.string(),
    subject: z.string(),
    message: z.string(),
    detail: jsonObject
  })
  .meta({ id: 'KernelEvent' })

export const outputChunk: z.ZodType<api.OutputChunk> = z
  .object({ stream: z.enum(['stdout', 'stderr']), base64: z.string() })
  .meta({ id: 'OutputChunk' })

export const logLine: z.ZodType<api.LogLine> = z
  .object({
    time,
    level: z.enum(['debug', 'info', 'warn', 'error']),
    message: z.string(),
    fields: jsonObject
  })
  .meta({ id: 'LogLine' })

const role = z.enum(['member', 'admin'])

export const inviteRequest: z.ZodType<api.InviteRequest> = z.strictObject({
  ttlMs: duration.default(600_000),
  uses: z.number().int().min(1).max(1000).default(1),
  role: role.default('member')
})
export const invite: z.ZodType<api.Invite> = z
  .object({ invite: z.string(), expiresAt: time, uses: count })
  .meta({ id: 'Invite' })
export const joinRequest: z.ZodType<{ readonly invite: string }> = z.strictObject({
  invite: z.string().min(1).max(16_384)
})
export const meshStatus: z.ZodType<api.MeshStatus> = meshSummary
  .extend({
    nodeId: z.string(),
    nodeIdText: z.string(),
    name: z.string(),
    listen: z.array(z.string()),
    signatures: count,
    healthScore: count
  })
  .meta({ id: 'MeshStatus' })

export const membershipAct: z.ZodType<api.MembershipAct> = z
  .object({
    statement: z.string().nullable(),
    inForce: z.boolean(),
    signers: z.array(z.string()),
    needed: count,
    confirmed: z.array(z.string()),
    outstanding: z.array(z.string())
  })
  .meta({ id: 'MembershipAct' })
export const pendingChange: z.ZodType<api.PendingChange> = z
  .object({
    statement: z.string(),
    what: z.string(),
    signers: z.array(z.string()),
    needed: count
  })
  .meta({ id: 'PendingChange' })
export const roleRequest: z.ZodType<{ readonly role: api.Role }> = z.strictObject({ role })
export const signaturesRequest: z.ZodType<{ readonly signatures: number }> = z.strictObject({
  signatures: z.number().int().min(1).max(16)
})
export const approveRequest: z.ZodType<{ readonly statement: string | null }> = z.strictObject({
  statement: z.string().min(4).max(64).nullable().default(null)
})
export const leaveRequest: z.ZodType<{ readonly force: boolean }> = z.strictObject({
  force: z.boolean().default(false)
})

const pathKind = z.enum(['lan', 'overlay', 'public', 'relay'])
const connectionKind = z.enum(['direct', 'relayed'])
const peerFields = {
  nodeId: z.string(),
  nodeIdText: z.string(),
  name: z.string(),
  state: z.enum(['self', 'alive', 'suspect', 'dead', 'left']),
  rttMs: z.number().nonnegative().nullable(),
  role,
  addresses: z.array(z.string()),
  gpus: z.array(gpu),
  labels,
  lastSeen: time.nullable(),
  connection: connectionKind.nullable(),
  path: pathKind.nullable(),
  relay: z.string().nullable()
}
export const pathPing: z.ZodType<api.PathPing> = z
  .object({
    node: z.string(),
    nodeId: z.string(),
    rttMs: z.number(),
    connection: connectionKind,
    path: pathKind,
    address: z.string(),
    relay: z.string().nullable()
  })
  .meta({ id: 'PathPing' })
export const netcheck: z.ZodType<api.Netcheck> = z
  .object({
    ipv6: z.array(z.string()),
    multicast: z.boolean(),
    upnp: z.boolean(),
    mapped: z.array(z.string()),
    relays: z.array(
      z.object({ node: z.string(), nodeId: z.string(), rttMs: z.number().nullable() })
    ),
    direct: count,
    relayed: count,
    listen: z.array(z.string()),
    advice: z.array(z.string())
  })
  .meta({ id: 'Netcheck' })

export const peer: z.ZodType<api.Peer> = z.object(peerFields).meta({ id: 'Peer' })
export const nodeView: z.ZodType<api.NodeView> = z
  .object({
    ...peerFields,
    version: z.string().nullable(),
    resources: resources.nullable(),
    processes: count,
    cpuPercent: z.number().nonnegative().nullable(),
    memoryBytesFree: count.nullable()
  })
  .meta({ id: 'Node' })

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
export const runtime: z.ZodType<api.Runtime> = z
  .object({
    name: z.string(),
    description: z.string(),
    available: z.boolean(),
    reason: z.string().nullable()
  })
  .meta({ id: 'Runtime' })

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

export const chainStatus: z.ZodType<api.ChainStatus> = z
  .object({
    mesh: z.string().nullable(),
    lanes: z.array(
      z.object({
        node: z.string(),
        nodeId: z.string(),
        height: count,
        entries: count,
        head: z.string(),
        clockAheadMs: count,
        clockBehindMs: count,
        checkpoint: z
          .object({ size: count, root: z.string(), witnesses: z.array(z.string()) })
          .nullable(),
        state: z.enum(['ok', 'behind', 'unkept', 'ended', 'forked', 'truncated']),
        kept: z.enum(['whole', 'filling', 'headers', 'none']),
        bytes: count,
        heir: z.string().nullable()
      })
    )
  })
  .meta({ id: 'ChainStatus' })
export const chainKeep: z.ZodType<api.ChainKeep> = z
  .strictObject({
    lanes: z.array(z.string().max(128)).max(1024).nullable(),
    rest: z.enum(['none', 'headers']).optional()
  })
  .meta({ id: 'ChainKeep' })
export const chainKept: z.ZodType<api.ChainKept> = z
  .object({
    lanes: z.array(z.string()).nullable(),
    rest: z.enum(['none', 'headers']),
    headersOnly: z.array(z.string()),
    lacking: z.array(z.string()),
    freedBytes: count
  })
  .meta({ id: 'ChainKept' })
export const keyRotation: z.ZodType<api.KeyRotation> = z
  .object({ from: z.string(), to: z.string() })
  .meta({ id: 'KeyRotation' })
export const chainProof: z.ZodType<api.ChainProof> = z
  .object({ proof: z.string() })
  .meta({ id: 'ChainProof' })
export const exportChunk: z.ZodType<api.ExportChunk> = z
  .object({ base64: z.string() })
  .meta({ id: 'ExportChunk' })
export const chainReport: z.ZodType<api.ChainReport> = z
  .object({
    ok: z.boolean(),
    lanes: count,
    blocks: count,
    entries: count,
    signatures: count,
    unchanged: count.optional(),
    unread: count.optional(),
    headersOnly: z.array(z.string()).optional(),
    problems: z.array(
      z.object({
        lane: z.string(),
        height: count.nullable(),
        entry: z.string().nullable(),
        code: z.string(),
        message: z.string()
      })
    )
  })
  .meta({ id: 'ChainReport' })
export const chainVerifyStep: z.ZodType<api.ChainVerifyStep> = z
  .object({
    lane: z.string().nullable(),
    height: count,
    heightMax: count,
    blocks: count,
    entries: count,
    report: chainReport.nullable()
  })
  .meta({ id: 'ChainVerifyStep' })
export const secretRow: z.ZodType<api.SecretRow> = z
  .object({ name: z.string(), setAt: time })
  .meta({ id: 'SecretRow' })
export const secretValue: z.ZodType<api.SecretValue> = z
  .strictObject({ base64: z.base64().max(90_000) })
  .meta({ id: 'SecretValue' })
export const chainRedactionRequest: z.ZodType<api.ChainRedactionRequest> = z
  .strictObject({ entry: z.string().max(100), reason: z.string().min(1).max(500) })
  .meta({ id: 'ChainRedactionRequest' })
export const chainRedaction: z.ZodType<api.ChainRedaction> = z
  .object({ entry: z.string(), by: z.string(), reason: z.string() })
  .meta({ id: 'ChainRedaction' })
export const chainRepair: z.ZodType<api.ChainRepair> = z
  .object({
    ok: z.boolean(),
    lanes: z.array(
      z.object({
        lane: z.string(),
        damaged: count,
        repaired: count,
        missing: z.array(z.object({ from: count, to: count }))
      })
    )
  })
  .meta({ id: 'ChainRepair' })
export const chainEntry: z.ZodType<api.ChainEntry> = z
  .object({
    node: z.string(),
    lane: z.string(),
    height: count,
    index: count,
    entry: z.string(),
    time,
    kind: z.string(),
    actor: z.string(),
    subject: z.string(),
    payload: json,
    redactedBy: z.string().nullable(),
    isPayloadKept: z.boolean()
  })
  .meta({ id: 'ChainEntry' })

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

export const health: z.ZodType<api.Health> = z
  .object({ ok: z.boolean(), problems: z.array(z.string()) })
  .meta({ id: 'Health' })
