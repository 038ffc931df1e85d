// Tools in the control API.

import type { Json } from './basics.ts'

export interface ToolSummary {
  readonly name: string
  readonly version: string
  readonly description: string
  /** Of the component: `sha256:` and 64 hexadecimal digits. */
  readonly digest: string
}

export interface Tool extends ToolSummary {
  readonly sizeBytes: number
  /** What it may reach, beside its input: empty for most tools. */
  readonly grants: readonly string[]
  /** JSON Schema of its input, or null when it declares none. */
  readonly input: Json
  readonly limits: { readonly timeoutMs: number; readonly memoryBytes: number }
}

export interface ToolCall {
  readonly input: Json
  readonly node: string | null
  /** `none`: the tool's worker without the walls of the operating system, where policy allows that. */
  readonly containment: 'os' | 'none'
}

export interface ToolResult {
  readonly ok: boolean
  readonly output: Json
  readonly error: { readonly code: string; readonly message: string } | null
  readonly durationMs: number
  readonly memoryBytes: number | null
}
