// What happens to the commands of tasks on this node, for its process table.

import type { NodeId, Pid, UnixMillis } from '../core/index.ts'
import type { GpuDevice } from './gpu.ts'
import type { TaskRun } from './ports.ts'
import type { TaskResult } from './result.ts'

export type ExecutorEvent =
  /** Accepted, and about to be started. */
  | ({
      readonly kind: 'starting'
      readonly pid: Pid
      readonly origin: NodeId
      readonly command: readonly string[]
      readonly containment: string
      readonly gpus: readonly GpuDevice[]
    } & TaskRun)
  | ({
      readonly kind: 'running'
      readonly pid: Pid
      readonly osPid: number
      readonly startedAt: UnixMillis
    } & TaskRun)
  /** Nothing of it runs any more. */
  | ({ readonly kind: 'ended'; readonly pid: Pid; readonly result: TaskResult } & TaskRun)

/** What of a run others are told. */
export function runOf({ taskId, epoch }: TaskRun): TaskRun {
  return { taskId, epoch }
}
