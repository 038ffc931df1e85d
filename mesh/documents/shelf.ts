// Replicas on disk: so that a node that starts shows what others had, and pulls only what is new since.
//
// Invariants
//   H1. The disk follows the memory within REPLICA_SAVE_INTERVAL_MS. What a crash loses is pulled again.
//   H2. What is read back is checked like what comes from a peer: signature, mesh, membership.
//   H3. A replica on disk is never larger than in memory: steps that a base replaced are deleted with it.

import { nodeId } from '../../core/index.ts'
import type { Clock, KeyValueStore, NodeId, StoreWrite } from '../../core/index.ts'
import { REPLICA_SAVE_INTERVAL_MS } from '../limits.ts'
import type { Tasks } from '../tasks.ts'
import type { DocumentLog } from './log.ts'

const PREFIX = 'mesh/replica/'

export interface ShelfDeps {
  readonly store: KeyValueStore
  readonly clock: Clock
  readonly tasks: Tasks
  readonly logOf: (owner: NodeId) => DocumentLog | null
}

export class Shelf {
  readonly #deps: ShelfDeps
  /** Keys on disk, by owner. */
  readonly #written = new Map<string, Set<string>>()
  readonly #dirty = new Set<NodeId>()
  #isSaving = false

  constructor(deps: ShelfDeps) {
    this.#deps = deps
  }

  /** All steps on disk, a document's in their order. */
  async load(): Promise<ReadonlyMap<NodeId, readonly Uint8Array[]>> {
    const found = new Map<NodeId, Uint8Array[]>()
    this.#written.clear()
    for (const [key, bytes] of await this.#deps.store.list(PREFIX)) {
      const owner = nodeId(key.slice(PREFIX.length, key.lastIndexOf('/')))
      this.#keysOf(owner).add(key)
      const list = found.get(owner) ?? []
      list.push(bytes)
      found.set(owner, list)
    }
    return found
  }

  /** The replica of `owner` has changed, or is gone. */
  touch(owner: NodeId): void {
    this.#dirty.add(owner)
    if (this.#isSaving) return
    this.#isSaving = true // Before the first await: changes until then share one write.
    this.#deps.tasks.run('save replicas', async (signal) => {
      try {
        await this.#deps.clock.sleep(REPLICA_SAVE_INTERVAL_MS, signal)
      } finally {
        this.#isSaving = false
      }
      await this.save()
    })
  }

  /** Writes all that has changed. */
  async save(): Promise<void> {
    const owners = [...this.#dirty]
    this.#dirty.clear()
    const writes = owners.flatMap((owner) => this.#writesFor(owner))
    if (writes.length === 0) return
    await this.#deps.store.write(writes)
    for (const { key, value } of writes) {
      const keys = this.#keysOf(key.slice(PREFIX.length, key.lastIndexOf('/')))
      if (value === null) keys.delete(key)
      else keys.add(key)
    }
  }

  #writesFor(owner: NodeId): readonly StoreWrite[] {
    const log = this.#deps.logOf(owner)
    const steps = log === null ? [] : [log.base, ...log.deltas]
    const wanted = new Map(
      steps.map(({ generation, sequence, bytes }) => [
        `${PREFIX}${owner}/${fixed(generation)}.${fixed(sequence)}`,
        bytes
      ])
    )
    const known = this.#keysOf(owner)
    const fresh = [...wanted].filter(([key]) => !known.has(key))
    const gone = [...known].filter((key) => !wanted.has(key))
    return [
      ...fresh.map(([key, value]) => ({ key, value })),
      ...gone.map((key) => ({ key, value: null }))
    ]
  }

  #keysOf(owner: string): Set<string> {
    const keys = this.#written.get(owner) ?? new Set()
    this.#written.set(owner, keys)
    return keys
  }
}

/** Fourteen hexadecimal digits: text that sorts as the number does. */
function fixed(count: number): string {
  return count.toString(16).padStart(14, '0')
}
