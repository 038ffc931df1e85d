// What processes have started: it ends with them.
//
// Invariants
//   C1. A task that a process submitted is on disk as such before it is decided on: a kernel that starts anew
//       ends it, for its process is no more.
//   C2. When a process has ended, nothing that it started runs for long.

import { pid as pidOf, taskId as taskIdOf, utf8 } from '../../core/index.ts'
import type { KeyValueStore, Logger, TaskId } from '../../core/index.ts'
import type { Agents } from '../../agents/index.ts'
import type { Origin, TaskView } from '../../scheduler/index.ts'
import { CHILDREN_MAX } from './limits.ts'
import { TooManyChildrenError } from './errors.ts'
import { requestingPid } from './rights.ts'
import type { Rights, RightsBook } from './rights.ts'

export interface ChildrenDeps {
  readonly book: RightsBook
  readonly store: KeyValueStore
  readonly log: Logger
  /** Called when all rooms are there. */
  readonly rooms: () => {
    readonly agents: Pick<Agents, 'list' | 'disown'>
    readonly origin: Pick<Origin, 'list' | 'cancel' | 'events'>
  }
}

const PREFIX = 'asking/task/'
const ENDED: ReadonlySet<string> = new Set([
  'succeeded',
  'failed',
  'cancelled',
  'timed-out',
  'lost'
])

export class Children {
  readonly #deps: ChildrenDeps
  /** Tasks of ended processes that have been told to end. */
  readonly #ending = new Set<TaskId>()

  constructor(deps: ChildrenDeps) {
    this.#deps = deps
  }

  /** Durable once resolved (C1). */
  async submitted(taskId: TaskId, pid: number): Promise<void> {
    this.#deps.book.submitted(taskId, pidOf(pid))
    await this.#deps.store.write([{ key: PREFIX + taskId, value: utf8(String(pid)) }])
  }

  notSubmitted(taskId: TaskId): void {
    const { book, store, log } = this.#deps
    book.forgetTask(taskId)
    store.write([{ key: PREFIX + taskId, value: null }]).catch((error: unknown) => {
      log.warn('Cannot forget the task of a process', { taskId, why: String(error) })
    })
  }

  isOwnAgent(pid: number, name: string): boolean {
    return this.agentsOf(pid).some((agent) => agent.name === name)
  }

  agentsOf(pid: number): ReturnType<Agents['list']> {
    const { agents } = this.#deps.rooms()
    return agents.list().filter(({ requester }) => requestingPid(requester) === pid)
  }

  /** @throws WeaverError `PROCESS_TOO_MANY_CHILDREN` */
  checkRoom(pid: number): void {
    const agents = this.agentsOf(pid).filter(({ state }) => !ENDED_AGENT.has(state))
    const live = new Set<string>()
    for (const { taskId, state } of this.#deps.rooms().origin.list()) {
      if (!ENDED.has(state)) live.add(taskId)
    }
    const tasks = this.#deps.book.tasksOf(pid).filter((taskId) => live.has(taskId))
    if (agents.length + tasks.length >= CHILDREN_MAX) throw new TooManyChildrenError(pid)
  }

  /** Once, when the origin knows its tasks: ends what an earlier kernel's processes had started (C1). */
  async start(): Promise<void> {
    const { store, book } = this.#deps
    const { origin } = this.#deps.rooms()
    origin.events((event) => {
      if (event.kind === 'changed') this.#seen(event.task)
    })
    const left = await store.list(PREFIX)
    const known = new Map(origin.list().map((task) => [task.taskId, task]))
    for (const [key, value] of left) {
      const taskId = taskIdOf(key.slice(PREFIX.length))
      const task = known.get(taskId)
      book.submitted(taskId, pidOf(Number(new TextDecoder().decode(value))))
      if (task === undefined) this.notSubmitted(taskId)
      else this.#seen(task)
    }
  }

  /** C2. To be called when the process asks for nothing more. Never rejects. */
  async end({ pid }: Rights): Promise<void> {
    const { book, log } = this.#deps
    const { agents, origin } = this.#deps.rooms()
    const own = new Set(book.tasksOf(pid))
    for (const task of origin.list()) if (own.has(task.taskId)) this.#seen(task)
    try {
      await agents.disown(`process:${pid}`)
    } catch (error) {
      log.error('Cannot end the agents of a process that has ended', { pid, why: String(error) })
    }
  }

  /** A task of a process that lives on stays known when it has ended: it may still be asked about. */
  #seen({ taskId, state }: Pick<TaskView, 'taskId' | 'state'>): void {
    const { book, rooms, log } = this.#deps
    const pid = book.submitterOf(taskId)
    if (pid === null) return
    const isOver = ENDED.has(state)
    if (book.of(pid) === null) {
      if (isOver) {
        this.#ending.delete(taskId)
        this.notSubmitted(taskId)
        return
      }
      if (this.#ending.has(taskId)) return
      this.#ending.add(taskId)
      // In its own name: nobody else wants it to end.
      const cancelled = rooms().origin.cancel(taskId, { kind: 'process', pid })
      cancelled.catch((error: unknown) => {
        log.warn('Cannot end the task of a process that has ended', { taskId, why: String(error) })
      })
    } else if (isOver) this.#forgetStored(taskId)
  }

  #forgetStored(taskId: TaskId): void {
    this.#deps.store.write([{ key: PREFIX + taskId, value: null }]).catch((error: unknown) => {
      this.#deps.log.warn('Cannot forget the task of a process', { taskId, why: String(error) })
    })
  }
}

const ENDED_AGENT: ReadonlySet<string> = new Set(['exited', 'failed'])
