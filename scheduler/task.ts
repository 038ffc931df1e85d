// The life of a task as its origin sees it: a pure state machine. The driver (origin.ts) carries out the
// effects that `stepTask` returns, in order, and feeds back what came of them.
//
// Invariants
//   T1. Epochs of a task only grow; each offer has its own, and is stored before it is sent.
//   T2. A result counts only if it comes from the executor of the newest epoch, and only the first one.
//       Every other result is fenced: recorded, never believed.
//   T3. A task is committed once: from `committing` there is one way out, and `ended` is final.
//   T4. After an executor may have started an epoch, no other is offered before the executor has said
//       that it did not. A task whose executor stays away is lost, not started a second time.
//   T5. A task without anybody attached any more, that was to be attached, is not started.

import { epoch, unreachable } from '../core/index.ts'
import type { Epoch, NodeId, TaskId, UnixMillis } from '../core/index.ts'
import { OFFERS_REMEMBERED } from './limits.ts'
import { endStateOf } from './result.ts'
import type { EndState, ExitStatus, TaskResult } from './result.ts'
import type { TaskSpec } from './spec.ts'

export type TaskStateName = 'queued' | 'offered' | 'running' | EndState

/** How a task ended: what is committed. */
export interface TaskEnd {
  readonly state: EndState
  readonly exit: ExitStatus | null
  readonly reason: string | null
  readonly startedAt: UnixMillis | null
  readonly endedAt: UnixMillis
}

export type TaskPhase =
  | { readonly kind: 'queued' }
  | {
      readonly kind: 'offered' | 'running'
      readonly executor: NodeId
      /** Somebody wants it to end: the executor is told whenever it can be. */
      readonly isCancelling: boolean
      /** Out of reach, or a call broke off: nothing is known until the executor is asked. */
      readonly isUncertain: boolean
    }
  | {
      readonly kind: 'committing'
      readonly from: 'queued' | 'offered' | 'running'
      readonly executor: NodeId | null
      readonly end: TaskEnd
      /** The origin decided by itself that it is lost: whatever its executor says later is too late. */
      readonly isGivenUp: boolean
    }
  | {
      readonly kind: 'ended'
      readonly executor: NodeId | null
      readonly end: TaskEnd
      readonly isGivenUp: boolean
      /** The id of the chain entry that committed it. */
      readonly receipt: string
      /** Its executor may still run it, or keep its result: it is told when it can be reached. */
      readonly isOwed: boolean
    }

export interface PastOffer {
  readonly epoch: Epoch
  readonly executor: NodeId
}

export interface Task {
  readonly taskId: TaskId
  readonly spec: TaskSpec
  readonly submittedAt: UnixMillis
  readonly startedAt: UnixMillis | null
  /** How often an executor accepted it. */
  readonly attempts: number
  /** The newest offers, oldest first. The epoch of the last is the current one. */
  readonly offers: readonly PastOffer[]
  /** It was to be attached, and nobody is any more. */
  readonly isOrphaned: boolean
  /** Epochs whose late results have been recorded. */
  readonly fenced: readonly Epoch[]
  readonly phase: TaskPhase
}

export type TaskEvent =
  | { readonly kind: 'placed'; readonly node: NodeId }
  | { readonly kind: 'accepted'; readonly epoch: Epoch }
  /** Declined, or surely never sent: nothing was started. */
  | { readonly kind: 'declined'; readonly epoch: Epoch }
  | { readonly kind: 'refused'; readonly epoch: Epoch; readonly reason: string }
  /** The offer, or a question about it, broke off: the outcome is unknown. */
  | { readonly kind: 'broke-off'; readonly epoch: Epoch }
  | {
      readonly kind: 'started'
      readonly from: NodeId
      readonly epoch: Epoch
      readonly at: UnixMillis
    }
  | {
      readonly kind: 'finished'
      readonly from: NodeId
      readonly epoch: Epoch
      readonly result: TaskResult
    }
  /** The executor says that it runs it. */
  | { readonly kind: 'alive'; readonly epoch: Epoch; readonly startedAt: UnixMillis | null }
  /** The executor says that it never accepted this epoch, and never will. */
  | { readonly kind: 'unknown'; readonly epoch: Epoch }
  | { readonly kind: 'unreachable'; readonly node: NodeId }
  | { readonly kind: 'grace-over'; readonly epoch: Epoch }
  | { readonly kind: 'cancel'; readonly reason: string }
  /** Its time is up. Once it is placed its executor counts, from its start. */
  | { readonly kind: 'overdue'; readonly reason: string }
  | { readonly kind: 'orphaned' }
  | { readonly kind: 'committed'; readonly receipt: string }
  | { readonly kind: 'settled' }

export type TaskEffect =
  /** Store, and only when that is durable send the offer. */
  | { readonly kind: 'offer'; readonly to: NodeId; readonly epoch: Epoch }
  | { readonly kind: 'store' }
  | { readonly kind: 'queue' }
  | { readonly kind: 'cancel'; readonly to: NodeId; readonly epoch: Epoch }
  /**
   * Ask the executor what became of this epoch, as soon as it can be reached; `grace-over` if it stays
   * away. Ends when the task is not uncertain any more.
   */
  | { readonly kind: 'recover'; readonly executor: NodeId; readonly epoch: Epoch }
  | { readonly kind: 'commit'; readonly end: TaskEnd }
  | {
      readonly kind: 'fence'
      readonly from: NodeId
      readonly epoch: Epoch
      readonly result: TaskResult
    }

export interface TaskStep {
  readonly task: Task
  readonly effects: readonly TaskEffect[]
}

export function newTask(task: Pick<Task, 'taskId' | 'spec' | 'submittedAt'>): Task {
  return {
    ...task,
    startedAt: null,
    attempts: 0,
    offers: [],
    isOrphaned: false,
    fenced: [],
    phase: { kind: 'queued' }
  }
}

/** The newest epoch, or null before the first offer. */
export function currentEpoch(task: Task): Epoch | null {
  return task.offers.at(-1)?.epoch ?? null
}

/** (task, event, now) → (task, effects). Pure; `now` is the wall clock, for the record only. */
export function stepTask(task: Task, event: TaskEvent, now: UnixMillis): TaskStep {
  switch (task.phase.kind) {
    case 'queued':
      return stepQueued(task, event, now)
    case 'offered':
    case 'running':
      return stepPlaced(task, task.phase, event, now)
    case 'committing':
    case 'ended':
      return stepOver(task, task.phase, event)
    default:
      return unreachable(task.phase)
  }
}

function stepQueued(task: Task, event: TaskEvent, now: UnixMillis): TaskStep {
  switch (event.kind) {
    case 'placed':
      return offerTo(task, event.node)
    case 'cancel':
      return end(task, unstarted('cancelled', event.reason, now))
    case 'overdue':
      return end(task, unstarted('timed-out', event.reason, now))
    case 'orphaned':
      return end(task, unstarted('cancelled', NOBODY_ATTACHED, now)) // T5
    case 'finished':
      return late(task, event)
    default:
      return { task, effects: [] }
  }
}

function offerTo(task: Task, node: NodeId): TaskStep {
  const next = epoch((currentEpoch(task) ?? 0) + 1) // T1
  const offers = [...task.offers, { epoch: next, executor: node }].slice(-OFFERS_REMEMBERED)
  const phase: TaskPhase = {
    kind: 'offered',
    executor: node,
    isCancelling: false,
    isUncertain: false
  }
  return { task: { ...task, offers, phase }, effects: [{ kind: 'offer', to: node, epoch: next }] }
}

type Placed = Extract<TaskPhase, { kind: 'offered' | 'running' }>
type Over = Extract<TaskPhase, { kind: 'committing' | 'ended' }>

function stepPlaced(task: Task, phase: Placed, event: TaskEvent, now: UnixMillis): TaskStep {
  switch (event.kind) {
    case 'accepted':
      return isCurrent(task, event.epoch) ? run(task, phase, null) : same(task)
    case 'declined':
      return isCurrent(task, event.epoch) && phase.kind === 'offered'
        ? notStarted(task, phase, now)
        : same(task)
    case 'refused':
      return isCurrent(task, event.epoch) && phase.kind === 'offered'
        ? end(task, unstarted('failed', event.reason, now))
        : same(task)
    case 'broke-off':
      return isCurrent(task, event.epoch) ? lose(task, phase) : same(task)
    case 'started':
      return isFromCurrent(task, event.from, event.epoch) ? run(task, phase, event.at) : same(task)
    case 'finished':
      return isFromCurrent(task, event.from, event.epoch)
        ? finish(task, phase, event.result)
        : late(task, event)
    case 'alive':
      return isCurrent(task, event.epoch) ? run(task, phase, event.startedAt) : same(task)
    case 'unknown':
      return isCurrent(task, event.epoch) ? notThere(task, phase, now) : same(task)
    case 'unreachable':
      return event.node === phase.executor ? lose(task, phase) : same(task)
    case 'grace-over':
      return isCurrent(task, event.epoch) && phase.isUncertain
        ? giveUp(task, phase, now)
        : same(task)
    case 'cancel':
      return cancel(task, phase)
    case 'orphaned':
      return { task: { ...task, isOrphaned: true }, effects: [{ kind: 'store' }] }
    default:
      return same(task)
  }
}

/** Committing or ended: nothing changes the outcome any more (T3). */
function stepOver(task: Task, phase: Over, event: TaskEvent): TaskStep {
  switch (event.kind) {
    case 'finished': {
      const isRepeated =
        phase.executor === event.from &&
        isFromCurrent(task, event.from, event.epoch) &&
        !phase.isGivenUp
      return isRepeated ? same(task) : late(task, event)
    }
    case 'committed': {
      if (phase.kind === 'ended') return same(task)
      const { from: _, ...rest } = phase
      const { receipt } = event
      const next: TaskPhase = { ...rest, kind: 'ended', receipt, isOwed: phase.isGivenUp }
      return { task: { ...task, phase: next }, effects: [{ kind: 'store' }] }
    }
    case 'settled':
      if (phase.kind === 'committing' || !phase.isOwed) return same(task)
      return { task: { ...task, phase: { ...phase, isOwed: false } }, effects: [{ kind: 'store' }] }
    default:
      return same(task)
  }
}

/** It runs: told by the answer to the offer, by the executor's report, or by its status. */
function run(task: Task, phase: Placed, startedAt: UnixMillis | null): TaskStep {
  const { executor, isCancelling } = phase
  const current = currentEpoch(task)
  const effects: TaskEffect[] = phase.kind === 'offered' ? [{ kind: 'store' }] : []
  // What was wished before there was anything to cancel, or may have been lost with the connection.
  if (isCancelling && current !== null && (phase.kind === 'offered' || phase.isUncertain)) {
    effects.push({ kind: 'cancel', to: executor, epoch: current })
  }
  const attempts = phase.kind === 'offered' ? task.attempts + 1 : task.attempts
  const next: TaskPhase = { kind: 'running', executor, isCancelling, isUncertain: false }
  return {
    task: { ...task, attempts, startedAt: startedAt ?? task.startedAt, phase: next },
    effects
  }
}

/** The offer came to nothing, for certain: it may be offered again, unless nobody wants it any more. */
function notStarted(task: Task, phase: Placed, now: UnixMillis): TaskStep {
  if (phase.isCancelling) return end(task, unstarted('cancelled', CANCELLED, now))
  if (task.isOrphaned) return end(task, unstarted('cancelled', NOBODY_ATTACHED, now)) // T5
  return { task: { ...task, phase: { kind: 'queued' } }, effects: [{ kind: 'queue' }] }
}

/** The executor says that it does not know the task. */
function notThere(task: Task, phase: Placed, now: UnixMillis): TaskStep {
  if (phase.kind === 'running') return giveUp(task, phase, now) // It lost what it had stored.
  return notStarted(task, phase, now)
}

function finish(task: Task, phase: Placed, result: TaskResult): TaskStep {
  const startedAt = result.startedAt ?? task.startedAt
  const attempts = phase.kind === 'offered' ? task.attempts + 1 : task.attempts
  return end(
    { ...task, startedAt, attempts },
    {
      state: endStateOf(result),
      exit: result.exit,
      reason: result.reason,
      startedAt,
      endedAt: result.endedAt
    }
  )
}

function lose(task: Task, phase: Placed): TaskStep {
  const current = currentEpoch(task)
  if (phase.isUncertain || current === null) return same(task)
  return {
    task: { ...task, phase: { ...phase, isUncertain: true } },
    effects: [{ kind: 'recover', executor: phase.executor, epoch: current }]
  }
}

function cancel(task: Task, phase: Placed): TaskStep {
  const current = currentEpoch(task)
  if (phase.isCancelling || current === null) return same(task)
  const cancelling: Task = { ...task, phase: { ...phase, isCancelling: true } }
  const effects: TaskEffect[] = [{ kind: 'store' }]
  // An offer that has no answer yet is cancelled when it is accepted: before, there is nothing to cancel.
  if (phase.kind === 'running') {
    effects.push({ kind: 'cancel', to: phase.executor, epoch: current })
  }
  return { task: cancelling, effects }
}

function end(task: Task, ended: TaskEnd, isGivenUp: boolean = false): TaskStep {
  const { phase } = task
  if (phase.kind === 'committing' || phase.kind === 'ended') return same(task)
  const executor = phase.kind === 'queued' ? null : phase.executor
  const next: TaskPhase = { kind: 'committing', from: phase.kind, executor, end: ended, isGivenUp }
  return { task: { ...task, phase: next }, effects: [{ kind: 'commit', end: ended }] }
}

/** A result that must not count (T2): recorded once, if the sender did have that epoch, else ignored. */
function late(task: Task, event: Extract<TaskEvent, { kind: 'finished' }>): TaskStep {
  const wasOffered = task.offers.some(
    (offer) => offer.epoch === event.epoch && offer.executor === event.from
  )
  const { from, epoch: stale, result } = event
  if (!wasOffered || task.fenced.includes(stale)) return same(task)
  const fenced = [...task.fenced, stale].slice(-OFFERS_REMEMBERED)
  return { task: { ...task, fenced }, effects: [{ kind: 'fence', from, epoch: stale, result }] }
}

const CANCELLED = 'it was cancelled before it started'
const NOBODY_ATTACHED = 'nobody was attached any more when it could have started'

function unstarted(
  state: 'cancelled' | 'failed' | 'timed-out',
  reason: string,
  now: UnixMillis
): TaskEnd {
  return { state, exit: null, reason, startedAt: null, endedAt: now }
}

function giveUp(task: Task, phase: Placed, now: UnixMillis): TaskStep {
  const reason =
    phase.kind === 'offered'
      ? 'its executor went out of reach before it answered the offer: it may have started'
      : 'its executor went out of reach, or lost its records, while it ran'
  const { startedAt } = task
  return end(task, { state: 'lost', exit: null, reason, startedAt, endedAt: now }, true)
}

function isCurrent(task: Task, of: Epoch): boolean {
  return currentEpoch(task) === of
}

function isFromCurrent(task: Task, from: NodeId, of: Epoch): boolean {
  const newest = task.offers.at(-1)
  return newest !== undefined && newest.epoch === of && newest.executor === from
}

function same(task: Task): TaskStep {
  return { task, effects: [] }
}
