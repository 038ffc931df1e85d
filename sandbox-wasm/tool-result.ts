// What came of a call, as `tool call --json` shows it. That a tool fails, traps or runs too long is an
// outcome and no error: the caller asked for a tool to be run, and it was.

import { formatBytes, formatDuration, unreachable } from '../core/index.ts'
import type { Millis } from '../core/index.ts'
import { MESSAGE_CHARACTERS_MAX, OUTPUT_BYTES_MAX, OUTPUT_DEPTH_MAX } from './limits.ts'
import type { PoolResult } from './worker-pool.ts'

export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue }

/**
 * Why a call has no output. The tool's own codes are `[A-Z][A-Z0-9_]*`, and never begin with `SANDBOX_`:
 * those are ours (`SANDBOX_TIMED_OUT`, `SANDBOX_GUEST_TRAPPED`, `SANDBOX_OUTPUT_TOO_LARGE`,
 * `SANDBOX_OUTPUT_INVALID`, `SANDBOX_WORKER_DIED`).
 */
export interface ToolError {
  readonly code: string
  readonly message: string
}

export interface ToolResult {
  readonly ok: boolean
  readonly output: JsonValue
  readonly error: ToolError | null
  readonly durationMs: Millis
  /** The most linear memory that the guest had, or null when it was killed before it could say. */
  readonly memoryBytes: number | null
}

/** The code for an error that the tool gave no usable code. */
const TOOL_FAILED = 'TOOL_FAILED'

export function toolResult({ outcome, durationMs }: PoolResult, timeLimitMs: Millis): ToolResult {
  const memoryBytes = 'memoryBytes' in outcome ? outcome.memoryBytes : null
  const failed = (code: string, message: string): ToolResult => ({
    ok: false,
    output: null,
    error: { code, message: message.slice(0, MESSAGE_CHARACTERS_MAX) },
    durationMs,
    memoryBytes
  })
  switch (outcome.type) {
    case 'returned': {
      const bytes = Buffer.byteLength(outcome.text)
      if (bytes > OUTPUT_BYTES_MAX) return failed('SANDBOX_OUTPUT_TOO_LARGE', tooLarge(bytes))
      const output = jsonOf(outcome.text)
      if (output === undefined) {
        return failed('SANDBOX_OUTPUT_INVALID', 'The tool returned a text that is not JSON')
      }
      if (isDeeperThan(OUTPUT_DEPTH_MAX, output)) {
        const levels = `more than ${OUTPUT_DEPTH_MAX} levels`
        return failed('SANDBOX_OUTPUT_INVALID', `The tool returned JSON of ${levels}`)
      }
      return { ok: true, output, error: null, durationMs, memoryBytes }
    }
    case 'failed': {
      const { code, message } = toolError(outcome.text)
      return failed(code, message)
    }
    case 'trapped':
      return failed('SANDBOX_GUEST_TRAPPED', `The tool trapped: ${outcome.text}`)
    case 'output-too-large':
      return failed('SANDBOX_OUTPUT_TOO_LARGE', tooLarge(outcome.bytes))
    case 'timed-out':
      return failed(
        'SANDBOX_TIMED_OUT',
        `The tool ran for more than ${formatDuration(timeLimitMs)}`
      )
    case 'died':
      return failed('SANDBOX_WORKER_DIED', `The tool's worker process ended: ${outcome.why}`)
    default:
      return unreachable(outcome)
  }
}

function tooLarge(bytes: number): string {
  return `The tool returned ${formatBytes(bytes)}: must be <= ${formatBytes(OUTPUT_BYTES_MAX)}`
}

function isDeeperThan(levels: number, value: JsonValue): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((item) => isDeeperThan(levels - 1, item))
}

/** The tool's own error, if it is `{"code", "message"}` as the world asks, or else its text. */
function toolError(text: string): ToolError {
  const value = jsonOf(text)
  if (typeof value !== 'object' || value === null || !('message' in value)) {
    return { code: TOOL_FAILED, message: text }
  }
  const message = value['message']
  const code = 'code' in value ? value['code'] : null
  const isOwn = typeof code === 'string' && /^(?!SANDBOX_)[A-Z][A-Z0-9_]{0,63}$/.test(code)
  return {
    code: isOwn ? code : TOOL_FAILED,
    message: typeof message === 'string' ? message : text
  }
}

/** Undefined when `text` is not JSON: null is a value. */
export function jsonOf(text: string): JsonValue | undefined {
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- JSON.parse gives this and no other
    return JSON.parse(text) as JsonValue
  } catch {
    return undefined
  }
}
