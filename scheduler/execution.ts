// One run of a task as its executor sees it: a pure state machine. The driver (executor.ts) carries out
// the effects that `stepExecution` returns, in order.
//
// Invariants
//   X1. Nothing is started before the acceptance is durable.
//   X2. One (task, epoch) is started at most once, and ends with one result.
//   X3. The first reason to end a run is the one that its result names.
//   X4. A result is reported only when it is durable, and kept until the origin has answered.

import { unreachable } from '../core/index.ts'
import type { Epoch, NodeId, Pid, TaskId, UnixMillis } from '../core/index.ts'
import type { GpuDevice } from './gpu.ts'
import type { ExitStatus, TaskResult } from './result.ts'
import type { TaskSpec } from './spec.ts'

/** Why a run is made to end. */
export type Ending = 'cancelled' | 'timed-out' | 'stopped'

export type ExecutionPhase =
  /** The acceptance is being made durable. */
  | { readonly kind: 'accepting'; readonly ending: Ending | null }
  | { readonly kind: 'starting'; readonly pid: Pid; readonly ending: Ending | null }
  | {
      readonly kind: 'running'
      readonly pid: Pid
      readonly startedAt: UnixMillis
      readonly ending: Ending | null
    }
  | { readonly kind: 'ended'; readonly pid: Pid | null; readonly result: TaskResult }

export interface Execution {
  readonly taskId: TaskId
  readonly epoch: Epoch
  readonly origin: NodeId
  readonly spec: TaskSpec
  readonly gpus: readonly GpuDevice[]
  readonly phase: ExecutionPhase
}

export type ExecutionEvent =
  | { readonly kind: 'accepted'; readonly pid: Pid }
  | { readonly kind: 'spawned' }
  | { readonly kind: 'spawn-failed'; readonly code: number; readonly reason: string }
  | { readonly kind: 'end'; readonly why: Ending }
  | { readonly kind: 'exited'; readonly exit: ExitStatus; readonly note: string | null }

export type ExecutionEffect =
  | { readonly kind: 'spawn'; readonly pid: Pid }
  /** Make task.started and process.started durable, tell the origin, begin to count the time limit. */
  | { readonly kind: 'report-started'; readonly pid: Pid; readonly startedAt: UnixMillis }
  | { readonly kind: 'stop' }
  /** Free its GPUs, make the result durable, then report it. */
  | { readonly kind: 'finish'; readonly pid: Pid | null; readonly result: TaskResult }

export interface ExecutionStep {
  readonly execution: Execution
  readonly effects: readonly ExecutionEffect[]
}

export function newExecution(execution: Omit<Execution, 'phase'>): Execution {
  return { ...execution, phase: { kind: 'accepting', ending: null } }
}

/** (execution, event, now) → (execution, effects). Pure; `now` is the wall clock, for the record only. */
export function stepExecution(
  execution: Execution,
  event: ExecutionEvent,
  now: UnixMillis
): ExecutionStep {
  switch (event.kind) {
    case 'accepted':
      return accepted(execution, event.pid, now)
    case 'spawned':
      return spawned(execution, now)
    case 'spawn-failed':
      return spawnFailed(execution, event, now)
    case 'end':
      return endFor(execution, event.why)
    case 'exited':
      return exited(execution, event, now)
    default:
      return unreachable(event)
  }
}

function accepted(execution: Execution, pid: Pid, now: UnixMillis): ExecutionStep {
  const { phase } = execution
  if (phase.kind !== 'accepting') return same(execution) // X2
  if (phase.ending !== null) return finish(execution, null, ended(phase.ending, null, null, now))
  return {
    execution: { ...execution, phase: { kind: 'starting', pid, ending: null } },
    effects: [{ kind: 'spawn', pid }]
  }
}

function spawned(execution: Execution, now: UnixMillis): ExecutionStep {
  const { phase } = execution
  if (phase.kind !== 'starting') return same(execution)
  const { pid, ending } = phase
  const effects: ExecutionEffect[] = [{ kind: 'report-started', pid, startedAt: now }]
  if (ending !== null) effects.push({ kind: 'stop' })
  return {
    execution: { ...execution, phase: { kind: 'running', pid, startedAt: now, ending } },
    effects
  }
}

function spawnFailed(
  execution: Execution,
  failure: { readonly code: number; readonly reason: string },
  now: UnixMillis
): ExecutionStep {
  const { phase } = execution
  if (phase.kind !== 'starting') return same(execution)
  return finish(execution, phase.pid, {
    outcome: 'not-started',
    exit: { code: failure.code, signal: null },
    reason: failure.reason,
    startedAt: null,
    endedAt: now
  })
}

function endFor(execution: Execution, why: Ending): ExecutionStep {
  const { phase } = execution
  if (phase.kind === 'ended' || phase.ending !== null) return same(execution) // X3
  return {
    execution: { ...execution, phase: { ...phase, ending: why } },
    effects: phase.kind === 'running' ? [{ kind: 'stop' }] : []
  }
}

function exited(
  execution: Execution,
  { exit, note }: Extract<ExecutionEvent, { readonly kind: 'exited' }>,
  now: UnixMillis
): ExecutionStep {
  const { phase } = execution
  if (phase.kind !== 'running') return same(execution)
  const { pid, startedAt, ending } = phase
  if (ending !== null) return finish(execution, pid, ended(ending, exit, startedAt, now))
  return finish(execution, pid, { outcome: 'exited', exit, reason: note, startedAt, endedAt: now })
}

function ended(
  why: Ending,
  exit: ExitStatus | null,
  startedAt: UnixMillis | null,
  now: UnixMillis
): TaskResult {
  const outcome = why === 'stopped' ? 'lost' : why
  return { outcome, exit, reason: REASONS[why], startedAt, endedAt: now }
}

const REASONS: Readonly<Record<Ending, string>> = {
  cancelled: 'it was cancelled',
  'timed-out': 'its time limit was over',
  stopped: 'the kernel that ran it was stopped'
}

function finish(execution: Execution, pid: Pid | null, result: TaskResult): ExecutionStep {
  return {
    execution: { ...execution, phase: { kind: 'ended', pid, result } },
    effects: [{ kind: 'finish', pid, result }]
  }
}

function same(execution: Execution): ExecutionStep {
  return { execution, effects: [] }
}
