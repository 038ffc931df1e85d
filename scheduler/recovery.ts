// A task whose executor is out of reach, or did not answer: the user is told, the executor is asked as
// soon as it can be, and when the grace is over the task is given up. Part of the origin's driver.

import { millis, underEither, WeaverError } from '../core/index.ts'
import type { Clock, Epoch, Logger, Millis, NodeId } from '../core/index.ts'
import { ASK_AGAIN_LAST_MS, RETRY_FIRST_MS } from './limits.ts'
import type { Entry, EntryOwner } from './origin-entry.ts'
import type { ExecutorClient, PeerDirectory, RunStatus } from './ports.ts'
import { isReachable, nameOf, untilReachable } from './reach.ts'

export interface RecoveryDeps {
  readonly peers: PeerDirectory
  readonly executors: ExecutorClient
  readonly clock: Clock
  readonly log: Logger
  readonly owner: EntryOwner
  /** What the executor says. */
  readonly onStatus: (entry: Entry, target: Target, status: RunStatus) => void
  readonly stopping: AbortSignal
}

export interface Target {
  readonly node: NodeId
  readonly epoch: Epoch
}

export class Recovery {
  readonly #deps: RecoveryDeps
  readonly #graceMs: Millis

  constructor(deps: RecoveryDeps, graceMs: Millis) {
    this.#deps = deps
    this.#graceMs = graceMs
  }

  /** Goes on until `entry.recovery` is aborted: when the task is not uncertain any more. */
  start(entry: Entry, target: Target): void {
    const { peers, owner, stopping } = this.#deps
    const recovery = new AbortController()
    entry.recovery = recovery
    if (!isReachable(peers, target.node)) this.#tellUnreachable(entry, target.node)
    const until = (work: (signal: AbortSignal) => Promise<void>): Promise<void> =>
      underEither(stopping, recovery, work)
    const grace = until((signal) => this.#countGrace(entry, target, signal))
    const asking = until((signal) => this.#askUntilKnown(entry, target, signal))
    owner.own(grace, 'count the grace of task', entry)
    owner.own(asking, 'ask about task', entry)
  }

  #tellUnreachable(entry: Entry, node: NodeId): void {
    const { peers, owner } = this.#deps
    const seconds = Math.round(this.#graceMs / 1000)
    entry.waitingFor = `node '${nameOf(peers, node)}' is not reachable`
    owner.note(entry, `${entry.waitingFor}: waiting ${seconds} s for it to come back`)
  }

  async #countGrace(entry: Entry, { epoch }: Target, signal: AbortSignal): Promise<void> {
    try {
      await this.#deps.clock.sleep(this.#graceMs, signal)
    } catch {
      return // Known again, or stopping.
    }
    entry.io?.giveUp(new WeaverError('SCHEDULER_TASK_LOST', 'Cannot wait for output any longer'))
    this.#deps.owner.step(entry, { kind: 'grace-over', epoch })
  }

  async #askUntilKnown(entry: Entry, target: Target, signal: AbortSignal): Promise<void> {
    const { peers, clock, executors, log } = this.#deps
    const { taskId } = entry.task
    const { node, epoch } = target
    // At once the first time: a restarted executor knows at once that the task is lost.
    let delay: number = entry.isRecovered ? RETRY_FIRST_MS : 0
    entry.isRecovered = true
    for (;;) {
      try {
        if (delay > 0) await clock.sleep(millis(delay), signal)
        await untilReachable(peers, node, signal)
      } catch {
        return // Known again, or stopping.
      }
      delay = Math.min(Math.max(RETRY_FIRST_MS, delay * 2), ASK_AGAIN_LAST_MS)
      try {
        const status = await executors.status(node, { taskId, epoch })
        if (!signal.aborted) this.#deps.onStatus(entry, target, status)
        return
      } catch (error) {
        const why = error instanceof WeaverError ? error.code : String(error)
        log.info('Cannot ask executor', { taskId, node, why })
      }
    }
  }
}
