import { z } from 'zod'
import { tool, toolCall, toolResult, toolSummary } from '../../api/schemas/tools.ts'
import type { KernelService } from '../../service.ts'
import { answerRoute, NO_INPUT } from '../route.ts'
import type { Route } from '../route.ts'
import { byName } from './inputs.ts'

const tag = 'tools'

export function toolRoutes(
  service: Pick<KernelService, 'tools' | 'tool' | 'callTool'>
): readonly Route[] {
  return [
    answerRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/tools',
      tag,
      summary: 'The tools of this node',
      gives: z.array(toolSummary),
      call: async (_, signal) => [...(await service.tools(signal))]
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/tools/{name}',
      tag,
      summary: 'One tool: its input, its limits, what it may reach',
      params: byName,
      gives: tool,
      call: ({ params }, signal) => service.tool(params.name, signal)
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'post',
      path: '/api/v1/tools/{name}/call',
      tag,
      summary: 'Call a tool, here or on another node',
      params: byName,
      body: toolCall,
      gives: toolResult,
      isLong: true,
      call: ({ params, body }, signal) => service.callTool(params.name, body, signal)
    })
  ]
}
