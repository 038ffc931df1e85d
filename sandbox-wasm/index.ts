/**
 * Tools as WASM components: registry, limits, execution in worker processes.
 *
 * @module
 */

export type { ToolSummary } from './builtin-tools.ts'
export { GUEST_MEMORY_PAGES_MAX, TIME_LIMIT_DEFAULT_MS } from './limits.ts'
export type {
  ConfinedStart,
  WorkerLauncher,
  WorkerLink,
  WorkerStart,
  WorkerWalls
} from './ports.ts'
export { createSandbox } from './sandbox.ts'
export type { Sandbox, SandboxDeps, SandboxOptions, ToolCall, ToolDetails } from './sandbox.ts'
export type { JsonValue, ToolError, ToolResult } from './tool-result.ts'
