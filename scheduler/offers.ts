// Sending an offer and acting on its answer. Part of the origin's driver.

import { millis, WeaverError } from '../core/index.ts'
import type { Clock, Epoch, Logger, Millis, NodeId } from '../core/index.ts'
import { RETRY_FIRST_MS, RETRY_LAST_MS } from './limits.ts'
import type { Entry, EntryOwner } from './origin-entry.ts'
import type { ExecutorClient, OfferAnswer, TaskStore } from './ports.ts'
import type { Task } from './task.ts'

export interface OffersDeps {
  readonly store: TaskStore<Task>
  readonly executors: ExecutorClient
  readonly clock: Clock
  readonly log: Logger
  readonly owner: EntryOwner
  /** Called when an executor that declined may be asked again: takes it off `entry.declined`. */
  readonly onForgiven: (entry: Entry, node: NodeId) => void
  readonly stopping: AbortSignal
}

export interface OfferOptions {
  readonly epoch: Epoch
  /** The task is durable in the phase that this offer belongs to. */
  readonly isStored: boolean
}

/** A declined offer without a report to compare with: until it is forgiven. */
const UNTIL_FORGIVEN: number = Number.MAX_SAFE_INTEGER

export class Offers {
  readonly #deps: OffersDeps

  constructor(deps: OffersDeps) {
    this.#deps = deps
  }

  start(entry: Entry, options: OfferOptions): void {
    const { log, owner } = this.#deps
    entry.offering = this.#offer(entry, options).catch((error: unknown) => {
      log.error('Cannot offer task', { taskId: entry.task.taskId, why: String(error) })
      owner.step(entry, { kind: 'broke-off', epoch: options.epoch })
    })
  }

  async #offer(entry: Entry, { epoch, isStored }: OfferOptions): Promise<void> {
    const { taskId, spec, phase } = entry.task
    const { executors, store, owner, stopping } = this.#deps
    if (phase.kind !== 'offered') return
    if (!isStored) await store.put(entry.task) // T1
    const now = entry.task.phase
    if ((now.kind === 'offered' && now.isCancelling) || stopping.aborted) {
      owner.step(entry, { kind: 'declined', epoch }) // By ourselves: nothing was sent.
      return
    }
    const node = phase.executor
    let answer: OfferAnswer
    try {
      answer = await executors.offer(node, { taskId, epoch, spec })
    } catch (error) {
      const isUnsent = error instanceof WeaverError && error.retry === 'elsewhere'
      if (isUnsent) this.#decline(entry, epoch, { node, revision: UNTIL_FORGIVEN })
      else owner.step(entry, { kind: 'broke-off', epoch })
      return
    }
    this.#act(entry, { node, epoch }, answer)
  }

  #act(
    entry: Entry,
    { node, epoch }: { readonly node: NodeId; readonly epoch: Epoch },
    answer: OfferAnswer
  ): void {
    switch (answer.kind) {
      case 'accepted':
        if (entry.placed !== null) entry.placed.accepted = answer
        this.#deps.owner.step(entry, { kind: 'accepted', epoch })
        this.attach(entry, node, epoch)
        return
      case 'declined':
        this.#decline(entry, epoch, { node, revision: answer.revision })
        return
      case 'refused':
        this.#deps.owner.step(entry, { kind: 'refused', epoch, reason: answer.reason })
    }
  }

  /** Also for a task that has ended meanwhile: its output may still be there. */
  attach(entry: Entry, node: NodeId, epoch: Epoch): void {
    if (entry.io === null || entry.io.isConnected) return
    entry.io.connect(this.#deps.executors.attach(node, { taskId: entry.task.taskId, epoch }))
  }

  /** Not that executor again before it has reported anew, or some time has passed. */
  #decline(
    entry: Entry,
    epoch: Epoch,
    { node, revision }: { readonly node: NodeId; readonly revision: number }
  ): void {
    entry.declined.set(node, revision)
    const delay = Math.min(RETRY_FIRST_MS * 2 ** entry.declines, RETRY_LAST_MS)
    entry.declines += 1
    const { owner } = this.#deps
    owner.step(entry, { kind: 'declined', epoch })
    owner.own(this.#forgiveLater(entry, node, millis(delay)), 'place task', entry)
  }

  async #forgiveLater(entry: Entry, node: NodeId, delay: Millis): Promise<void> {
    const { clock, stopping, onForgiven } = this.#deps
    try {
      await clock.sleep(delay, stopping)
    } catch {
      return // Stopping.
    }
    onForgiven(entry, node)
  }
}
