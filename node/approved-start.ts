// Looks again, right before a command starts, at what it was approved for.

import type { ProcessHost } from '../agents/index.ts'

/** The same host; what an approval was given for is compared with what is there now. */
export function withApprovals(
  processes: ProcessHost,
  confirm: (resource: string) => Promise<void>
): ProcessHost {
  return {
    ...(processes.holdOutput === undefined
      ? {}
      : { holdOutput: (pid) => processes.holdOutput?.(pid) ?? ((): void => undefined) }),
    spawn: async (request) => {
      const task = request.env['WEAVER_TASK_ID']
      if (task !== undefined) await confirm(`task:${task}`)
      return await processes.spawn(request)
    }
  }
}
