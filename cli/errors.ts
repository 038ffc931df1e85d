// What can go wrong in the command, and which exit code says so.

/** One line for the user, and an exit code. */
export class CliError extends Error {
  readonly code: string
  readonly hint: string | null

  constructor(code: `CLI_${string}`, message: string, hint: string | null = null) {
    super(message)
    this.name = 'CliError'
    this.code = code
    this.hint = hint
  }
}

export function usageError(message: string, hint: string | null = null): CliError {
  return new CliError('CLI_USAGE', message, hint)
}

export const EXIT: Readonly<
  Record<'done' | 'failed' | 'usage' | 'noKernel' | 'denied' | 'timedOut' | 'runFailed', number>
> = {
  done: 0,
  failed: 1,
  usage: 2,
  noKernel: 3,
  denied: 4,
  timedOut: 5,
  /** A failure of `weaver run` itself, as docker has it: all other codes are the command's own. */
  runFailed: 125
}

const EXIT_CODES: readonly (readonly [pattern: RegExp, exit: number])[] = [
  [/^API_(?:NO_KERNEL|KERNEL_GONE|KERNEL_FORBIDDEN|KERNEL_STOPPING)$/, EXIT.noKernel],
  [
    /^(?:GOVERNANCE_DENIED|CLI_APPROVAL_DENIED|CHAIN_REDACTION_DENIED|API_UNAUTHORIZED|API_FORBIDDEN_.*)$/,
    EXIT.denied
  ],
  [/_TIMED_OUT$/, EXIT.timedOut],
  [
    /^(?:CLI_USAGE|CHAIN_ENTRY_INVALID|(?:CORE|API|SCHEDULER|GOVERNANCE)_INVALID_.*|NODE_UNKNOWN_PRINCIPAL|.*_(?:LABEL|ARGUMENTS)_INVALID)$/,
    EXIT.usage
  ]
]

/** What the user is told of any thrown value. */
export interface Report {
  readonly code: string
  readonly message: string
  readonly hint: string | null
  readonly exit: number
}

export function reportOf(thrown: unknown): Report {
  if (!(thrown instanceof Error)) return defect(String(thrown))
  const code = 'code' in thrown ? thrown.code : null
  if (typeof code !== 'string') return defect(thrown.stack ?? thrown.message)
  const exit = EXIT_CODES.find(([pattern]) => pattern.test(code))?.[1] ?? EXIT.failed
  return { code, message: thrown.message, hint: hintOf(thrown), exit }
}

/** ApiError and CliError have it as a field, WeaverError among its details. */
function hintOf(error: Error): string | null {
  const own = 'hint' in error ? error.hint : null
  if (typeof own === 'string') return own
  const detail: unknown = 'detail' in error ? error.detail : null
  const hint: unknown =
    typeof detail === 'object' && detail !== null && 'hint' in detail ? detail.hint : null
  return typeof hint === 'string' ? hint : null
}

function defect(what: string): Report {
  return {
    code: 'CLI_INTERNAL',
    message: `weaver itself failed: ${what}`,
    hint: null,
    exit: EXIT.failed
  }
}
