import type { Runner } from '../command.ts'
import { EXIT } from '../errors.ts'
import { startDaemon } from '../daemon.ts'
import { report } from './kernel-start.ts'
import { stopKernel } from './kernel-stop.ts'

const STOP_TIMEOUT_MS = 60_000

/** The home remembers how the kernel was started. */
export const restart: Runner = async (context) => {
  await stopKernel(context, STOP_TIMEOUT_MS)
  const { home } = context
  const daemon = startDaemon({ home, flags: [], invite: null, isForeground: false })
  await report(context, daemon, false)
  return EXIT.done
}
