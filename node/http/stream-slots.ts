import { kernelStopping, tooManyStreams } from './errors.ts'
import { STREAMS_MAX } from './limits.ts'

export interface StreamSlot {
  /** Aborted by whoever ends the stream: its client, or the kernel when it stops. */
  readonly abort: AbortController
  /** Idempotent. */
  readonly free: () => void
}

/** Counts the open streams, and ends them all when the kernel stops. */
export class StreamSlots {
  readonly #streamsMax: number
  readonly #open = new Set<AbortController>()
  #isStopping = false

  constructor(streamsMax: number = STREAMS_MAX) {
    this.#streamsMax = streamsMax
  }

  get count(): number {
    return this.#open.size
  }

  /** @throws ApiRefusal `API_BUSY`, `API_KERNEL_STOPPING` */
  take(): StreamSlot {
    if (this.#isStopping) throw kernelStopping()
    if (this.#open.size >= this.#streamsMax) throw tooManyStreams(this.#streamsMax)
    const abort = new AbortController()
    this.#open.add(abort)
    return { abort, free: () => void this.#open.delete(abort) }
  }

  stop(): void {
    this.#isStopping = true
    for (const abort of this.#open) abort.abort(kernelStopping())
  }
}
