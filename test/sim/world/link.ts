import type { Prng } from '../../../core/index.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** What a path between two machines is like, one way. */
export interface LinkQuality {
  readonly latencyMs: number
  readonly jitterMs: number
  /** Segments lost, of 100. Under TCP a loss shows as a delay, never as a hole. */
  readonly lossPercent: number
  readonly bytesPerMs: number
}

/** What happened on all links: a simulation that exercised nothing proves nothing. */
export interface NetworkCounts {
  delivered: number
  lost: number
  held: number
  resets: number
  dialsFailed: number
}

const RETRANSMIT_MIN_MS = 200 // Linux's least retransmission time-out.
const RETRANSMISSIONS_MAX = 6
const CATCH_UP_MAX_MS = 3000

/** One direction of the path between two machines: the bytes of all their connections share it. */
export class Link {
  quality: LinkQuality
  readonly #deps: {
    readonly clock: VirtualClock
    readonly prng: Prng
    readonly counts: NetworkCounts
  }
  #busyUntil = 0
  #stalledSince: number | null = null
  #stalls = 0
  readonly #waiting = new Set<() => void>()

  constructor(
    deps: { clock: VirtualClock; prng: Prng; counts: NetworkCounts },
    quality: LinkQuality
  ) {
    this.#deps = deps
    this.quality = quality
  }

  get isStalled(): boolean {
    return this.#stalledSince !== null
  }

  /** Nothing more gets through, and nobody is told: what is sent waits for `heal`. */
  stall(): void {
    this.#stalls += 1
    this.#stalledSince ??= this.#deps.clock.now()
  }

  /** Takes one stall back; after the last one the senders find out one retransmission later each. */
  heal(): void {
    if (this.#stalls > 0) this.#stalls -= 1
    if (this.#stalls > 0 || this.#stalledSince === null) return
    const stalledMs = this.#deps.clock.now() - this.#stalledSince
    this.#stalledSince = null
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const resume of waiting) {
      const backoff = this.#deps.prng.below(Math.ceil(Math.min(stalledMs, CATCH_UP_MAX_MS)) + 1)
      this.#deps.clock.after(backoff, resume)
    }
  }

  /** When `size` bytes that are sent now arrive, losses included. */
  arrival(size: number): number {
    const { clock, prng, counts } = this.#deps
    const { latencyMs, jitterMs, lossPercent, bytesPerMs } = this.quality
    this.#busyUntil = Math.max(this.#busyUntil, clock.now()) + size / bytesPerMs
    let at = this.#busyUntil + latencyMs + prng.below(jitterMs + 1)
    let timeout = RETRANSMIT_MIN_MS
    for (let tries = 0; tries < RETRANSMISSIONS_MAX && prng.below(100) < lossPercent; tries++) {
      counts.lost += 1
      at += timeout
      timeout *= 2
    }
    return at
  }

  /** Calls `resume` once, after this link has healed. */
  onceHealed(resume: () => void): void {
    this.#deps.counts.held += 1
    this.#waiting.add(resume)
  }
}

/** The bytes of one connection, one way: in order, each once, as late as the link makes them. */
export class Wire {
  readonly #link: Link
  readonly #clock: VirtualClock
  readonly #queue: { readonly at: number; readonly deliver: () => void }[] = []
  #lastArrival = 0
  #isPending = false
  #isCut = false

  constructor(deps: { link: Link; clock: VirtualClock }) {
    this.#link = deps.link
    this.#clock = deps.clock
  }

  send(size: number, deliver: () => void): void {
    if (this.#isCut) return
    this.#lastArrival = Math.max(this.#lastArrival, this.#link.arrival(size))
    this.#queue.push({ at: this.#lastArrival, deliver })
    this.#schedule()
  }

  /** Drops what is in flight and all that is sent later. */
  cut(): void {
    this.#isCut = true
    this.#queue.length = 0
  }

  #schedule(): void {
    const head = this.#queue[0]
    if (head === undefined || this.#isPending) return
    this.#isPending = true
    this.#clock.after(head.at - this.#clock.now(), () => this.#arrive())
  }

  #arrive(): void {
    if (this.#link.isStalled) {
      this.#link.onceHealed(() => this.#arrive())
      return
    }
    this.#isPending = false
    const head = this.#queue.shift()
    this.#schedule()
    head?.deliver()
  }
}
