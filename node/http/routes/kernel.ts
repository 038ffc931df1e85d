import { z } from 'zod'
import { kernelEvent, kernelStatus, logLine, stopAccepted } from '../../api/schemas/kernel.ts'
import { outputChunk, processRow } from '../../api/schemas/processes.ts'
import type { KernelService } from '../../service.ts'
import { answerRoute, NO_INPUT, streamRoute } from '../route.ts'
import type { Route } from '../route.ts'
import { byProcess, flag, followQuery, lines, optionalText } from './inputs.ts'

const tag = 'kernel'

export function kernelRoutes(service: KernelService): readonly Route[] {
  return [
    answerRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/status',
      tag,
      summary: 'This kernel: who it is, since when it runs, what it has',
      gives: kernelStatus,
      call: () => service.status()
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'post',
      path: '/api/v1/stop',
      tag,
      summary: 'Stop the kernel after ending what it runs; answered before it does',
      gives: stopAccepted,
      status: 202,
      call: async () => {
        const { pid } = service.status()
        await service.requestStop()
        return { pid }
      }
    }),
    streamRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/events',
      tag,
      summary: 'What happens in this kernel, as it happens',
      gives: kernelEvent,
      open: (_, options) => service.events(options)
    }),
    streamRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/logs',
      tag,
      summary: "The kernel's own log",
      query: z.strictObject({ lines, follow: flag }),
      gives: logLine,
      open: ({ query }, options) => service.logs({ ...query, ...options })
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/processes',
      tag,
      summary: 'The process table of this node, of another, or of all',
      query: z.strictObject({ node: optionalText, all: flag }),
      gives: z.array(processRow),
      call: async ({ query }, signal) => [...(await service.processes(query, signal))]
    }),
    streamRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/processes/{process}/output',
      tag,
      summary: 'What a process has written, on whichever node it runs',
      params: byProcess,
      query: followQuery,
      gives: outputChunk,
      open: ({ params, query }, options) =>
        service.processOutput(params.process, { ...query, ...options })
    })
  ]
}
