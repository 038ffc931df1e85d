import { z } from 'zod'
import {
  approveRequest,
  leaveRequest,
  membershipAct,
  pendingChange,
  roleRequest,
  signaturesRequest
} from '../../api/schemas/mesh.ts'
import type { KernelService } from '../../service.ts'
import { answerRoute, NO_INPUT } from '../route.ts'
import type { Route } from '../route.ts'
import { byNode } from './inputs.ts'

const tag = 'mesh'

export function membershipRoutes(service: KernelService): readonly Route[] {
  return [
    answerRoute({
      ...NO_INPUT,
      method: 'post',
      path: '/api/v1/nodes/{node}/evict',
      tag,
      summary: 'Lock a node out of the mesh for good',
      params: byNode,
      gives: membershipAct,
      call: ({ params }) => service.evictNode(params.node)
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'post',
      path: '/api/v1/nodes/{node}/role',
      tag,
      summary: 'Make a node an admin or a member',
      params: byNode,
      body: roleRequest,
      gives: membershipAct,
      call: ({ params, body }) => service.setNodeRole(params.node, body.role)
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'post',
      path: '/api/v1/mesh/signatures',
      tag,
      summary: 'Set how many admins must sign what changes the membership',
      body: signaturesRequest,
      gives: membershipAct,
      call: ({ body }) => service.setSignatures(body.signatures)
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/mesh/pending',
      tag,
      summary: 'Changes of the membership that wait for signatures',
      gives: z.array(pendingChange),
      call: () => [...service.pendingChanges()]
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'post',
      path: '/api/v1/mesh/approve',
      tag,
      summary: 'Sign what waits for signatures',
      body: approveRequest,
      gives: z.array(pendingChange),
      call: async ({ body }) => [...(await service.approveChanges(body.statement))]
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'post',
      path: '/api/v1/mesh/leave',
      tag,
      summary: 'Leave the mesh, for one of its own',
      body: leaveRequest,
      gives: membershipAct,
      call: ({ body }) => service.leaveMesh(body.force)
    })
  ]
}
