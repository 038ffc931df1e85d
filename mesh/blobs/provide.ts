// Says to the hash table what this home has, again and again: its records are forgotten after two days, and
// with every start of who keeps them.
//
// Invariants
//   A1. What is whole here is said once in BLOB_PROVIDE_INTERVAL_MS while the mesh is large enough for the
//       table to be asked; so also after a start, and when the mesh has grown.
//   A2. What is not here any more is not said again.
//   A3. One at a time, and so many in a row that the largest shelf is through in one interval.

import type { BlobId, Clock, Logger, Millis, NodeId } from '../../core/index.ts'
import type { ContentRouting } from '../ports.ts'
import { provideBlob, withdrawBlob } from './find.ts'
import {
  BLOB_PROVIDE_INTERVAL_MS,
  BLOB_PROVIDE_LOOK_MS,
  BLOB_PROVIDE_PEERS_MIN,
  BLOB_PROVIDES_PER_LOOK
} from './limits.ts'

export interface ProviderDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly routing: () => ContentRouting | null
  readonly peers: () => readonly NodeId[]
  /** Blobs that are whole here. */
  readonly held: () => readonly BlobId[]
}

export class Provider {
  readonly #deps: ProviderDeps
  readonly #saidAt = new Map<BlobId, Millis>()

  constructor(deps: ProviderDeps) {
    this.#deps = deps
  }

  /** Until `signal` aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#look(signal)
      try {
        await this.#deps.clock.sleep(BLOB_PROVIDE_LOOK_MS, signal)
      } catch {
        return // We stop.
      }
    }
  }

  /** A blob has come: says so at once, in a small mesh too. Never rejects. */
  async say(id: BlobId, signal: AbortSignal): Promise<void> {
    const at = this.#deps.clock.now()
    if (await provideBlob(this.#deps, id, signal)) this.#saidAt.set(id, at)
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { clock, peers, held } = this.#deps
    const { due, gone } = decideProvides(this.#saidAt, held(), clock.now())
    for (const id of gone) {
      this.#saidAt.delete(id)
      await withdrawBlob(this.#deps, id) // A2
    }
    if (peers().length < BLOB_PROVIDE_PEERS_MIN) return
    for (const id of due) {
      if (signal.aborted) return
      await this.say(id, signal)
    }
  }
}

/** What to say now, the longest unsaid first, and what is not here any more. Pure. */
export function decideProvides(
  saidAt: ReadonlyMap<BlobId, Millis>,
  held: readonly BlobId[],
  now: Millis
): { readonly due: readonly BlobId[]; readonly gone: readonly BlobId[] } {
  const here = new Set(held)
  const gone = [...saidAt.keys()].filter((id) => !here.has(id))
  const since = (id: BlobId): number => saidAt.get(id) ?? -Infinity
  const due = held
    .filter((id) => now - since(id) >= BLOB_PROVIDE_INTERVAL_MS)
    .toSorted((a, b) => since(a) - since(b) || 0)
  return { due: due.slice(0, BLOB_PROVIDES_PER_LOOK), gone }
}
