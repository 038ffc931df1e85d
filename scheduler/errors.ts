import { WeaverError } from '../core/index.ts'
import type { NodeId } from '../core/index.ts'

/** A task, a GPU request or a label was not what it must be. */
export class InvalidSpecError extends WeaverError {
  constructor(message: string, hint: string | null = null) {
    super('SCHEDULER_INVALID_SPEC', message, { detail: { hint } })
  }
}

/** Pushback: the origin has as many unfinished tasks as it keeps. */
export class QueueFullError extends WeaverError {
  constructor(unfinishedMax: number) {
    super(
      'SCHEDULER_QUEUE_FULL',
      `Cannot submit task: ${unfinishedMax} tasks are unfinished, wait for some to end`,
      { retry: 'later' }
    )
  }
}

export class TaskNotFoundError extends WeaverError {
  constructor(taskId: string) {
    super(
      'SCHEDULER_TASK_NOT_FOUND',
      `Cannot find task ${taskId.slice(0, 64)}: this node is not its origin, or it ended long ago`
    )
  }
}

/** A peer sent something that no version of this protocol sends. */
export class InvalidMessageError extends WeaverError {
  constructor(what: string, cause?: unknown) {
    super('SCHEDULER_INVALID_MESSAGE', `Cannot read ${what}: it does not follow the protocol`, {
      cause
    })
  }
}

/** The kernel has not taken up yet what the one before it left. */
export class SchedulerStartingError extends WeaverError {
  constructor(what: string) {
    super('SCHEDULER_STARTING', `Cannot ${what}: the kernel is starting`, { retry: 'later' })
  }
}

export class SchedulerStoppedError extends WeaverError {
  constructor(what: string) {
    super('SCHEDULER_STOPPED', `Cannot ${what}: the kernel is stopping`, { retry: 'elsewhere' })
  }
}

/** The task is not running: there is nothing to signal. */
export class TaskNotRunningError extends WeaverError {
  constructor(taskId: string, state: string) {
    super('SCHEDULER_TASK_NOT_RUNNING', `Cannot signal task ${taskId}: it is ${state}`)
  }
}

/** A result could not be made durable here: nobody may rely on it before this node has restarted. */
export class CommitFailedError extends WeaverError {
  constructor(taskId: string, cause: unknown) {
    super('SCHEDULER_COMMIT_FAILED', `Cannot commit the result of task ${taskId}`, {
      retry: 'later',
      cause
    })
  }
}

/** There is no session with the node: surely nothing was sent. */
export class UnreachableError extends WeaverError {
  constructor(node: NodeId, cause?: unknown) {
    super('SCHEDULER_EXECUTOR_UNREACHABLE', `Cannot reach node ${node}: nothing was sent`, {
      retry: 'elsewhere',
      cause
    })
  }
}

/** The output of this run has a reader already, went to the spool, or there is no such run. */
export class NotAttachableError extends WeaverError {
  constructor(taskId: string) {
    super(
      'SCHEDULER_NOT_ATTACHABLE',
      `Cannot attach to task ${taskId}: it is not attached, or its output goes to the spool by now`
    )
  }
}
