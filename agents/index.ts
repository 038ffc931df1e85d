/**
 * Agents: named processes that are kept alive by rule, and the runtimes that know how to start them.
 *
 * @module
 */

export type { AgentEvent, AgentView, AgentViewState } from './agent.ts'
export { agentStore } from './agent-store.ts'
export { createAgents } from './agents.ts'
export type { Agents, AgentsDeps, AgentsOptions, AgentSpec, RuntimeView } from './agents.ts'
export type {
  AgentGate,
  AgentRecord,
  AgentSpawnAsk,
  AgentStore,
  ExitStatus,
  GpuLoan,
  GpuSource,
  ProcessExit,
  LaunchPlan,
  LaunchSpec,
  PidSource,
  OutputFilter,
  ProcessHost,
  RestartRule,
  RunningProcess,
  RuntimeAdapter,
  SpawnRequest
} from './ports.ts'
