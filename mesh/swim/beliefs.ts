// What this node believes of each member: its state, the word of its own that this rests on, and the suspicion of it
// while there is one. The invariants are those of swim.ts.

import { millis } from '../../core/index.ts'
import type { Millis } from '../../core/index.ts'
import { CLOSED_SUSPICION_MS } from '../limits.ts'
import type { SwimState } from './messages.ts'
import { suspicionMax, suspicionTimeout } from './timing.ts'

export interface Belief {
  /** Changed by `become` alone, as is the next. */
  state: SwimState
  since: Millis
  incarnation: number
  /** When a suspicion began, by whom it is shared, and whether it is of the closed kind (W1). */
  suspectedAt: Millis
  readonly accusers: Set<string>
  isClosed: boolean
  /** Only we doubt, and have not said so. */
  isPrivate: boolean
}

export interface BeliefsOptions {
  /** What a member is before anything is known of it. */
  readonly initial: SwimState
  readonly onChange: (node: string, state: SwimState) => void
}

export class Beliefs {
  readonly #options: BeliefsOptions
  /** What is known of members beyond the initial state. */
  readonly #beliefs = new Map<string, Belief>()

  constructor(options: BeliefsOptions) {
    this.#options = options
  }

  get(node: string): Belief | null {
    return this.#beliefs.get(node) ?? null
  }

  state(node: string): SwimState {
    return this.#beliefs.get(node)?.state ?? this.#options.initial
  }

  all(): IterableIterator<readonly [node: string, belief: Belief]> {
    return this.#beliefs.entries()
  }

  /** Where there is none yet, it begins with the initial state. */
  of(node: string, now: Millis): Belief {
    return this.#beliefs.get(node) ?? this.begin(node, this.#options.initial, now)
  }

  /** The first of `node`; that is no change. */
  begin(node: string, state: SwimState, now: Millis): Belief {
    const belief: Belief = {
      state,
      since: now,
      incarnation: 0,
      suspectedAt: now,
      accusers: new Set<string>(),
      isClosed: false,
      isPrivate: true
    }
    this.#beliefs.set(node, belief)
    return belief
  }

  become(node: string, state: SwimState, now: Millis): void {
    const belief = this.of(node, now)
    if (belief.state === state) return
    belief.state = state
    belief.since = now
    belief.suspectedAt = now
    belief.accusers.clear()
    belief.isPrivate = true
    if (state === 'alive') belief.isClosed = false
    this.#options.onChange(node, state)
  }

  retain(isMember: (node: string) => boolean): void {
    for (const node of this.#beliefs.keys()) if (!isMember(node)) this.#beliefs.delete(node)
  }

  /** A suspicion is longer by the time in which this node itself was stopped (W5). */
  lagged(lagMs: number): void {
    for (const belief of this.#beliefs.values()) {
      if (belief.state === 'suspect') belief.suspectedAt = millis(belief.suspectedAt + lagMs)
    }
  }
}

/** When a suspicion has lasted its time (W1). */
export function deadAt(belief: Belief, memberCount: number): Millis {
  const { suspectedAt, accusers, isClosed, isPrivate } = belief
  if (isClosed && !isPrivate) return millis(suspectedAt + CLOSED_SUSPICION_MS)
  if (isPrivate) return millis(suspectedAt + suspicionMax(memberCount))
  const confirmations = Math.max(0, accusers.size - 1)
  return millis(suspectedAt + suspicionTimeout(memberCount, confirmations))
}
