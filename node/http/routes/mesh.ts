import { z } from 'zod'
import {
  invite,
  inviteRequest,
  joinRequest,
  meshStatus,
  netcheck,
  nodeView,
  pathPing,
  peer
} from '../../api/schemas/mesh.ts'
import type { KernelService } from '../../service.ts'
import { answerRoute, NO_INPUT } from '../route.ts'
import type { Route } from '../route.ts'
import { byNode } from './inputs.ts'

const tag = 'mesh'

export function meshRoutes(service: KernelService): readonly Route[] {
  return [...entryRoutes(service), ...viewRoutes(service)]
}

function entryRoutes(service: KernelService): readonly Route[] {
  return [
    answerRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/mesh',
      tag,
      summary: 'The mesh that this node belongs to',
      gives: meshStatus,
      call: () => service.meshStatus()
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'post',
      path: '/api/v1/mesh/invites',
      tag,
      summary: 'Make an invite for other machines',
      body: inviteRequest,
      gives: invite,
      status: 201,
      call: ({ body }) => service.invite(body)
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'post',
      path: '/api/v1/mesh/join',
      tag,
      summary: 'Join the mesh of an invite',
      body: joinRequest,
      gives: meshStatus,
      isLong: true,
      call: ({ body }, signal) => service.join(body.invite, signal)
    })
  ]
}

function viewRoutes(service: KernelService): readonly Route[] {
  return [
    answerRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/mesh/netcheck',
      tag,
      summary: 'What this network allows, and what to do about the rest',
      gives: netcheck,
      call: (_, signal) => service.netcheck(signal)
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'post',
      path: '/api/v1/nodes/{node}/ping',
      tag,
      summary: 'One round trip to a node, and the path that it took',
      params: byNode,
      gives: pathPing,
      call: ({ params }, signal) => service.pingNode(params.node, signal)
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/peers',
      tag,
      summary: 'All nodes of the mesh, as this one sees them',
      gives: z.array(peer),
      call: () => [...service.peers()]
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/node',
      tag,
      summary: 'This node as its peers see it',
      gives: nodeView,
      call: () => service.node(null)
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/nodes/{node}',
      tag,
      summary: 'One node, by name or by a unique prefix of its id',
      params: byNode,
      gives: nodeView,
      call: ({ params }) => service.node(params.node)
    })
  ]
}
