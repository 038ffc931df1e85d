// A shell that waits, in a control group of its own, to become a contained process. Joining a group takes some ten
// milliseconds (the system waits until every core has seen it), and a shell takes two: here both are over
// before anybody asks.
//
// Invariants
//   S1. What is told is data: words become arguments, and nothing of them is read as code.
//   S2. A shell that is told nothing, or not all, ends: with its kernel, at the latest.

import { argumentBytes } from './argument-file.ts'
import { OOM_SCORE_ADJUST, WAITING_BYTES_MAX, WORDS_BYTES_MAX } from './limits.ts'

/** The descriptor on which it is told, and that of the filter. */
export const TOLD_DESCRIPTOR = 3
export const FILTER_DESCRIPTOR = 4

// What is read is read byte by byte, so what follows the words is left to the program that confines.
const SCRIPT = `ulimit -c 0
echo ${OOM_SCORE_ADJUST} 2>/dev/null >/proc/self/oom_score_adj
program=$1
shift
for file do
  echo $$ >"$file" || exit 125
done
IFS= read -r input <&${TOLD_DESCRIPTOR} || exit 0
IFS= read -r mark <&${TOLD_DESCRIPTOR} || exit 0
IFS= read -r left <&${TOLD_DESCRIPTOR} || exit 0
set --
while [ "$left" -gt 0 ]; do
  IFS= read -r word <&${TOLD_DESCRIPTOR} || exit 125
  set -- "$@" "$word"
  left=$((left - 1))
done
[ "$input" = none ] && exec </dev/null
export "$mark"
exec "$program" --seccomp ${FILTER_DESCRIPTOR} --args ${TOLD_DESCRIPTOR} -- "$@"`

export function waitingCommand(
  program: string,
  joinFiles: readonly string[]
): readonly [string, ...string[]] {
  return ['/bin/sh', '-c', SCRIPT, 'sh', program, ...joinFiles]
}

/** What a waiting shell is told. */
export interface Told {
  /** The one variable of the program that confines. */
  readonly mark: readonly [name: string, value: string]
  /** For the program that confines. */
  readonly args: readonly string[]
  readonly command: readonly [string, ...string[]]
}

/** As bytes; null when a shell cannot be told so: shells disagree about other bytes, and read long words slowly. */
export function toldBytes({ mark, args, command }: Told, hasInput: boolean): Uint8Array | null {
  const variable = mark.join('=')
  const words = [variable, ...command]
  const length = words.reduce((sum, word) => sum + word.length + 1, 0)
  if (length > WORDS_BYTES_MAX || !words.every((word) => /^[\x20-\x7E]*$/.test(word))) return null
  const lines = [hasInput ? 'some' : 'none', variable, String(command.length), ...command]
  const bytes = Buffer.concat([Buffer.from(`${lines.join('\n')}\n`), argumentBytes(args)])
  return bytes.length > WAITING_BYTES_MAX ? null : bytes
}
