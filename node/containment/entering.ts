// The step before a command: it joins its control groups and makes itself the first to go when memory runs
// out, then becomes the command.

import { OOM_SCORE_ADJUST } from './limits.ts'

// One script for all; what differs are arguments, which a shell does not read as code.
const SCRIPT = `ulimit -c 0
echo ${OOM_SCORE_ADJUST} 2>/dev/null >/proc/self/oom_score_adj
left=$1
shift
while [ "$left" -gt 0 ]; do
  echo $$ >"$1" || exit 125
  shift
  left=$((left - 1))
done
exec "$@"`

export function entering(
  joinFiles: readonly string[],
  command: readonly string[]
): readonly [string, ...string[]] {
  return ['/bin/sh', '-c', SCRIPT, 'sh', String(joinFiles.length), ...joinFiles, ...command]
}
