import { confinementName, formatGrant, millis, taskId, WeaverError } from '../../core/index.ts'
import type { NodeId, TaskId } from '../../core/index.ts'
import { parseGpuRequest, parseTaskSpec } from '../../scheduler/index.ts'
import type { Origin, TaskSpec, TaskView } from '../../scheduler/index.ts'
import type { OutputChunk, Task, TaskSubmission } from '../api/index.ts'
import { processOutput } from '../process-output.ts'
import { resolveNode } from '../resolve.ts'
import type { Rooms } from '../rooms.ts'
import { metered } from '../stream-garbage.ts'
import type { FollowOptions, KernelService, Streamed } from '../service.ts'

type TaskOperations = Pick<
  KernelService,
  'submitTask' | 'runTask' | 'tasks' | 'task' | 'taskEvents' | 'taskOutput' | 'cancelTask'
>

/** The tasks that somebody may see and ask for: all of this node, or those of one process. */
export type TaskOrigin = Pick<Origin, 'submit' | 'list' | 'show' | 'cancel' | 'events'>

type TaskRooms = Omit<Rooms, 'origin'> & { readonly origin: TaskOrigin }

export function taskOperations(rooms: TaskRooms): TaskOperations {
  const { origin } = rooms
  const view = (task: TaskView): Task => taskView(rooms, task)
  return {
    submitTask: async (submission) => {
      const { task } = await origin.submit(specOf(rooms, submission, false), null)
      return { taskId: task.taskId }
    },
    runTask: async (submission, io) => {
      const submitted = await origin.submit(
        specOf(rooms, submission, true),
        metered(io, rooms.streamMeter)
      )
      return { task: view(submitted.task), outcome: submitted.outcome.then(view) }
    },
    tasks: () => origin.list().map(view),
    task: (text) => view(origin.show(resolveTask(rooms, text))),
    taskEvents: async (text, { signal }) => taskEvents(rooms, resolveTask(rooms, text), signal),
    taskOutput: async (text, options) => taskOutput(rooms, resolveTask(rooms, text), options),
    cancelTask: async (text) => view(await origin.cancel(resolveTask(rooms, text)))
  }
}

function specOf(rooms: TaskRooms, submission: TaskSubmission, isAttached: boolean): TaskSpec {
  const { command, env, cwd, gpu, labels, node, timeoutMs, sandbox } = submission
  const spec = parseTaskSpec({
    command,
    env,
    cwd,
    gpu: gpu === null ? null : parseGpuRequest(gpu),
    labels,
    node: node === null ? null : resolveNode(rooms.mesh, node),
    timeoutMs: timeoutMs === null ? null : millis(timeoutMs),
    isAttached,
    sandbox
  })
  checkContainable(rooms, spec)
  return spec
}

/**
 * A task that no member could run as it was asked for is refused at once: to wait would not help it.
 * @throws WeaverError `CONTAINMENT_MISSING`
 */
function checkContainable({ directory, missingContainment }: TaskRooms, spec: TaskSpec): void {
  if (spec.sandbox.containment === 'none') return
  const known = directory.candidates().filter(({ isReachable, nodeId }) => {
    return isReachable && (spec.node === null || spec.node === nodeId)
  })
  if (known.length > 0 && known.every(({ canContain }) => !canContain)) throw missingContainment()
}

/** A whole task id, or a unique prefix of one of this node's tasks. */
function resolveTask({ origin }: TaskRooms, text: string): TaskId {
  const matching = origin.list().filter((task) => text !== '' && task.taskId.startsWith(text))
  const [match, other] = matching
  if (match === undefined) {
    throw new WeaverError('SCHEDULER_TASK_NOT_FOUND', `Cannot find task '${text.slice(0, 64)}'`, {
      detail: { hint: 'weaver task list shows the tasks of this node' }
    })
  }
  if (other !== undefined && match.taskId !== text) {
    throw new WeaverError(
      'SCHEDULER_TASK_AMBIGUOUS',
      `Cannot tell which task '${text.slice(0, 64)}' is: ${matching.length} begin like this`,
      { detail: { hint: 'give more of its id' } }
    )
  }
  return taskId(match.taskId)
}

export function taskView({ mesh }: Pick<Rooms, 'mesh'>, task: TaskView): Task {
  const name = (node: NodeId): string => mesh.nameOf(node)
  const { sandbox, ...rest } = task
  return {
    ...rest,
    containment: confinementName(sandbox),
    grants: sandbox.grants.map(formatGrant),
    role: sandbox.role ?? null,
    origin: name(task.origin),
    executor: task.executor === null ? null : name(task.executor)
  }
}

const ENDED: ReadonlySet<string> = new Set([
  'succeeded',
  'failed',
  'cancelled',
  'timed-out',
  'lost'
])

/** The state now and each change of it; a reader that is slow sees the newest only. */
async function* taskEvents(
  rooms: TaskRooms,
  id: TaskId,
  signal: AbortSignal
): AsyncGenerator<Streamed<Task>, void, void> {
  let changed = Promise.withResolvers<void>()
  const wake = (): void => changed.resolve()
  const end = rooms.origin.events((event) => {
    if (event.kind === 'changed' && event.task.taskId === id) wake()
  })
  signal.addEventListener('abort', wake, { once: true })
  try {
    for (let sequence = 1; !signal.aborted; sequence++) {
      changed = Promise.withResolvers<void>() // Before the look, so that no change is missed.
      const task = rooms.origin.show(id)
      yield { id: `${id}.${sequence}`, item: taskView(rooms, task) }
      if (ENDED.has(task.state)) return
      await changed.promise
    }
  } finally {
    end()
    signal.removeEventListener('abort', wake)
  }
}

async function taskOutput(
  rooms: TaskRooms,
  id: TaskId,
  options: FollowOptions
): Promise<AsyncIterable<Streamed<OutputChunk>>> {
  const { executor } = rooms.origin.show(id)
  const row = executor === null ? null : rooms.table.of(executor).find(({ task }) => task === id)
  if (executor === null || row === null || row === undefined) {
    throw new WeaverError(
      'SCHEDULER_TASK_NOT_STARTED',
      `Cannot read output of task ${id}: no process of it is known here`,
      { retry: 'later', detail: { hint: `weaver task show ${id} says what it waits for` } }
    )
  }
  return processOutput(rooms, { node: executor, pid: row.pid }, options)
}
