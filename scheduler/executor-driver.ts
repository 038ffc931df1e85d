// The executor: runs tasks that origins offer to this node, and keeps each result until its origin has
// it. Decisions are in execution.ts (X1 to X4) and resources.ts (R1, R2); this file carries them out.
//
// If the kernel dies here: an accepted task is stored before its origin hears of it, so at the next start
// it is either finished (the result was durable) or reported as lost (its children were reaped).

import { confinementName, WeaverError } from '../core/index.ts'
import type { FrameChannel, Millis, NodeId, Pid, TaskId } from '../core/index.ts'
import { NotAttachableError, SchedulerStartingError, TaskNotRunningError } from './errors.ts'
import {
  acceptedDraft,
  commandContext,
  Fences,
  principalOf,
  startFailure,
  startedDrafts
} from './executor-records.ts'
import { runOf, type ExecutorEvent } from './executor-events.ts'
import { ChildIo } from './executor-io.ts'
import { newExecution, stepExecution } from './execution.ts'
import type { Execution, ExecutionEffect, ExecutionEvent } from './execution.ts'
import type { ExecutionRecord } from './execution-record.ts'
import { Results } from './executor-results.ts'
import type { Executor, ExecutorDeps, ExecutorOptions } from './executor.ts'
import { gpuVariables } from './gpu.ts'
import { ATTACH_WAIT_MS, KEPT_RESULTS_MAX, STOP_GRACE_MS } from './limits.ts'
import { Listeners } from './listeners.ts'
import type {
  ExecutorLoad,
  Offer,
  OfferAnswer,
  RunningProcess,
  RunStatus,
  TaskRun
} from './ports.ts'
import type { Grant, Resources } from './resources.ts'
import type { TaskResult } from './result.ts'

/** One accepted run, from its acceptance until its origin has the result. */
interface Run extends TaskRun {
  readonly origin: NodeId
  /** Null for a run of an earlier kernel: only its result is left. */
  execution: Execution | null
  readonly grant: Grant | null
  readonly revision: number
  process: RunningProcess | null
  /** Settles when nothing that the command left behind runs any more. */
  swept: Promise<unknown>
  io: ChildIo | null
  answer: Promise<OfferAnswer> | null
  /** The result, once it is durable (X4). */
  result: TaskResult | null
  /** Settles when the result is durable, or cannot be made so. */
  readonly over: PromiseWithResolvers<void>
  /** The report that is under way, if any. */
  reporting: Promise<void>
  readonly timer: AbortController
}

export function createExecutor(deps: ExecutorDeps, options: ExecutorOptions): Executor {
  return new ExecutorDriver(deps, options)
}

class ExecutorDriver implements Executor {
  readonly #deps: ExecutorDeps
  readonly #options: ExecutorOptions
  readonly #resources: Resources
  readonly #results: Results
  readonly #runs = new Map<TaskId, Run>()
  /** Runs whose origin has the result, and may still come for the output. */
  readonly #lateOutputs = new Map<TaskId, Run>()
  readonly #fences = new Fences()
  readonly #loadListeners = new Listeners<void>()
  readonly #eventListeners = new Listeners<ExecutorEvent>()
  readonly #stopping = new AbortController()
  #isResumed = false
  #keptResults = 0

  constructor(deps: ExecutorDeps, options: ExecutorOptions) {
    this.#deps = deps
    this.#options = options
    this.#resources = deps.resources
    this.#results = new Results({ ...deps, stopping: this.#stopping.signal }, options)
    deps.resources.onLoan(() => this.#loadListeners.emit())
  }

  load(): ExecutorLoad {
    return this.#resources.load()
  }

  onLoadChange(listener: () => void): () => void {
    return this.#loadListeners.add(listener)
  }

  onEvent(listener: (event: ExecutorEvent) => void): () => void {
    return this.#eventListeners.add(listener)
  }

  offer(from: NodeId, offer: Offer): Promise<OfferAnswer> {
    const known = this.#runs.get(offer.taskId)
    if (known !== undefined) return this.#offerAgain(from, offer, known)
    const { node } = offer.spec
    if (node !== null && node !== this.#options.self) {
      const reason = 'the task is for another node'
      return Promise.resolve({ kind: 'refused', code: 'SCHEDULER_WRONG_NODE', reason })
    }
    if (this.#stopping.signal.aborted) return this.#declined('its kernel is stopping')
    if (!this.#isResumed) return this.#declined('its kernel is starting')
    if (this.#fences.holds(from, offer)) return this.#declined('this offer came too late')
    if (this.#keptResults >= KEPT_RESULTS_MAX) {
      return this.#declined(`it keeps ${this.#keptResults} results that nobody has collected`)
    }
    const grant = this.#resources.take(offer.spec.gpu) // Before the first await: no race for a GPU (R1).
    if (typeof grant === 'string') return this.#declined(grant)
    const run = newRun(from, offer, { grant, revision: this.#resources.revision })
    this.#runs.set(offer.taskId, run)
    this.#loadListeners.emit()
    run.answer = this.#accept(run, offer, grant)
    return run.answer
  }

  #offerAgain(from: NodeId, offer: Offer, known: Run): Promise<OfferAnswer> {
    if (known.origin !== from) {
      const reason = 'another node is the origin of this task'
      return Promise.resolve({ kind: 'refused', code: 'SCHEDULER_WRONG_ORIGIN', reason })
    }
    if (known.epoch === offer.epoch && known.answer !== null) return known.answer // X2
    if (known.epoch < offer.epoch) this.#end(known, 'cancelled')
    return this.#declined(`it has this task at epoch ${known.epoch}`)
  }

  #declined(reason: string): Promise<OfferAnswer> {
    return Promise.resolve({ kind: 'declined', reason, revision: this.#resources.revision })
  }

  /** The decision, the acceptance and the stored record in one parallel durable step. */
  async #accept(run: Run, offer: Offer, grant: Grant): Promise<OfferAnswer> {
    const { gate, store, pids } = this.#deps
    const request = {
      principal: principalOf(run.origin, this.#options.self),
      action: 'task.accept',
      resource: `task:${run.taskId}`,
      context: commandContext(offer),
      command: offer.spec.command,
      environment: offer.spec.env
    } as const
    try {
      const [pid] = await Promise.all([
        pids.next(),
        gate.authorizeWith(request, [acceptedDraft(this.#options.self, run, grant.gpus)]),
        store.put({ ...runOf(run), origin: run.origin, result: null })
      ])
      // From here the acceptance is durable: a crash ends the task as lost (X1).
      this.#step(run, { kind: 'accepted', pid })
      const gpus = grant.gpus.map((gpu) => gpu.index)
      return { kind: 'accepted', revision: run.revision, gpus }
    } catch (error) {
      return this.#notAccepted(run, grant, error)
    }
  }

  #notAccepted(run: Run, grant: Grant, error: unknown): Promise<OfferAnswer> {
    this.#runs.delete(run.taskId)
    this.#fences.add(run.origin, run) // The lane may say that it was accepted: never start it later.
    this.#free(grant)
    run.over.resolve()
    this.#results.forget(run.taskId)
    const { code, message } = error instanceof WeaverError ? error : { code: null, message: '' }
    const reason = message.slice(0, 300)
    if (code === 'GOVERNANCE_DENIED') return Promise.resolve({ kind: 'refused', code, reason })
    // Offered again later, it may have been given.
    if (code === 'GOVERNANCE_APPROVAL_PENDING') return this.#declined(reason)
    this.#deps.log.error('Cannot accept task', { taskId: run.taskId, why: String(error) })
    return this.#declined('it cannot record that it accepted the task')
  }

  #step(run: Run, event: ExecutionEvent): void {
    if (run.execution === null) return
    const step = stepExecution(run.execution, event, this.#deps.clock.wall())
    run.execution = step.execution
    for (const effect of step.effects) this.#carryOut(run, step.execution, effect)
  }

  #carryOut(run: Run, execution: Execution, effect: ExecutionEffect): void {
    switch (effect.kind) {
      case 'spawn':
        this.#own(this.#spawn(run, execution, effect.pid), 'start task', run)
        return
      case 'report-started':
        this.#reportStarted(run, execution, effect)
        return
      case 'stop':
        if (run.process !== null) this.#own(run.process.stop(this.#stopGraceMs()), 'stop task', run)
        return
      case 'finish':
        this.#own(this.#finish(run, effect), 'finish task', run)
        return
    }
  }

  async #spawn(run: Run, execution: Execution, pid: Pid): Promise<void> {
    const { processes, clock } = this.#deps
    const { spec } = execution
    if (spec.isAttached) {
      run.io = new ChildIo({ clock, detach: () => run.process?.detachIo() })
      void run.io.expire(this.#options.attachWaitMs ?? ATTACH_WAIT_MS) // Never rejects.
    }
    this.#eventListeners.emit({
      kind: 'starting',
      pid,
      ...runOf(run),
      origin: run.origin,
      command: spec.command,
      containment: confinementName(spec.sandbox),
      gpus: execution.gpus
    })
    let process: RunningProcess
    try {
      const io = run.io?.childEnd ?? null
      const env = this.#environment(execution)
      const { command, cwd, sandbox } = spec
      process = await processes.spawn({
        pid,
        command,
        env,
        cwd,
        io,
        sandbox,
        secretsOf: { ...runOf(run), node: run.origin },
        gpus: execution.gpus
      })
    } catch (error) {
      run.io?.childEnd.end()
      this.#step(run, { kind: 'spawn-failed', ...startFailure(error) })
      return
    }
    run.process = process
    if (run.io?.isDetached === true) process.detachIo()
    this.#step(run, { kind: 'spawned' })
    const { note = null, ...exit } = await process.exited
    run.swept = process.stop(this.#stopGraceMs()) // What it left behind ends with it.
    this.#step(run, { kind: 'exited', exit, note })
  }

  #environment(execution: Execution): Readonly<Record<string, string>> {
    return {
      ...execution.spec.env,
      ...gpuVariables(execution.gpus),
      WEAVER_TASK_ID: execution.taskId,
      WEAVER_EPOCH: String(execution.epoch),
      WEAVER_NODE: this.#options.name
    }
  }

  #reportStarted(
    run: Run,
    execution: Execution,
    started: Extract<ExecutionEffect, { kind: 'report-started' }>
  ): void {
    const { pid, startedAt } = started
    const drafts = startedDrafts(this.#options, execution, pid)
    this.#own(this.#deps.ledger.record(drafts), 'record the start of task', run)
    this.#deps.origins.started(run.origin, { ...runOf(run), pid, startedAt })
    const osPid = run.process?.osPid ?? 0
    this.#eventListeners.emit({ kind: 'running', ...runOf(run), pid, osPid, startedAt })
    const { timeoutMs } = execution.spec
    if (timeoutMs !== null) void this.#limitTime(run, timeoutMs) // Never rejects.
  }

  async #limitTime(run: Run, timeoutMs: Millis): Promise<void> {
    try {
      await this.#deps.clock.sleep(timeoutMs, run.timer.signal)
    } catch {
      return // It ended in time.
    }
    this.#end(run, 'timed-out')
  }

  #end(run: Run, why: 'cancelled' | 'timed-out' | 'stopped'): void {
    this.#step(run, { kind: 'end', why })
  }

  async #finish(
    run: Run,
    { pid, result }: Extract<ExecutionEffect, { kind: 'finish' }>
  ): Promise<void> {
    run.timer.abort()
    if (pid !== null) this.#eventListeners.emit({ kind: 'ended', ...runOf(run), pid, result })
    try {
      await Promise.all([this.#freeWhenSwept(run), this.#results.makeDurable(run, { pid, result })])
    } finally {
      run.over.resolve()
    }
    // From here the result is durable: it is reported, now or by a later kernel (X4).
    this.#keep(run, result)
  }

  /** Its GPUs are free, and its end is reported, only when nothing of it runs any more. */
  async #freeWhenSwept(run: Run): Promise<void> {
    try {
      await run.swept
    } catch (error) {
      const why = String(error)
      this.#deps.log.error('Cannot end what a task left behind', { taskId: run.taskId, why })
    }
    if (run.grant !== null) this.#free(run.grant)
  }

  #keep(run: Run, result: TaskResult): void {
    run.result = result
    this.#keptResults += 1
    const isWanted = (): boolean => this.#runs.get(run.taskId) === run
    run.reporting = this.#results.report(run, result, { isWanted, taken: () => this.#drop(run) })
  }

  #drop(run: Run): void {
    if (this.#runs.get(run.taskId) !== run) return
    this.#runs.delete(run.taskId)
    this.#keptResults -= 1
    this.#fences.add(run.origin, run)
    this.#results.forget(run.taskId)
    this.#deliverLateOutput(run)
  }

  /** The origin may come for the output after it has the result: its end is held until it expires. */
  #deliverLateOutput(run: Run): void {
    if (run.io === null) return
    this.#lateOutputs.set(run.taskId, run)
    void run.io.settled.then(() => this.#lateOutputs.delete(run.taskId))
  }

  async attach(from: NodeId, { taskId, epoch }: TaskRun, channel: FrameChannel): Promise<void> {
    const run = this.#runs.get(taskId) ?? this.#lateOutputs.get(taskId)
    const isTheirs = run?.origin === from && run.epoch === epoch
    const isJoined = isTheirs && run.io !== null && (await run.io.join(channel))
    if (!isJoined) throw new NotAttachableError(taskId)
  }

  status(from: NodeId, asked: TaskRun): RunStatus {
    const run = this.#find(from, asked)
    if (run === null) {
      this.#fences.add(from, asked)
      return { kind: 'unknown' }
    }
    if (run.result !== null) {
      return { kind: 'finished', result: run.result, revision: this.#resources.revision }
    }
    const phase = run.execution?.phase
    return { kind: 'running', startedAt: phase?.kind === 'running' ? phase.startedAt : null }
  }

  cancel(from: NodeId, asked: TaskRun): void {
    const run = this.#find(from, asked)
    if (run !== null) this.#end(run, 'cancelled')
  }

  disown(origin: NodeId): void {
    for (const run of this.#runs.values()) if (run.origin === origin) this.#end(run, 'cancelled')
  }

  signal(from: NodeId, asked: TaskRun, name: string): void {
    const run = this.#find(from, asked)
    if (run === null || run.process === null || run.execution?.phase.kind !== 'running') {
      throw new TaskNotRunningError(asked.taskId, run === null ? 'not known' : 'not running')
    }
    run.process.signal(name)
  }

  acknowledge(from: NodeId, asked: TaskRun): void {
    const run = this.#find(from, asked)
    if (run !== null && run.result !== null) this.#drop(run)
  }

  /** Only its origin may ask about a run, and only about the epoch that this node has. */
  #find(from: NodeId, { taskId, epoch }: TaskRun): Run | null {
    // Before, a run whose result is stored would seem unknown.
    if (!this.#isResumed) throw new SchedulerStartingError('answer for a task')
    const run = this.#runs.get(taskId)
    return run?.origin === from && run.epoch === epoch ? run : null
  }

  async resume(): Promise<void> {
    for (const { record, result } of await this.#results.restore()) {
      const run = newRun(record.origin, record, { grant: null, revision: 0 })
      run.over.resolve()
      this.#runs.set(record.taskId, run)
      this.#keep(run, result)
    }
    this.#isResumed = true
  }

  async stop(): Promise<void> {
    const runs = [...this.#runs.values()]
    if (!this.#stopping.signal.aborted) {
      this.#stopping.abort(new WeaverError('SCHEDULER_STOPPED', 'The kernel is stopping'))
      for (const run of runs) this.#end(run, 'stopped')
    }
    await Promise.all(runs.map((run) => run.over.promise))
    await Promise.all(runs.map((run) => run.reporting)) // One last try each, bounded by its own limit.
    for (const run of this.#lateOutputs.values()) run.io?.detach('the kernel is stopping')
  }

  #free(grant: Grant): void {
    this.#resources.free(grant)
    this.#loadListeners.emit()
  }

  #stopGraceMs(): Millis {
    return this.#options.stopGraceMs ?? STOP_GRACE_MS
  }

  /** Owns a detached piece of work: its failure is logged here. */
  #own(work: Promise<unknown>, what: string, run: Run): void {
    work.catch((error: unknown) => {
      this.#deps.log.error(`Cannot ${what}`, { taskId: run.taskId, why: String(error) })
    })
  }
}

function newRun(
  origin: NodeId,
  { taskId, epoch, ...rest }: Offer | ExecutionRecord,
  { grant, revision }: Pick<Run, 'grant' | 'revision'>
): Run {
  const spec = 'spec' in rest ? rest.spec : null
  const gpus = grant?.gpus ?? []
  const execution = spec === null ? null : newExecution({ taskId, epoch, origin, spec, gpus })
  return {
    taskId,
    epoch,
    origin,
    execution,
    grant,
    revision,
    process: null,
    swept: Promise.resolve(),
    io: null,
    answer: null,
    result: null,
    over: Promise.withResolvers<void>(),
    reporting: Promise.resolve(),
    timer: new AbortController()
  }
}
