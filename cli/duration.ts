import { parseDuration } from '../core/index.ts'
import type { Args } from './command.ts'
import { usageError } from './errors.ts'

/**
 * The milliseconds of an option such as `--ttl 10m`; null when it is absent.
 * @throws CliError `CLI_USAGE` for no time at all; WeaverError `CORE_INVALID_DURATION`
 */
export function durationOf(args: Args, name: string): number | null {
  const text = args.text(name)
  if (text === null) return null
  const duration = parseDuration(text)
  if (duration === 0) throw usageError(`--${name} '${text}' is no time: write 90s, 10m or 4h`)
  return duration
}
