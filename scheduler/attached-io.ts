// The origin's side of attached input and output, between the user's channel and the executor's. Frames
// pass through unread. Before there is an executor, input is read ahead a little, so that a signal behind
// it (Ctrl-C while the task waits) is seen.

import { FrameQueue, WeaverError } from '../core/index.ts'
import type { FrameChannel } from '../core/index.ts'
import { READ_AHEAD_BYTES } from './limits.ts'
import type { IoFrames } from './ports.ts'

export interface AttachedIoDeps {
  /** The user's. */
  readonly io: FrameChannel
  readonly frames: IoFrames
  /** The user wants the task to end before it has started. */
  readonly onInterrupt: () => void
  /** The user's channel broke: nobody is attached any more. Called at most once. */
  readonly onLeft: () => void
  /** The executor's channel broke before the output was complete. */
  readonly onBroken: () => void
}

const INTERRUPTS: ReadonlySet<string> = new Set(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'])

export class AttachedIo {
  readonly #deps: AttachedIoDeps
  readonly #input = new FrameQueue(READ_AHEAD_BYTES)
  #remote: FrameChannel | null = null
  /** Resolves when all output of the executor's channel has been passed on, or it broke. */
  #output: Promise<void> = Promise.resolve()
  #sending: Promise<void> = Promise.resolve()
  #hasLeft = false
  #isOver = false
  #isGivenUp = false

  constructor(deps: AttachedIoDeps) {
    this.#deps = deps
  }

  get isConnected(): boolean {
    return this.#remote !== null
  }

  /** Once. Neither part rejects: what goes wrong is told to the callbacks. */
  start(): void {
    void this.#readInput()
    void this.#watch()
  }

  async #watch(): Promise<void> {
    if ((await this.#deps.io.closed) !== null) this.#left()
  }

  async #readInput(): Promise<void> {
    const { io, frames } = this.#deps
    try {
      for await (const frame of io.frames) {
        if (this.#isOver) continue // Input for nobody: dropped until the user's side ends.
        const signal = this.#remote === null ? frames.signalOf(frame) : null
        if (signal !== null && INTERRUPTS.has(signal)) this.#deps.onInterrupt()
        else await this.#input.push(frame).catch(() => {}) // The executor's side reads no more.
      }
      this.#input.finish()
    } catch {
      this.#left() // `io.frames` threw: the user's channel broke.
    }
  }

  #left(): void {
    if (this.#hasLeft || this.#isOver) return
    this.#hasLeft = true
    const gone = new WeaverError(
      'SCHEDULER_USER_LEFT',
      'Cannot pass I/O: nobody is attached any more'
    )
    this.#input.fail(gone)
    this.#remote?.abort(gone)
    this.#deps.onLeft()
  }

  /** Joins the executor's channel. Once: what breaks is not joined again. */
  connect(remote: FrameChannel): void {
    if (this.#hasLeft || this.#isOver) {
      remote.abort(new WeaverError('SCHEDULER_USER_LEFT', 'Cannot attach: nobody is here any more'))
      return
    }
    this.#remote = remote
    void this.#passInput(remote)
    this.#output = this.#passOutput(remote)
  }

  async #passInput(remote: FrameChannel): Promise<void> {
    try {
      for await (const frame of this.#input) await remote.send(frame)
      remote.end()
    } catch {
      // Left, over or broken: whoever ends the output finds out. The queue now refuses further input.
    }
  }

  async #passOutput(remote: FrameChannel): Promise<void> {
    try {
      for await (const frame of remote.frames) await this.#send(frame)
    } catch {
      if (!this.#hasLeft && !this.#isOver && !this.#isGivenUp) this.#deps.onBroken()
    }
  }

  /** One frame after the other, whoever sends it. */
  #send(frame: Uint8Array): Promise<void> {
    const sent = this.#sending.then(() => this.#deps.io.send(frame))
    this.#sending = sent.catch(() => {}) // Whoever sent it is told; the next one tries for itself.
    return sent
  }

  note(text: string): void {
    if (this.#isOver || this.#hasLeft) return
    // A user's channel that fails is found out by `io.closed`.
    this.#send(this.#deps.frames.note(text)).catch(() => {})
  }

  /** Passes on what output is still to come, then ends this side of the user's channel. Never rejects. */
  async finish(): Promise<void> {
    await this.#output
    this.#close()
    await this.#sending
    this.#deps.io.end()
  }

  /** Does not wait for output any more. */
  giveUp(reason: WeaverError): void {
    this.#isGivenUp = true
    this.#remote?.abort(reason)
  }

  #close(): void {
    this.#isOver = true
    this.#input.fail(
      new WeaverError('SCHEDULER_TASK_OVER', 'Cannot pass input: the task has ended')
    )
    this.#remote?.abort(new WeaverError('SCHEDULER_TASK_OVER', 'The task has ended'))
  }
}
