import { z } from 'zod'
import { INVITE_USES_MAX, SIGNATURES_MAX } from '../limits.ts'
import type * as api from '../types/mesh.ts'
import { count, duration, gpu, labels, resources, time } from './basics.ts'

const meshFields = {
  id: z.string().nullable(),
  members: count,
  connected: count,
  refused: z.string().nullable()
}
export const meshSummary: z.ZodType<api.MeshSummary> = z.object(meshFields)

const role = z.enum(['member', 'admin'])

export const inviteRequest: z.ZodType<api.InviteRequest> = z.strictObject({
  ttlMs: duration.default(600_000),
  uses: z.number().int().min(1).max(INVITE_USES_MAX).default(1),
  role: role.default('member')
})
export const invite: z.ZodType<api.Invite> = z
  .object({ invite: z.string(), expiresAt: time, uses: count })
  .meta({ id: 'Invite' })
export const joinRequest: z.ZodType<{ readonly invite: string }> = z.strictObject({
  invite: z.string().min(1).max(16_384)
})
export const meshStatus: z.ZodType<api.MeshStatus> = z
  .object({
    ...meshFields,
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
  signatures: z.number().int().min(1).max(SIGNATURES_MAX)
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
