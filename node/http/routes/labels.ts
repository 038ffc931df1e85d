import { labelRequest, nodeLabels } from '../../api/schemas/labels.ts'
import type { KernelService } from '../../service.ts'
import { answerRoute, NO_INPUT } from '../route.ts'
import type { Route } from '../route.ts'
import { byNode } from './inputs.ts'

const tag = 'mesh'
const path = '/api/v1/nodes/{node}/labels'

export function labelRoutes(service: KernelService): readonly Route[] {
  return [
    answerRoute({
      ...NO_INPUT,
      method: 'get',
      path,
      tag,
      summary: 'The labels of a node, and where each comes from',
      params: byNode,
      gives: nodeLabels,
      call: ({ params }) => service.nodeLabels(params.node)
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'post',
      path,
      tag,
      summary: 'Give labels to a node, or take some away',
      params: byNode,
      body: labelRequest,
      gives: nodeLabels,
      call: ({ params, body }, signal) => service.labelNode(params.node, body, signal)
    })
  ]
}
