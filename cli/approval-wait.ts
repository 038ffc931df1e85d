// A command that needs an approval waits for it, and then asks the same again. Ctrl-C takes the question back.

import { ApiError } from '../node/api/index.ts'
import type { Context } from './command.ts'
import { CliError } from './errors.ts'

const PENDING = 'GOVERNANCE_APPROVAL_PENDING'
/** Between two looks; each costs about a millisecond. */
const LOOK_MS = 400

/** Whether `error` says that an approval is needed; then which. */
export function awaitedApproval(error: unknown): string | null {
  if (!(error instanceof ApiError) || error.code !== PENDING) return null
  return /approval (\d+@\S+)$/.exec(error.message)?.[1] ?? null
}

/** Resolves when it was approved. @throws CliError when it was denied, or nobody decided in time */
export async function untilApproved({ client, output }: Context, id: string): Promise<void> {
  const { sleep } = await import('./clock.ts')
  output.note(`waiting for approval ${id}: weaver approvals approve ${id}`)
  const interrupted = new AbortController()
  const interrupt = (): void => interrupted.abort()
  process.once('SIGINT', interrupt)
  process.once('SIGTERM', interrupt)
  try {
    for (;;) {
      const { state, decidedBy } = await client.approval(id)
      if (state === 'approved') return
      if (state !== 'pending') {
        const who = decidedBy === null ? '' : ` by ${decidedBy}`
        throw new CliError('CLI_APPROVAL_DENIED', `Denied: approval ${id} is ${state}${who}`)
      }
      await sleep(LOOK_MS, interrupted.signal)
      if (interrupted.signal.aborted) {
        await client.decideApproval(id, { approve: false, hash: null })
        throw new CliError('CLI_APPROVAL_DENIED', `Gave up: the question ${id} is taken back`)
      }
    }
  } finally {
    process.off('SIGINT', interrupt)
    process.off('SIGTERM', interrupt)
  }
}
