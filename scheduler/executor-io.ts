// The executor's side of attached input and output: holds the child's end until the origin comes for it,
// then joins the two. When the origin's channel breaks, the child goes on: its input is closed and its
// output goes to the spool.

import { channelPair, millis, WeaverError } from '../core/index.ts'
import type { Clock, FrameChannel, Millis } from '../core/index.ts'

export interface ChildIoDeps {
  readonly clock: Clock
  /** Tells the process host to let go of the channel. Called at most once. */
  readonly detach: () => void
}

export class ChildIo {
  /** The end for the process host. */
  readonly childEnd: FrameChannel
  readonly #ourEnd: FrameChannel
  readonly #deps: ChildIoDeps
  readonly #waiting = new AbortController()
  readonly #settled = Promise.withResolvers<void>()
  #state: 'waiting' | 'joined' | 'over' | 'detached' = 'waiting'

  constructor(deps: ChildIoDeps) {
    const [childEnd, ourEnd] = channelPair()
    this.childEnd = childEnd
    this.#ourEnd = ourEnd
    this.#deps = deps
  }

  /** Resolves when nobody can come for the output any more, or somebody has had all of it. */
  get settled(): Promise<void> {
    return this.#settled.promise
  }

  get isDetached(): boolean {
    return this.#state === 'detached'
  }

  /** Detaches if nobody has come within `waitMs`. Never rejects. */
  async expire(waitMs: Millis): Promise<void> {
    try {
      await this.#deps.clock.sleep(millis(waitMs), this.#waiting.signal)
    } catch {
      return // Somebody came.
    }
    this.detach('nobody came for its output')
  }

  /**
   * Passes frames both ways until the last output has been handed over. False, at once, when it has a
   * reader already or is detached. Never rejects: a channel that breaks detaches the child.
   */
  async join(channel: FrameChannel): Promise<boolean> {
    if (this.#state !== 'waiting') return false
    this.#state = 'joined'
    this.#waiting.abort()
    void this.#passInput(channel) // Ends with the channel, at the latest when the caller drops it.
    try {
      for await (const frame of this.#ourEnd.frames) await channel.send(frame)
      if (this.#state === 'joined') this.#state = 'over'
      this.#settled.resolve()
      channel.end()
    } catch (error) {
      this.detach('the connection to its origin broke')
      if (error instanceof WeaverError) channel.abort(error)
    }
    return true
  }

  /** Never rejects. What comes after the child closed its input is dropped. */
  async #passInput(channel: FrameChannel): Promise<void> {
    let isOpen = true
    try {
      for await (const frame of channel.frames) {
        if (isOpen) isOpen = await this.#passed(frame)
      }
      this.#ourEnd.end()
    } catch {
      // After the output is over the caller drops the channel; before, its connection broke.
      if (this.#state === 'joined') this.detach('the connection to its origin broke')
    }
  }

  async #passed(frame: Uint8Array): Promise<boolean> {
    try {
      await this.#ourEnd.send(frame)
      return true
    } catch {
      return false // The child's side reads no more; the output goes on.
    }
  }

  /** Idempotent. */
  detach(why: string): void {
    if (this.#state === 'detached' || this.#state === 'over') return
    this.#state = 'detached'
    this.#waiting.abort()
    this.#settled.resolve()
    this.#deps.detach()
    this.#ourEnd.abort(new WeaverError('SCHEDULER_DETACHED', `Cannot pass output: ${why}`))
  }
}
