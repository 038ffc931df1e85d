import { z } from 'zod'
import { agent, agentSpec, runtime } from '../../api/schemas/work.ts'
import type { KernelService } from '../../service.ts'
import { answerRoute, NO_INPUT } from '../route.ts'
import type { Route } from '../route.ts'
import { byProcess } from './inputs.ts'

const tag = 'agents'

type AgentService = Pick<KernelService, 'agents' | 'spawnAgent' | 'agent' | 'stopAgent'>

export function agentRoutes(service: KernelService): readonly Route[] {
  return [
    ...ownAgentRoutes(service),
    answerRoute({
      ...NO_INPUT,
      method: 'post',
      path: '/api/v1/agents/{process}/restart',
      tag,
      summary: 'Stop an agent and start it again',
      params: byProcess,
      gives: agent,
      isLong: true,
      call: ({ params }, signal) => service.restartAgent(params.process, signal)
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/runtimes',
      tag,
      summary: 'What kinds of agents this node can start',
      gives: z.array(runtime),
      call: () => [...service.runtimes()]
    })
  ]
}

/** What also a process may do, with the agents that it has spawned. */
export function ownAgentRoutes(service: AgentService): readonly Route[] {
  return [
    answerRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/agents',
      tag,
      summary: 'The agents of all nodes',
      gives: z.array(agent),
      call: async () => [...(await service.agents())]
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'post',
      path: '/api/v1/agents',
      tag,
      summary: 'Start a supervised, named process',
      body: agentSpec,
      gives: agent,
      status: 201,
      call: ({ body }, signal) => service.spawnAgent(body, signal)
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/agents/{process}',
      tag,
      summary: 'One agent',
      params: byProcess,
      gives: agent,
      call: ({ params }, signal) => service.agent(params.process, signal)
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'post',
      path: '/api/v1/agents/{process}/stop',
      tag,
      summary: 'Stop an agent; answered when its whole process tree is gone',
      params: byProcess,
      gives: agent,
      isLong: true,
      call: ({ params }, signal) => service.stopAgent(params.process, signal)
    })
  ]
}
