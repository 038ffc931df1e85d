// A task and all that its origin's driver holds for it while it lives.

import type { NodeId } from '../core/index.ts'
import type { AttachedIo } from './attached-io.ts'
import type { Placed } from './overlay.ts'
import type { TaskSpec } from './spec.ts'
import type { TaskView } from './task-view.ts'
import type { Task, TaskEvent } from './task.ts'

export interface Entry {
  task: Task
  readonly spec: TaskSpec
  readonly order: number
  readonly declined: Map<NodeId, number>
  /** False until O1 holds: nobody sees it. */
  isAdmitted: boolean
  waitingFor: string | null
  placed: Placed | null
  io: AttachedIo | null
  /** The offer that is under way, and joining the output after it. Never rejects. */
  offering: Promise<void>
  recovery: AbortController | null
  /** It has been out of reach before: the next time it is not asked in the same instant. */
  isRecovered: boolean
  /** It has waited for a place as long as it may. */
  isOverdue: boolean
  declines: number
  readonly committed: PromiseWithResolvers<TaskView>
}

/** `order` grows with every submission. */
export function newEntry(task: Task, order: number): Entry {
  const committed = Promise.withResolvers<TaskView>()
  committed.promise.catch(() => {}) // Whoever waits is told; nobody need wait.
  return {
    task,
    spec: task.spec,
    order,
    declined: new Map(),
    isAdmitted: false,
    waitingFor: null,
    placed: null,
    io: null,
    offering: Promise.resolve(),
    recovery: null,
    isRecovered: false,
    isOverdue: false,
    declines: 0,
    committed
  }
}

/** What the parts of the driver do to a task, and tell its user. */
export interface EntryOwner {
  step(entry: Entry, event: TaskEvent): void
  note(entry: Entry, text: string): void
  /** Owns a detached piece of work: its failure is logged there. */
  own(work: Promise<unknown>, what: string, entry: Entry): void
}
