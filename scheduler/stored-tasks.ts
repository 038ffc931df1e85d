// What an origin finds at its start: the store says what tasks there were, the lane which of them were
// really submitted, and which were committed although the store does not know it yet (O1, O2).

import type { Logger, TaskId, UnixMillis } from '../core/index.ts'
import { subjectOf } from './origin-records.ts'
import type { Ledger, TaskStore } from './ports.ts'
import { committedEnd } from './task-record.ts'
import type { Task, TaskEnd } from './task.ts'

export interface StoredTasks {
  /** Oldest first, ended and unfinished. */
  readonly tasks: readonly Task[]
  /** Those of `tasks` that the store has still to learn the end of. */
  readonly adopted: readonly Task[]
  /** Stored, but never admitted: nobody was told of them, and nothing was sent. */
  readonly dropped: readonly TaskId[]
}

export interface StoredTasksDeps {
  readonly store: TaskStore<Task>
  readonly ledger: Ledger
  readonly log: Logger
}

type Found = Awaited<ReturnType<Ledger['find']>>

export async function readStoredTasks(
  { store, ledger, log }: StoredTasksDeps,
  now: UnixMillis
): Promise<StoredTasks> {
  const stored = (await store.all()).toSorted((a, b) => a.submittedAt - b.submittedAt)
  const subjects = stored.filter((task) => task.phase.kind !== 'ended').map(subjectOf)
  const nothing: Found = new Map()
  const [submitted, committed] =
    subjects.length === 0
      ? [nothing, nothing]
      : await Promise.all([
          ledger.find('task.submitted', subjects),
          ledger.find('task.committed', subjects)
        ])
  const tasks: Task[] = []
  const adopted: Task[] = []
  const dropped: TaskId[] = []
  for (const task of stored) {
    const found = committed.get(subjectOf(task))
    if (task.phase.kind === 'ended') {
      tasks.push(task)
    } else if (found !== undefined) {
      const ended = adopt(task, found, now)
      tasks.push(ended)
      adopted.push(ended)
    } else if (submitted.has(subjectOf(task))) {
      tasks.push(task)
    } else {
      log.warn('Dropping a task whose submission is not in the lane', { taskId: task.taskId })
      dropped.push(task.taskId)
    }
  }
  return { tasks, adopted, dropped }
}

/** It was committed, and the kernel died before the store knew. */
function adopt(
  task: Task,
  { ref, payload }: { readonly ref: { readonly id: string }; readonly payload: unknown },
  now: UnixMillis
): Task {
  const executor = task.phase.kind === 'queued' ? null : task.phase.executor
  const end: TaskEnd = committedEnd(payload) ?? {
    state: 'lost',
    exit: null,
    reason: 'its committed result can no longer be read here',
    startedAt: task.startedAt,
    endedAt: now
  }
  const isGivenUp = end.state === 'lost'
  const isOwed = isGivenUp && executor !== null
  return {
    ...task,
    startedAt: end.startedAt,
    phase: { kind: 'ended', executor, end, receipt: ref.id, isGivenUp, isOwed }
  }
}
