/**
 * Agents: named processes that are kept alive by rule, and the runtimes that know how to start them.
 *
 * @module
 */

export type { AgentEvent, AgentView, AgentViewState } from './agent.ts'
export { createAgents } from './agents.ts'
export type { Agents, AgentsDeps, AgentsOptions, AgentSpec, RuntimeView } from './agents.ts'
export type {
  AgentGate,
  AgentSpawnAsk,
  ExitStatus,
  ProcessExit,
  LaunchPlan,
  LaunchSpec,
  PidSource,
  OutputFilter,
  ProcessHost,
  RunningProcess,
  RuntimeAdapter,
  SpawnRequest
} from './ports.ts'
export type { RestartRule } from './restart.ts'
