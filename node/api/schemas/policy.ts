import { z } from 'zod'
import type * as api from '../types/policy.ts'

const time = z.number()
const TEXT_BYTES_MAX = 256 * 1024

const rule = z
  .object({
    id: z.string(),
    source: z.string(),
    effect: z.enum(['permit', 'forbid']),
    ask: z.string().nullable(),
    words: z.string(),
    text: z.string()
  })
  .meta({ id: 'PolicyRule' })
const lockState = z.enum(['none', 'ok', 'drifted'])
const policyState = z.enum(['in-force', 'refused'])

export const meshPolicyView: z.ZodType<api.MeshPolicyView> = z
  .object({ version: z.number(), by: z.string(), madeAt: time, digest: z.string() })
  .meta({ id: 'MeshPolicy' })
export const policySummary: z.ZodType<api.PolicySummary> = z
  .object({
    state: policyState,
    lock: lockState,
    drift: z.array(z.string()),
    meshVersion: z.number().nullable()
  })
  .meta({ id: 'PolicySummary' })
export const policyView: z.ZodType<api.PolicyView> = z
  .object({
    state: policyState,
    refused: z.string().nullable(),
    lock: lockState,
    drift: z.array(z.string()),
    mesh: meshPolicyView.nullable(),
    engine: z.string(),
    rules: z.array(rule)
  })
  .meta({ id: 'Policy' })
export const policyCheckRequest: z.ZodType<api.PolicyCheckRequest> = z
  .strictObject({
    principal: z.string().min(1).max(128),
    action: z.string().min(1).max(64),
    resource: z.string().min(1).max(4200).nullable().default(null),
    argv: z.array(z.string().max(131_072)).max(4096).default([]),
    cwd: z.string().min(1).max(4096).nullable().default(null),
    role: z
      .string()
      .regex(/^[a-z][a-z0-9-]{0,31}$/)
      .nullable()
      .default(null),
    containment: z.enum(['os', 'none']).default('os'),
    image: z.string().min(1).max(255).nullable().default(null),
    gpu: z.string().min(1).max(256).nullable().default(null)
  })
  .meta({ id: 'PolicyCheckRequest' })
export const policyCheck: z.ZodType<api.PolicyCheck> = z
  .object({
    decision: z.enum(['allow', 'deny', 'ask']),
    rules: z.array(z.string()),
    errors: z.array(z.string()),
    hint: z.string().nullable()
  })
  .meta({ id: 'PolicyCheck' })
export const policyText: z.ZodType<api.PolicyText> = z
  .strictObject({
    name: z.string().max(256).default('policy.cedar'),
    text: z.string().max(TEXT_BYTES_MAX)
  })
  .meta({ id: 'PolicyText' })
export const policyValidation: z.ZodType<api.PolicyValidation> = z
  .object({ ok: z.boolean(), policies: z.number(), problems: z.array(z.string()) })
  .meta({ id: 'PolicyValidation' })
export const policyLockView: z.ZodType<api.PolicyLockView> = z
  .object({
    sources: z.array(z.object({ name: z.string(), digest: z.string() })),
    rules: z.string()
  })
  .meta({ id: 'PolicyLock' })

export const approval: z.ZodType<api.Approval> = z
  .object({
    id: z.string(),
    node: z.string(),
    action: z.string(),
    principal: z.string(),
    what: z.string(),
    hash: z.string(),
    requestedAt: time,
    expiresAt: time,
    state: z.enum(['pending', 'approved', 'denied', 'expired', 'cancelled', 'used']),
    why: z.string(),
    argv: z.array(z.string()),
    cwd: z.string().nullable(),
    environment: z.array(z.string()),
    files: z.array(z.object({ path: z.string(), digest: z.string() })),
    destinations: z.array(z.string()),
    decidedBy: z.string().nullable()
  })
  .meta({ id: 'Approval' })
/** `hash` is what the approver saw: an approval of anything else is refused. */
export const approvalDecision: z.ZodType<{
  readonly approve: boolean
  readonly hash: string | null
}> = z
  .strictObject({ approve: z.boolean(), hash: z.string().max(64).nullable().default(null) })
  .meta({ id: 'ApprovalDecision' })
