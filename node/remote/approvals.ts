// Approvals that wait on other members: seen and decided from here, by whoever that node's policy lets.

import { z } from 'zod'
import type { Cbor, NodeId } from '../../core/index.ts'
import type { ApprovalView } from '../../governance/index.ts'
import type { RpcClient, RpcRequest, RpcService } from '../../mesh/index.ts'
import { REMOTE_CALL_TIMEOUT_MS } from '../limits.ts'
import { noSuchMethod } from './errors.ts'
import { answered, received } from './received.ts'

const SERVICE = 'approvals'

const text = z.string().max(8192)
const viewSchema: z.ZodType<ApprovalView> = z.object({
  number: z.int().min(1),
  reference: z.string().max(128),
  action: text,
  principal: text,
  what: text,
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  requestedAt: z.number(),
  expiresAt: z.number(),
  state: z.enum(['pending', 'approved', 'denied', 'expired', 'used']),
  why: text,
  argv: z.array(z.string().max(131_072)).max(4096),
  cwd: text.nullable(),
  environment: z.array(text).max(512),
  files: z.array(z.object({ path: text, digest: text })).max(256),
  destinations: z.array(text).max(256),
  decidedBy: text.nullable()
})
const listSchema = z.array(viewSchema).max(512)
const decideSchema = z.strictObject({
  number: z.int().min(1),
  approve: z.boolean(),
  hash: z.string().regex(/^[0-9a-f]{64}$/)
})

export interface ApprovalsServer {
  /** Those that `peer` may decide. */
  listFor(peer: NodeId): readonly ApprovalView[]
  decideFor(
    peer: NodeId,
    number: number,
    decided: { readonly approve: boolean; readonly hash: string }
  ): Promise<ApprovalView>
}

export function approvalsService(server: ApprovalsServer): RpcService {
  return {
    name: SERVICE,
    serve: async ({ method, body, peer }: RpcRequest): Promise<Cbor> => {
      switch (method) {
        case 'list':
          return server.listFor(peer).map(viewCbor)
        case 'decide': {
          const { number, approve, hash } = received(decideSchema, body)
          return viewCbor(await server.decideFor(peer, number, { approve, hash }))
        }
        default:
          throw noSuchMethod(SERVICE, method)
      }
    }
  }
}

export async function remoteApprovals(
  rpc: RpcClient,
  node: NodeId
): Promise<readonly ApprovalView[]> {
  const options = { timeoutMs: REMOTE_CALL_TIMEOUT_MS }
  return answered(listSchema, await rpc.call(node, SERVICE, 'list', null, options))
}

export async function decideRemotely(
  rpc: RpcClient,
  node: NodeId,
  decided: { readonly number: number; readonly approve: boolean; readonly hash: string }
): Promise<ApprovalView> {
  const options = { timeoutMs: REMOTE_CALL_TIMEOUT_MS }
  return answered(viewSchema, await rpc.call(node, SERVICE, 'decide', { ...decided }, options))
}

function viewCbor(view: ApprovalView): Cbor {
  return {
    ...view,
    argv: [...view.argv],
    environment: [...view.environment],
    files: view.files.map((file) => ({ ...file })),
    destinations: [...view.destinations]
  }
}
