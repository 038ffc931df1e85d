// Arguments as bubblewrap reads them from a descriptor: a NUL ends each. One that has a NUL inside would be several,
// and say what nobody decided; so no door of this room lets one through, whoever has looked before.

import { openSync, unlinkSync, writeFileSync } from 'node:fs'
import { MALFORMED, ProcessStartError } from '../processes/errors.ts'

/** @throws WeaverError `PROCESS_INVALID_COMMAND` */
export function argumentBytes(args: readonly string[]): Uint8Array {
  const split = args.find((argument) => argument.includes('\0'))
  if (split !== undefined) throw new ProcessStartError(split, MALFORMED)
  return Buffer.from(args.map((argument) => `${argument}\0`).join(''))
}

/** An open file of these arguments that has no name any more; `path` is free for the moment that it has one. */
export function openArguments(path: string, args: readonly string[]): number {
  writeFileSync(path, argumentBytes(args), { mode: 0o600 })
  try {
    return openSync(path, 'r')
  } finally {
    unlinkSync(path)
  }
}
