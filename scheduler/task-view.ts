// A task as others see it.

import { unreachable } from '../core/index.ts'
import type { NodeId, Sandbox, TaskId, UnixMillis } from '../core/index.ts'
import type { ExitStatus } from './result.ts'
import { currentEpoch } from './task.ts'
import type { Task, TaskStateName } from './task.ts'

export interface TaskView {
  readonly taskId: TaskId
  readonly state: TaskStateName
  readonly origin: NodeId
  readonly executor: NodeId | null
  /** 0 before the first offer. */
  readonly epoch: number
  readonly attempts: number
  readonly exit: ExitStatus | null
  readonly submittedAt: UnixMillis
  readonly startedAt: UnixMillis | null
  readonly endedAt: UnixMillis | null
  /** The id of the chain entry that committed the result, or null before. */
  readonly receipt: string | null
  readonly command: readonly string[]
  readonly sandbox: Sandbox
  /** One sentence: what it waits for, or why it ended so; null when there is nothing to say. */
  readonly reason: string | null
}

/** What happens to the tasks of this origin, for live views. */
export type OriginEvent =
  | { readonly kind: 'changed'; readonly task: TaskView }
  | { readonly kind: 'note'; readonly taskId: TaskId; readonly text: string }

/** `waitingFor` is what a task waits for that has not ended. */
export function viewOf(task: Task, origin: NodeId, waitingFor: string | null): TaskView {
  const { phase } = task
  const isEnded = phase.kind === 'ended'
  return {
    taskId: task.taskId,
    state: stateOf(task),
    origin,
    executor: phase.kind === 'queued' ? null : phase.executor,
    epoch: currentEpoch(task) ?? 0,
    attempts: task.attempts,
    exit: isEnded ? phase.end.exit : null,
    submittedAt: task.submittedAt,
    startedAt: task.startedAt,
    endedAt: isEnded ? phase.end.endedAt : null,
    receipt: isEnded ? phase.receipt : null,
    command: task.spec.command,
    sandbox: task.spec.sandbox,
    reason: isEnded ? phase.end.reason : waitingFor
  }
}

/** A task that is being committed still shows what it was: nobody may rely on its end yet. */
function stateOf({ phase }: Task): TaskStateName {
  switch (phase.kind) {
    case 'committing':
      return phase.from
    case 'ended':
      return phase.end.state
    case 'queued':
    case 'offered':
    case 'running':
      return phase.kind
    default:
      return unreachable(phase)
  }
}
