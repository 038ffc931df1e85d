import { parseBytes } from '../core/index.ts'
import type { Args, Range } from './command.ts'
import { usageError } from './errors.ts'

/** The bytes of an option such as `--to 20GB`; null when it is absent. @throws CliError `CLI_USAGE` */
export function sizeOf(args: Args, name: string): number | null {
  const text = args.text(name)
  return text === null ? null : sizeIn(`--${name} '${text}'`, text, [0, Number.MAX_SAFE_INTEGER])
}

/**
 * As it is in a text that is part of an option.
 * @throws CliError `CLI_USAGE` naming `where` it stands
 */
export function sizeIn(where: string, text: string, [least, most]: Range): number {
  const bytes = bytesIn(text)
  if (bytes >= least && bytes <= most) return bytes
  const from = least === 0 ? '' : ` of at least ${least} bytes`
  throw usageError(`${where} is not a size${from}: write 512MB, 24GB or 8GiB`)
}

/** Not a number for what is no size: the caller refuses it. */
function bytesIn(text: string): number {
  try {
    return parseBytes(text)
  } catch {
    return Number.NaN // The caller's message names the whole text and shows the right form.
  }
}
