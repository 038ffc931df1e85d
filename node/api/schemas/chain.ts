import { z } from 'zod'
import type * as api from '../types/chain.ts'
import { count, json, time } from './basics.ts'

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
