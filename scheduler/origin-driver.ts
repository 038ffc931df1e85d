// The origin: owns the tasks that were submitted on this node, from the submission to the committed
// result. Decisions are in task.ts (T1 to T5); this file carries them out.
//
// Invariants
//   O1. The submission, its decision and the stored task are durable before anybody is told its id, and
//       before anything is sent.
//   O2. The `task.committed` entry is the commit point: the user and the executor hear of the result only
//       after it, and a restart looks for it before anything else may end the task.
//   O3. Nothing is polled: a change of the directory, an answer or a timer moves a task on.

import { newTaskId } from '../core/index.ts'
import type { Epoch, FrameChannel, NodeId, TaskId } from '../core/index.ts'
import { AttachedIo } from './attached-io.ts'
import { recordOnce, untilDurable } from './durable.ts'
import type { DurableDeps } from './durable.ts'
import {
  CommitFailedError,
  InvalidSpecError,
  QueueFullError,
  SchedulerStartingError,
  SchedulerStoppedError,
  TaskNotFoundError,
  TaskNotRunningError
} from './errors.ts'
import { ENDED_TASKS_KEPT, EXECUTOR_GRACE_MS, UNFINISHED_TASKS_MAX } from './limits.ts'
import { Listeners } from './listeners.ts'
import { Offers } from './offers.ts'
import { newEntry } from './origin-entry.ts'
import type { Entry, EntryOwner } from './origin-entry.ts'
import {
  committedDraft,
  fencedDraft,
  subjectOf,
  submissionRequest,
  submittedDraft
} from './origin-records.ts'
import { Owed } from './owed.ts'
import type { Origin, OriginDeps, OriginOptions, SubmittedTask } from './origin.ts'
import type {
  FinishedReport,
  FinishedVerdict,
  Requester,
  RunStatus,
  StartedReport
} from './ports.ts'
import { abortable, nameOf } from './reach.ts'
import { Patience } from './patience.ts'
import { Places } from './places.ts'
import { Recovery } from './recovery.ts'
import type { Target } from './recovery.ts'
import { parseTaskSpec, specCbor } from './spec.ts'
import type { TaskSpec } from './spec.ts'
import { readStoredTasks } from './stored-tasks.ts'
import { viewOf } from './task-view.ts'
import type { OriginEvent, TaskView } from './task-view.ts'
import { currentEpoch, newTask, stepTask } from './task.ts'
import type { Task, TaskEffect, TaskEnd, TaskEvent } from './task.ts'

const OWNER: Requester = { kind: 'owner' }
/** Nobody is attached any more. */
const ORPHANED: TaskEvent = { kind: 'orphaned' }

export function createOrigin(deps: OriginDeps, options: OriginOptions): Origin {
  return new OriginDriver(deps, options)
}

class OriginDriver implements Origin {
  readonly #deps: OriginDeps
  readonly #options: OriginOptions
  readonly #entries = new Map<TaskId, Entry>()
  readonly #ended = new Set<Entry>()
  readonly #listeners = new Listeners<OriginEvent>()
  readonly #stopping = new AbortController()
  readonly #stopListening: () => void
  readonly #durable: DurableDeps
  readonly #places: Places
  readonly #offers: Offers
  readonly #recovery: Recovery
  readonly #owed: Owed
  readonly #patience: Patience
  readonly #resumed = Promise.withResolvers<void>()
  #isResumed = false
  #orders = 0

  constructor(deps: OriginDeps, options: OriginOptions) {
    this.#deps = deps
    this.#options = options
    const owner: EntryOwner = {
      step: (entry, event) => {
        this.#step(entry, event)
      },
      note: (entry, text) => this.#note(entry, text),
      own: (work, what, entry) => this.#own(work, what, entry)
    }
    const parts = { ...deps, owner, stopping: this.#stopping.signal }
    this.#durable = parts
    this.#places = new Places({ ...parts, onWaiting: (entry, why) => this.#onWaiting(entry, why) })
    const onForgiven = (entry: Entry, node: NodeId): void => this.#places.forgive(entry, node)
    this.#offers = new Offers({ ...parts, onForgiven })
    this.#owed = new Owed(parts)
    this.#patience = new Patience(parts)
    this.#recovery = new Recovery(
      { ...parts, onStatus: (entry, target, status) => this.#learn(entry, target, status) },
      options.executorGraceMs ?? EXECUTOR_GRACE_MS
    )
    this.#stopListening = deps.peers.onChange(() => this.#onPeersChange())
  }

  async submit(
    value: TaskSpec,
    io: FrameChannel | null,
    requester: Requester = OWNER
  ): Promise<SubmittedTask> {
    if (this.#stopping.signal.aborted) throw new SchedulerStoppedError('submit task')
    if (!this.#isResumed) throw new SchedulerStartingError('submit task')
    const spec = parseTaskSpec(specCbor(value))
    if (spec.isAttached !== (io !== null)) {
      throw new InvalidSpecError('Cannot use task: isAttached must be true with I/O, else false')
    }
    const unfinishedMax = this.#options.unfinishedMax ?? UNFINISHED_TASKS_MAX
    if (this.#entries.size - this.#ended.size >= unfinishedMax)
      throw new QueueFullError(unfinishedMax)

    const { clock, entropy } = this.#deps
    const taskId = newTaskId(entropy)
    const entry = this.#newEntry(newTask({ taskId, spec, submittedAt: clock.wall() }))
    this.#entries.set(taskId, entry)
    // Placed before it is stored, so that one durable step covers the submission and the first offer.
    const placement = this.#places.choose(entry)
    const first = placement.kind === 'placed' ? this.#placeFirst(entry, placement.node) : null
    await this.#admit(entry, requester)
    // From here it is durable: a crash goes on with it at the next start (O1).
    entry.isAdmitted = true
    if (io !== null) this.#attachUser(entry, io)
    this.#patience.start(entry)
    this.#changed(entry)
    if (first !== null) this.#offers.start(entry, { epoch: first, isStored: true })
    else this.#enqueue(entry)
    const outcome = this.#outcome(entry)
    outcome.catch(() => {}) // May be left unawaited.
    return { task: this.#view(entry), outcome }
  }

  #newEntry(task: Task): Entry {
    this.#orders += 1
    return newEntry(task, this.#orders)
  }

  #placeFirst(entry: Entry, node: NodeId): Epoch | null {
    const { task, effects } = stepTask(
      entry.task,
      { kind: 'placed', node },
      this.#deps.clock.wall()
    )
    const [offer] = effects
    if (offer?.kind !== 'offer') return null
    entry.task = task
    this.#places.take(entry, node)
    return offer.epoch
  }

  async #admit(entry: Entry, requester: Requester): Promise<void> {
    const { gate, store } = this.#deps
    const { task } = entry
    const request = submissionRequest(task, requester)
    const draft = submittedDraft(task, requester, this.#options.self)
    try {
      await Promise.all([gate.authorizeWith(request, [draft]), store.put(task)])
    } catch (error) {
      this.#entries.delete(task.taskId)
      this.#places.giveUp(entry)
      // If this fails too, resume() finds a task whose submission is not in the lane, and drops it.
      store.delete(task.taskId).catch(() => {})
      this.#places.placeWaiting()
      throw error
    }
  }

  #attachUser(entry: Entry, io: FrameChannel): void {
    const { taskId } = entry.task
    entry.io = new AttachedIo({
      io,
      frames: this.#deps.ioFrames,
      onInterrupt: () => {
        this.#own(this.cancel(taskId), 'cancel task', entry)
      },
      onLeft: () => this.#step(entry, ORPHANED),
      onBroken: () => {
        const node = this.#executorName(entry)
        this.#note(
          entry,
          `connection to node '${node}' lost: output from here on is in its spool there`
        )
        this.#breakOff(entry)
      }
    })
    entry.io.start()
  }

  async #outcome(entry: Entry): Promise<TaskView> {
    try {
      await entry.committed.promise
      await entry.offering // A fast command ends before the answer to its offer is here.
    } finally {
      await entry.io?.finish()
    }
    return this.#view(entry)
  }

  #executorName(entry: Entry): string {
    const { phase } = entry.task
    if (phase.kind === 'queued' || phase.executor === null) return 'none'
    return nameOf(this.#deps.peers, phase.executor)
  }

  // Placement

  #enqueue(entry: Entry): void {
    if (!this.#patience.isOver(entry)) this.#places.enqueue(entry)
  }

  #onWaiting(entry: Entry, why: string): void {
    this.#note(entry, `waiting: ${why}`)
    this.#changed(entry)
  }

  #onPeersChange(): void {
    if (this.#stopping.signal.aborted) return
    // Called with every pulse of every member, and mostly there is nothing to place.
    if (this.#entries.size === this.#ended.size && this.#owed.isEmpty) return
    const reachable = new Set<NodeId>()
    for (const peer of this.#deps.peers.candidates()) {
      if (peer.isReachable) reachable.add(peer.nodeId)
    }
    for (const entry of this.#entries.values()) {
      const { phase } = entry.task
      const isPlaced = phase.kind === 'offered' || phase.kind === 'running'
      if (!isPlaced || phase.isUncertain || reachable.has(phase.executor)) continue
      this.#step(entry, { kind: 'unreachable', node: phase.executor })
    }
    this.#owed.tell(reachable)
    this.#places.placeWaiting()
  }

  // Steps and their effects

  #step(entry: Entry, event: TaskEvent): readonly TaskEffect[] {
    const before = entry.task
    const { task, effects } = stepTask(before, event, this.#deps.clock.wall())
    if (task === before) return effects
    entry.task = task
    const { phase } = task
    const isPlaced = phase.kind === 'offered' || phase.kind === 'running'
    if (!isPlaced || !phase.isUncertain) {
      entry.recovery?.abort()
      entry.recovery = null
      if (isPlaced) entry.waitingFor = null
    }
    // A result says itself what its end frees; any other way off a node frees what was set aside there.
    const hasLeft = phase.kind === 'committing' && event.kind !== 'finished'
    const isFreed = entry.placed !== null && (phase.kind === 'queued' || hasLeft)
    if (isFreed) this.#places.giveUp(entry)
    if (phase.kind === 'committing') this.#places.leave(entry)
    for (const effect of effects) this.#carryOut(entry, effect)
    this.#changed(entry)
    if (isFreed) this.#places.placeWaiting()
    return effects
  }

  #breakOff(entry: Entry): void {
    const epoch = currentEpoch(entry.task)
    if (epoch !== null) this.#step(entry, { kind: 'broke-off', epoch })
  }

  #carryOut(entry: Entry, effect: TaskEffect): void {
    switch (effect.kind) {
      case 'offer':
        this.#offers.start(entry, { epoch: effect.epoch, isStored: false })
        return
      case 'store':
        this.#own(this.#deps.store.put(entry.task), 'store task', entry)
        return
      case 'queue':
        this.#enqueue(entry)
        return
      case 'cancel':
        this.#sendCancel(entry, effect.to, effect.epoch)
        return
      case 'recover':
        this.#recovery.start(entry, { node: effect.executor, epoch: effect.epoch })
        return
      case 'commit':
        this.#own(this.#commit(entry, effect.end), 'commit task', entry)
        return
      case 'fence':
        return // Carried out by `finished`, which waits for it.
    }
  }

  #sendCancel(entry: Entry, node: NodeId, epoch: Epoch): void {
    const run = { taskId: entry.task.taskId, epoch }
    this.#deps.executors.cancel(node, run).catch(() => {
      this.#step(entry, { kind: 'broke-off', epoch }) // Said again when the executor has been found.
    })
  }

  // Executors that were out of reach

  #learn(entry: Entry, { node, epoch }: Target, status: RunStatus): void {
    switch (status.kind) {
      case 'unknown':
        this.#step(entry, { kind: 'unknown', epoch })
        return
      case 'running':
        if (entry.waitingFor !== null) {
          this.#note(entry, `node '${nameOf(this.#deps.peers, node)}' is back`)
        }
        this.#step(entry, { kind: 'alive', epoch, startedAt: status.startedAt })
        this.#offers.attach(entry, node, epoch)
        return
      case 'finished': {
        const { result, revision } = status
        const report = { taskId: entry.task.taskId, epoch, result, revision }
        this.#own(this.#collect(node, report), 'collect the result of task', entry)
      }
    }
  }

  async #collect(node: NodeId, report: FinishedReport): Promise<void> {
    const { taskId, epoch } = report
    await this.finished(node, report)
    // Not needed for correctness: the executor also reports by itself until it is answered.
    await this.#deps.executors.acknowledge(node, { taskId, epoch })
  }

  // Results

  started(from: NodeId, { taskId, epoch, startedAt }: StartedReport): void {
    const entry = this.#entries.get(taskId)
    if (entry !== undefined) this.#step(entry, { kind: 'started', from, epoch, at: startedAt })
  }

  async finished(from: NodeId, report: FinishedReport): Promise<FinishedVerdict> {
    await this.#resumed.promise // Before, it would seem unknown, and be forgotten by its executor.
    const entry = this.#entries.get(report.taskId)
    if (entry === undefined) return 'unknown'
    const { epoch, result } = report
    const wasOffered = entry.task.offers.some(
      (offer) => offer.epoch === epoch && offer.executor === from
    )
    if (!wasOffered) return 'unknown'
    const effects = this.#step(entry, { kind: 'finished', from, epoch, result })
    const fence = effects.find((effect) => effect.kind === 'fence')
    if (fence !== undefined) {
      const draft = fencedDraft(entry.task, fence, this.#options.self)
      await untilDurable(this.#durable, 'fence result', () => this.#deps.ledger.record([draft]))
      this.#own(this.#deps.store.put(entry.task), 'store task', entry)
      return 'fenced'
    }
    if (entry.task.fenced.includes(epoch)) return 'fenced'
    this.#places.ended(entry, report.revision)
    await entry.committed.promise
    return 'committed'
  }

  async #commit(entry: Entry, end: TaskEnd): Promise<void> {
    const { ledger } = this.#deps
    const draft = committedDraft(entry.task, end, this.#options.self)
    let receipt: string
    try {
      receipt = await recordOnce({ ...this.#durable, ledger }, draft, () => {
        this.#note(entry, 'its result cannot be recorded: trying again')
      })
    } catch (error) {
      // The kernel stops; the next one looks in the lane, and else asks the executor.
      entry.committed.reject(new CommitFailedError(entry.task.taskId, error))
      throw error
    }
    // From here it is committed (O2).
    this.#step(entry, { kind: 'committed', receipt })
    this.#over(entry)
  }

  /** An ended task: kept to be shown, as long as there is room. */
  #over(entry: Entry): void {
    this.#ended.add(entry)
    const { phase } = entry.task
    if (phase.kind === 'ended' && phase.isOwed) this.#owed.add(entry)
    entry.committed.resolve(this.#view(entry))
    const [oldest] = this.#ended
    if (this.#ended.size <= (this.#options.endedKept ?? ENDED_TASKS_KEPT) || !oldest) return
    this.#ended.delete(oldest)
    this.#owed.remove(oldest)
    this.#entries.delete(oldest.task.taskId)
    this.#own(this.#deps.store.delete(oldest.task.taskId), 'forget task', oldest)
  }

  // For users

  list(): readonly TaskView[] {
    const admitted = [...this.#entries.values()].filter((entry) => entry.isAdmitted)
    return admitted.map((entry) => this.#view(entry))
  }

  show(taskId: TaskId): TaskView {
    return this.#view(this.#find(taskId))
  }

  async wait(taskId: TaskId, signal: AbortSignal): Promise<TaskView> {
    return abortable(this.#find(taskId).committed.promise, signal)
  }

  async cancel(taskId: TaskId, requester: Requester = OWNER): Promise<TaskView> {
    const entry = this.#find(taskId)
    const resource = subjectOf(entry.task)
    const request = { principal: requester, action: 'task.cancel', resource, context: {} } as const
    await this.#deps.gate.authorizeWith(request, [])
    this.#step(entry, { kind: 'cancel', reason: 'it was cancelled before it started' })
    return this.#view(entry)
  }

  async signal(taskId: TaskId, name: string, requester: Requester = OWNER): Promise<void> {
    const entry = this.#find(taskId)
    const resource = subjectOf(entry.task)
    const context = { signal: name }
    const request = { principal: requester, action: 'task.signal', resource, context } as const
    await this.#deps.gate.authorizeWith(request, [])
    const { phase } = entry.task
    const epoch = currentEpoch(entry.task)
    if (phase.kind !== 'running' || epoch === null) {
      throw new TaskNotRunningError(taskId, this.#view(entry).state)
    }
    await this.#deps.executors.signal(phase.executor, { taskId, epoch }, name)
  }

  events(listener: (event: OriginEvent) => void): () => void {
    return this.#listeners.add(listener)
  }

  #find(taskId: TaskId): Entry {
    const entry = this.#entries.get(taskId)
    if (entry === undefined || !entry.isAdmitted) throw new TaskNotFoundError(taskId)
    return entry
  }

  #view(entry: Entry): TaskView {
    return viewOf(entry.task, this.#options.self, entry.waitingFor)
  }

  #changed(entry: Entry): void {
    if (entry.isAdmitted) this.#listeners.emit({ kind: 'changed', task: this.#view(entry) })
  }

  #note(entry: Entry, text: string): void {
    entry.io?.note(text)
    this.#listeners.emit({ kind: 'note', taskId: entry.task.taskId, text })
  }

  // Start and stop

  async resume(): Promise<void> {
    const { store, clock } = this.#deps
    const { tasks, adopted, dropped } = await readStoredTasks(this.#deps, clock.wall())
    this.#isResumed = true
    for (const task of tasks) {
      const entry = this.#newEntry(task)
      entry.isAdmitted = true
      this.#entries.set(task.taskId, entry)
      if (task.phase.kind === 'ended') this.#over(entry)
      else this.#goOn(entry)
    }
    this.#resumed.resolve()
    await Promise.all([
      ...adopted.map((task) => store.put(task)),
      ...dropped.map((taskId) => store.delete(taskId))
    ])
    this.#places.placeWaiting()
  }

  /** Unfinished: whoever was attached has gone with the old kernel, and the executor is asked. */
  #goOn(entry: Entry): void {
    const { phase, spec } = entry.task
    if (phase.kind === 'offered' || phase.kind === 'running') {
      entry.task = { ...entry.task, phase: { ...phase, isUncertain: false } }
      if (spec.isAttached) this.#step(entry, ORPHANED)
      this.#breakOff(entry)
    } else if (spec.isAttached) {
      this.#step(entry, ORPHANED)
    } else {
      this.#patience.start(entry)
      this.#places.add(entry)
    }
  }

  async stop(): Promise<void> {
    if (!this.#stopping.signal.aborted) {
      this.#stopListening()
      this.#stopping.abort(new SchedulerStoppedError('go on'))
    }
    const unfinished = [...this.#entries.values()].filter((entry) => !this.#ended.has(entry))
    for (const entry of unfinished) {
      if (entry.task.phase.kind === 'committing') continue
      const error = new SchedulerStoppedError(`wait for task ${entry.task.taskId}`)
      this.#note(entry, 'the kernel is stopping: it goes on with the task when it starts again')
      entry.io?.giveUp(error)
      entry.committed.reject(error)
    }
    await Promise.allSettled(unfinished.map((entry) => entry.committed.promise))
  }

  /** Owns a detached piece of work: its failure is logged here. */
  #own(work: Promise<unknown>, what: string, entry: Entry): void {
    work.catch((error: unknown) => {
      this.#deps.log.error(`Cannot ${what}`, { taskId: entry.task.taskId, why: String(error) })
    })
  }
}
