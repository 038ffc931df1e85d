// Where the tasks of this origin go: at once where one fits, else as soon as something has become free. Part of the
// origin's driver.

import type { NodeId } from '../core/index.ts'
import type { Entry, EntryOwner } from './origin-entry.ts'
import { Placements } from './overlay.ts'
import type { Placement } from './placement.ts'
import type { Candidate, PeerDirectory } from './ports.ts'
import { placeOne, WaitingLine } from './waiting-line.ts'

export interface PlacesDeps {
  readonly peers: Pick<PeerDirectory, 'candidates'>
  readonly owner: Pick<EntryOwner, 'step'>
  readonly stopping: AbortSignal
  /** `entry.waitingFor` has become `why`. */
  readonly onWaiting: (entry: Entry, why: string) => void
}

export class Places {
  readonly #deps: PlacesDeps
  readonly #waiting = new WaitingLine<Entry>()
  readonly #placements = new Placements()
  #isPlacing = false
  #isPlacingAgain = false

  constructor(deps: PlacesDeps) {
    this.#deps = deps
  }

  /** Where it would go now. */
  choose(entry: Entry): Placement {
    return placeOne(entry, this.#candidates())
  }

  /** What it needs there is counted as its own from now on. */
  take(entry: Entry, node: NodeId): void {
    entry.placed = this.#placements.add(node, entry.spec.gpu)
  }

  /** It does not go there, or nobody knows. */
  giveUp(entry: Entry): void {
    if (entry.placed !== null) this.#placements.remove(entry.placed)
    entry.placed = null
  }

  /** What it held is free now, before the executor's next pulse says so. */
  ended(entry: Entry, revision: number): void {
    if (entry.placed === null) return
    this.#placements.ended(entry.placed, revision)
    entry.placed = null
    this.placeWaiting()
  }

  /** Only this one is tried: nothing has become free for those that wait. */
  enqueue(entry: Entry): void {
    const placement = this.choose(entry)
    if (placement.kind === 'placed') {
      this.#onPlaced(entry, placement.node)
      return
    }
    this.#waiting.add(entry, placement.why)
    this.#onWaiting(entry, placement.why)
  }

  /** It waits, and is tried by the next `placeWaiting`. */
  add(entry: Entry): void {
    this.#waiting.add(entry, null)
  }

  /** It waits no longer. */
  leave(entry: Entry): void {
    this.#waiting.remove(entry)
  }

  /** An executor that declined it may be asked again. */
  forgive(entry: Entry, node: NodeId): void {
    const isWaiting = this.#waiting.has(entry)
    this.#waiting.remove(entry) // Its needs change: it moves to others of its kind.
    entry.declined.delete(node)
    if (!isWaiting) return
    this.add(entry)
    this.placeWaiting()
  }

  /** Something may have become free. */
  placeWaiting(): void {
    this.#isPlacingAgain = true
    if (this.#isPlacing) return // Called back from a placement of the pass below.
    this.#isPlacing = true
    while (this.#isPlacingAgain && this.#waiting.size > 0 && !this.#deps.stopping.aborted) {
      this.#isPlacingAgain = false
      this.#waiting.pass(
        () => this.#candidates(),
        (entry, node) => this.#onPlaced(entry, node),
        (entry, why) => this.#onWaiting(entry, why)
      )
    }
    this.#isPlacing = false
  }

  #candidates(): readonly Candidate[] {
    return this.#placements.over(this.#deps.peers.candidates())
  }

  #onPlaced(entry: Entry, node: NodeId): void {
    entry.waitingFor = null
    this.take(entry, node)
    this.#deps.owner.step(entry, { kind: 'placed', node })
  }

  #onWaiting(entry: Entry, why: string): void {
    if (entry.waitingFor === why) return
    entry.waitingFor = why
    this.#deps.onWaiting(entry, why)
  }
}
