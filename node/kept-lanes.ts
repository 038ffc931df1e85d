// Which lanes of others this node keeps, and how much of each. All, unless its owner has said otherwise.
//
// Invariants
//   K1. The choice is on disk before it has an effect, and outlives restarts.
//   K2. Of this node's own lanes, that of its present key and those before, everything is kept.
//   K3. Of whoever may redact here, at least the headers are kept: redactions must reach what is held.
//   K4. A lane of which payloads were ever left out counts as lacking some until a repair has found none missing.

import { decodeCbor, encodeCbor, nodeId } from '../core/index.ts'
import type { KeyValueStore, NodeId } from '../core/index.ts'
import type { Keeping } from '../chain/index.ts'

const KEY = 'chain/keep'

/** What is kept of the lanes that are not named. */
export type Rest = 'none' | 'headers'

export interface KeepChoice {
  /** The lanes to keep whole; null keeps all. */
  readonly lanes: readonly NodeId[] | null
  readonly rest: Rest
}

/** What the mesh knows of a key. */
export interface LaneOwners {
  /** The key that stands for the lane's owner now. */
  readonly present: (lane: NodeId) => NodeId
  readonly isAdmin: (node: NodeId) => boolean
}

interface State {
  readonly whole: ReadonlySet<NodeId> | null
  readonly rest: Rest
  /** Lanes of which payloads were left out (K4). */
  readonly bare: ReadonlySet<NodeId>
  /** Lanes whose payloads are still to be taken out of what is held. */
  readonly freeing: ReadonlySet<NodeId>
}

const ALL: State = { whole: null, rest: 'none', bare: new Set(), freeing: new Set() }

export class KeptLanes {
  readonly #store: KeyValueStore
  readonly #self: NodeId
  readonly #owners: () => LaneOwners
  #state: State

  private constructor(
    deps: { store: KeyValueStore; self: NodeId; owners: () => LaneOwners },
    state: State
  ) {
    this.#store = deps.store
    this.#self = deps.self
    this.#owners = deps.owners
    this.#state = state
  }

  static async open(
    store: KeyValueStore,
    self: NodeId,
    owners: () => LaneOwners
  ): Promise<KeptLanes> {
    const stored = await store.get(KEY)
    return new KeptLanes({ store, self, owners }, stored === null ? ALL : parsed(stored))
  }

  keeping(lane: NodeId): Keeping {
    const wanted = this.#wanted(this.#state, lane)
    return wanted === 'whole' && this.#state.bare.has(lane) ? 'filling' : wanted
  }

  /** Of these lanes those of which more is held than is to be kept. */
  toFree(held: readonly NodeId[]): readonly NodeId[] {
    return held.filter((lane) => {
      const keeping = this.keeping(lane)
      return keeping === 'none' || (keeping === 'headers' && this.#state.freeing.has(lane))
    })
  }

  /** `held` are the lanes of which blocks are on this disk. Durable once resolved (K1). */
  async choose({ lanes, rest }: KeepChoice, held: readonly NodeId[]): Promise<void> {
    const before = this.#state
    const whole = lanes === null ? null : new Set(lanes)
    const next: State = { ...before, whole, rest }
    const bare = new Set(before.bare)
    const freeing = new Set<NodeId>()
    for (const lane of held) {
      const [was, is] = [this.#wanted(before, lane), this.#wanted(next, lane)]
      if (was === 'headers') bare.add(lane) // K4
      if (is !== 'headers') continue
      bare.add(lane)
      if (was !== 'headers' || before.freeing.has(lane)) freeing.add(lane)
    }
    await this.#save({ whole, rest, bare, freeing })
  }

  /** What was too much of the lane is gone from this disk. */
  async freed(lane: NodeId): Promise<void> {
    const { bare, freeing } = this.#state
    const isGone = this.keeping(lane) === 'none'
    if (!freeing.has(lane) && !(isGone && bare.has(lane))) return
    await this.#save({
      ...this.#state,
      bare: isGone ? without(bare, lane) : bare,
      freeing: without(freeing, lane)
    })
  }

  /** A repair has found that no payload of the lane is lacking any more. */
  async filled(lane: NodeId): Promise<void> {
    if (this.keeping(lane) !== 'filling') return
    await this.#save({ ...this.#state, bare: without(this.#state.bare, lane) })
  }

  #wanted({ whole, rest }: State, lane: NodeId): Exclude<Keeping, 'filling'> {
    if (whole === null || lane === this.#self) return 'whole'
    const { present, isAdmin } = this.#owners()
    const owner = present(lane)
    if (owner === this.#self || whole.has(lane)) return 'whole' // K2
    if ([...whole].some((each) => present(each) === owner)) return 'whole'
    return rest === 'headers' || isAdmin(owner) ? 'headers' : 'none' // K3
  }

  async #save(state: State): Promise<void> {
    const { whole, rest, bare, freeing } = state
    const value = encodeCbor({
      v: 1,
      lanes: whole === null ? null : [...whole],
      rest,
      bare: [...bare],
      freeing: [...freeing]
    })
    await this.#store.write([{ key: KEY, value }])
    // From here the choice is durable.
    this.#state = state
  }
}

function without(set: ReadonlySet<NodeId>, lane: NodeId): ReadonlySet<NodeId> {
  return new Set([...set].filter((each) => each !== lane))
}

/** A choice that cannot be read keeps all: too much is no loss. An older one has no `rest`, and freed nothing. */
function parsed(bytes: Uint8Array): State {
  try {
    const value: unknown = decodeCbor(bytes)
    if (!(value instanceof Object) || !('lanes' in value)) return ALL
    const whole = Array.isArray(value.lanes) ? setOf(value.lanes) : null
    const rest = 'rest' in value && value.rest === 'headers' ? 'headers' : 'none'
    const bare = 'bare' in value ? setOf(value.bare) : new Set<NodeId>()
    const freeing = 'freeing' in value ? setOf(value.freeing) : new Set<NodeId>()
    return { whole, rest, bare, freeing }
  } catch {
    return ALL
  }
}

function setOf(list: unknown): ReadonlySet<NodeId> {
  return new Set(Array.isArray(list) ? list.map((lane: unknown) => nodeId(String(lane))) : [])
}
