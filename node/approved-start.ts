// Looks again, right before a command starts, at what it was approved for: after its secrets are here and its folder
// is made, and before anything runs.

import type { ProcessHost, SpawnRequest } from '../agents/index.ts'

export interface ApprovedStarts {
  /** What the start was asked of the gate as; null: it was asked nothing. */
  readonly resourceOf: (request: SpawnRequest) => string | null
  /** Rejects where what an approval was given for is not what is there now. */
  readonly confirm: (resource: string) => Promise<void>
}

/** The same host; what an approval was given for is compared with what is there now. */
export function withApprovals(
  processes: ProcessHost,
  { resourceOf, confirm }: ApprovedStarts
): ProcessHost {
  return {
    ...(processes.holdOutput === undefined
      ? {}
      : { holdOutput: (pid) => processes.holdOutput?.(pid) ?? ((): void => undefined) }),
    spawn: async (request) => {
      const resource = resourceOf(request)
      if (resource !== null) await confirm(resource)
      return await processes.spawn(request)
    }
  }
}
