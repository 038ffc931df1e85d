// What is taken in of each peer at a time: a token bucket of frames, bytes and time for each, and turns for
// those that have emptied theirs. It costs nothing to who asks little, and whoever is alone gets all there is.
//
// Invariants
//   I1. A peer has no more taken in at a time than its bucket holds, and one part more: whatever it sends,
//       over however many sessions.
//   I2. Whoever has emptied its bucket waits for a turn. One peer gets one in each turn of the event loop, one
//       peer after another, so that others' bytes are looked at in between.
//   I3. Whoever shares the node with others that send has less of its time than who is alone.
//   I4. Within a peer control goes before bulk; but where both wait, not twice in a row.

import { millis } from '../../core/index.ts'
import type { Clock, Millis } from '../../core/index.ts'
import {
  BYTES_PER_MS,
  BYTES_PER_TURN_MAX,
  CONTENDED_MS,
  FRAME_GARBAGE_BYTES,
  FRAMES_PER_MS,
  FRAMES_PER_TURN_MAX,
  PRESSED_MS,
  TURN_CONTENDED_MS,
  TURN_MS,
  TURN_TIME_SHARE,
  TURN_TIME_SHARE_CONTENDED
} from './limits.ts'

/** Several peers that take turns. */
export class Intake {
  readonly clock: Clock
  readonly pressed: (bytes: number) => void
  #waiting: Pace[] = []
  #isGoing = false
  #latest: Pace | null = null
  #latestAt = millis(0)
  #otherAt: Millis | null = null

  constructor(deps: {
    readonly clock: Clock
    /** Told of what is taken in of peers that have to wait for turns. */
    readonly pressed?: ((bytes: number) => void) | undefined
  }) {
    this.clock = deps.clock
    this.pressed = deps.pressed ?? ((): void => undefined)
  }

  /** For one peer: all its sessions share it. */
  pace(): Pace {
    return new Pace(this)
  }

  /** `pace` has something taken in now. @returns whether another one had lately */
  touch(pace: Pace, now: Millis): boolean {
    if (this.#latest !== pace) {
      if (this.#latest !== null) this.#otherAt = this.#latestAt
      this.#latest = pace
    }
    this.#latestAt = now
    return this.#otherAt !== null && now - this.#otherAt < CONTENDED_MS
  }

  queue(pace: Pace): void {
    this.#waiting.push(pace)
    if (this.#isGoing) return
    this.#isGoing = true
    void this.#giveTurns() // Never rejects: without a signal no sleep does.
  }

  async #giveTurns(): Promise<void> {
    for (;;) {
      await this.clock.sleep(millis(0))
      const pace = this.#waiting.shift()
      if (pace?.grant() === true) this.#waiting.push(pace)
      if (this.#waiting.length === 0) break
    }
    this.#isGoing = false // In the same tick as the last look, so that nobody is left waiting.
  }
}

type Grant = () => void

/** The bucket of one peer. */
export class Pace {
  readonly #intake: Intake
  readonly #control: Grant[] = []
  readonly #bulk: Grant[] = []
  #frames = FRAMES_PER_TURN_MAX
  #bytes = BYTES_PER_TURN_MAX
  #timeMs: number = TURN_MS
  #filledAt: Millis
  #wasControl = false
  /** It has waited for a turn, and its bucket has not been full since. */
  #isPressed = false
  #isContended = false

  constructor(intake: Intake) {
    this.#intake = intake
    this.#filledAt = intake.clock.now()
  }

  now(): Millis {
    return this.#intake.clock.now()
  }

  /** Takes out what a part has cost, which began at `since`. */
  spend(frames: number, bytes: number, since: Millis): void {
    const now = this.now()
    if (this.#isPressed) this.#intake.pressed(bytes + frames * FRAME_GARBAGE_BYTES)
    this.#timeMs -= now - since
    this.#frames -= frames
    this.#bytes -= bytes
    // By and by: who keeps to its share never waits.
    const passed = now - this.#filledAt
    this.#filledAt = now
    if (passed > PRESSED_MS) this.#isPressed = false
    this.#frames = Math.min(FRAMES_PER_TURN_MAX, this.#frames + passed * FRAMES_PER_MS)
    this.#bytes = Math.min(BYTES_PER_TURN_MAX, this.#bytes + passed * BYTES_PER_MS)
    this.#isContended = this.#intake.touch(this, now)
    const share = this.#isContended ? TURN_TIME_SHARE_CONTENDED : TURN_TIME_SHARE
    this.#timeMs = Math.min(this.#turnMs(), this.#timeMs + passed * share)
  }

  /** Null, or what resolves when it is this peer's turn, and within it that of this kind (I4). */
  turn(isControl: boolean): Promise<void> | null {
    if (this.#frames > 0 && this.#bytes > 0 && this.#timeMs > 0) return null
    this.#isPressed = true
    const { promise, resolve } = Promise.withResolvers<void>()
    const isQueued = this.#control.length + this.#bulk.length > 0
    if (isControl) this.#control.push(resolve)
    else this.#bulk.push(resolve)
    if (!isQueued) this.#intake.queue(this)
    return promise
  }

  /** It is its turn. @returns whether it waits for another */
  grant(): boolean {
    this.#frames = FRAMES_PER_TURN_MAX
    this.#bytes = BYTES_PER_TURN_MAX
    this.#timeMs = this.#turnMs()
    this.#filledAt = this.now()
    const isBulksTurn = this.#control.length === 0 || (this.#wasControl && this.#bulk.length > 0)
    this.#wasControl = !isBulksTurn
    const next = isBulksTurn ? this.#bulk.shift() : this.#control.shift()
    next?.()
    return this.#control.length + this.#bulk.length > 0
  }

  #turnMs(): number {
    return this.#isContended ? TURN_CONTENDED_MS : TURN_MS
  }
}
