import { readFileSync } from 'node:fs'
import type { Context, Runner } from '../command.ts'
import { CliError, EXIT } from '../errors.ts'

const STOP_TIMEOUT_MS = 60_000
const LOOK_EVERY_MS = 20

export const stop: Runner = async (context, args) => {
  const { durationOf } = await import('../duration.ts')
  const timeoutMs = durationOf(args, 'timeout') ?? STOP_TIMEOUT_MS
  const pid = await stopKernel(context, timeoutMs)
  await context.output.document({ stopped: true, pid }, () => `kernel stopped (pid ${pid})`)
  return EXIT.done
}

/**
 * Resolves when the kernel's process is gone, and its lock on the home with it.
 * @throws CliError `CLI_STOP_TIMED_OUT`
 */
export async function stopKernel({ client, output }: Context, timeoutMs: number): Promise<number> {
  const { sleep, withProgress } = await import('../clock.ts')
  const { pid } = await client.stop()
  const deadline = new AbortController()
  void sleep(timeoutMs, deadline.signal).then(() => deadline.abort())
  const gone = async (): Promise<boolean> => {
    while (isRunning(pid)) {
      if (deadline.signal.aborted) return false
      await sleep(LOOK_EVERY_MS)
    }
    return true
  }
  const isGone = await withProgress(
    () => output.note('weaver: waiting for what it runs to end ...'),
    gone()
  )
  deadline.abort()
  if (isGone) return pid
  throw new CliError(
    'CLI_STOP_TIMED_OUT',
    `The kernel (pid ${pid}) is still running after ${timeoutMs / 1000} s`,
    `end it by force with: kill -9 ${pid}`
  )
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  try {
    // A zombie has ended: it holds no lock and no socket, and waits only for its parent to look.
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return process.platform !== 'linux'
  }
}
