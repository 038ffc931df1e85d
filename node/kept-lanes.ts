// Which lanes of others this node keeps. All, unless its owner has said otherwise; its own always.
//
// Invariants
//   K1. The choice is on disk before it has an effect, and outlives restarts.
//   K2. A lane that is not kept is not fetched. What of it is held already stays, is served as far as it goes,
//       and is verified as what it is: the beginning of a lane.

import { decodeCbor, encodeCbor, nodeId } from '../core/index.ts'
import type { KeyValueStore, NodeId } from '../core/index.ts'

const KEY = 'chain/keep'

export class KeptLanes {
  readonly #store: KeyValueStore
  readonly #self: NodeId
  /** Null keeps all. */
  #chosen: ReadonlySet<NodeId> | null

  private constructor(store: KeyValueStore, self: NodeId, chosen: ReadonlySet<NodeId> | null) {
    this.#store = store
    this.#self = self
    this.#chosen = chosen
  }

  static async open(store: KeyValueStore, self: NodeId): Promise<KeptLanes> {
    const stored = await store.get(KEY)
    return new KeptLanes(store, self, stored === null ? null : parsed(stored))
  }

  get chosen(): readonly NodeId[] | null {
    return this.#chosen === null ? null : [...this.#chosen]
  }

  keeps(lane: NodeId): boolean {
    return this.#chosen === null || lane === this.#self || this.#chosen.has(lane)
  }

  /** Durable once resolved (K1). */
  async choose(lanes: readonly NodeId[] | null): Promise<void> {
    const value = lanes === null ? null : encodeCbor({ v: 1, lanes: [...lanes] })
    await this.#store.write([{ key: KEY, value }])
    // From here the choice is durable.
    this.#chosen = lanes === null ? null : new Set(lanes)
  }
}

/** A choice that cannot be read keeps all: too much is no loss. */
function parsed(bytes: Uint8Array): ReadonlySet<NodeId> | null {
  try {
    const value: unknown = decodeCbor(bytes)
    const lanes: unknown = value instanceof Object && 'lanes' in value ? value.lanes : null
    if (!Array.isArray(lanes)) return null
    return new Set(lanes.map((lane: unknown) => nodeId(String(lane))))
  } catch {
    return null
  }
}
