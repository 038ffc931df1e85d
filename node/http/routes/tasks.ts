import { z } from 'zod'
import { outputChunk } from '../../api/schemas/processes.ts'
import { task, taskAccepted, taskSubmission } from '../../api/schemas/work.ts'
import type { KernelService } from '../../service.ts'
import { answerRoute, NO_INPUT, streamRoute } from '../route.ts'
import type { Route } from '../route.ts'
import { byId, followQuery } from './inputs.ts'

const tag = 'tasks'

type TaskService = Pick<
  KernelService,
  'submitTask' | 'tasks' | 'task' | 'taskEvents' | 'taskOutput' | 'cancelTask'
>

export function taskRoutes(service: TaskService): readonly Route[] {
  return [
    answerRoute({
      ...NO_INPUT,
      method: 'post',
      path: '/api/v1/tasks',
      tag,
      summary: 'Submit a task that runs on without its caller',
      body: taskSubmission,
      gives: taskAccepted,
      status: 202,
      call: ({ body }, signal) => service.submitTask(body, signal)
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/tasks',
      tag,
      summary: 'The tasks submitted on this node, the newest last',
      gives: z.array(task),
      call: () => [...service.tasks()]
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/tasks/{id}',
      tag,
      summary: 'One task',
      params: byId,
      gives: task,
      call: ({ params }) => service.task(params.id)
    }),
    streamRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/tasks/{id}/events',
      tag,
      summary: 'The task as it is, then after each change, up to its end',
      params: byId,
      gives: task,
      open: ({ params }, options) => service.taskEvents(params.id, options)
    }),
    streamRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/tasks/{id}/output',
      tag,
      summary: 'What the task has written',
      params: byId,
      query: followQuery,
      gives: outputChunk,
      open: ({ params, query }, options) => service.taskOutput(params.id, { ...query, ...options })
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'post',
      path: '/api/v1/tasks/{id}/cancel',
      tag,
      summary: 'Ask for the end of a task; its events say when it has ended',
      params: byId,
      gives: task,
      status: 202,
      call: ({ params }) => service.cancelTask(params.id)
    })
  ]
}
