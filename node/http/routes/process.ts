// What a process may ask, on the socket that was made for it. What is not here does not exist for it.

import type { ProcessService } from '../../asking/index.ts'
import { selfView } from '../../api/schemas/processes.ts'
import { answerRoute, NO_INPUT } from '../route.ts'
import type { Route } from '../route.ts'
import { ownAgentRoutes } from './agents.ts'
import { taskRoutes } from './tasks.ts'
import { toolRoutes } from './tools.ts'

export function processRoutes(service: ProcessService): readonly Route[] {
  return [
    answerRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/self',
      tag: 'process',
      summary: 'What this process is to its kernel',
      gives: selfView,
      call: () => service.self()
    }),
    ...toolRoutes(service),
    ...taskRoutes(service),
    ...ownAgentRoutes(service)
  ]
}
