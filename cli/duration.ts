import { parseDuration } from '../core/index.ts'
import { DURATION_MAX_MS } from '../node/api/index.ts'
import type { Args } from './command.ts'
import { usageError } from './errors.ts'

/**
 * The milliseconds of an option such as `--ttl 10m`; null when it is absent.
 * @throws CliError `CLI_USAGE` for what is no time, none at all, or longer than anything may last
 */
export function durationOf(args: Args, name: string): number | null {
  const text = args.text(name)
  if (text === null) return null
  const duration = durationIn(text)
  if (duration > 0 && duration <= DURATION_MAX_MS) return duration
  const most = `${DURATION_MAX_MS / 86_400_000}d`
  throw usageError(`--${name} '${text}' is not a time from 1ms to ${most}: write 90s, 10m or 4h`)
}

/** Zero for what is no time: the caller refuses both. */
function durationIn(text: string): number {
  try {
    return parseDuration(text)
  } catch {
    return 0 // The caller's message names the whole text and shows the right form.
  }
}
