// The tree of one lane, brought up to its blocks when somebody asks.

import { equalBytes } from '../../core/index.ts'
import { FormatError } from '../errors.ts'
import { blockHash } from '../hashes.ts'
import { decodeHeader, NO_HASH } from '../header.ts'
import type { Lane } from '../lane.ts'
import { nodePrimitives } from '../offline/node-primitives.ts'
import { sha256Leaf } from '../offline/tree.ts'
import type { LaneDisk } from '../ports.ts'
import { headerBytesOf } from '../record.ts'
import { consistencyPath, inclusionPath, rootAt } from './paths.ts'
import { TreeStore } from './tree-store.ts'

/** Leaves added before they are written, and taken from a scan at once. */
const BATCH_LEAVES = 4096

/** A size and a root that were signed: what the files of a tree are measured by. */
export interface TreeHead {
  readonly size: number
  readonly root: Uint8Array
}

export class LaneTree {
  readonly #disk: LaneDisk
  readonly #lane: Lane
  #store: TreeStore
  /** The hash of the block of the last leaf; null where it must be read. */
  #last: Uint8Array | null = null
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(disk: LaneDisk, lane: Lane, store: TreeStore) {
    this.#disk = disk
    this.#lane = lane
    this.#store = store
  }

  /** Takes over what the files hold where it leads to a root that was signed, and nothing else (T2). */
  static async open(disk: LaneDisk, lane: Lane, signed: TreeHead | null): Promise<LaneTree> {
    const id = lane.store.lane
    let store = await TreeStore.open(disk, id, signed?.size ?? 0)
    if (signed !== null && store.size === signed.size) {
      const root = await rootAt(store.reader(), store.size)
      if (!equalBytes(root, signed.root)) store = await TreeStore.open(disk, id, 0)
    }
    return new LaneTree(disk, lane, store)
  }

  /** The root over the first `size` blocks, or over all. */
  async head(size: number = this.#lane.store.tip.height): Promise<TreeHead> {
    return this.#inTurn(async () => {
      await this.#grow(size)
      return { size, root: await rootAt(this.#store.reader(), size) }
    })
  }

  /** The path of a block in the tree of the first `size` blocks. */
  inclusion(height: number, size: number): Promise<readonly Uint8Array[]> {
    return this.#inTurn(async () => {
      await this.#grow(size)
      return inclusionPath(this.#store.reader(), height - 1, size)
    })
  }

  consistency(oldSize: number, size: number): Promise<readonly Uint8Array[]> {
    return this.#inTurn(async () => {
      await this.#grow(size)
      return consistencyPath(this.#store.reader(), oldSize, size)
    })
  }

  /** Writes what is new to the files. Durable once resolved. */
  flush(): Promise<void> {
    return this.#inTurn(() => this.#store.flush())
  }

  /** Forgets the files: the next question builds them from the lane. */
  rebuild(): Promise<void> {
    return this.#inTurn(async () => {
      this.#store = await TreeStore.open(this.#disk, this.#lane.store.lane, 0)
      this.#last = null
    })
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work)
    this.#turn = turn.catch(() => undefined) // The caller has the failure; the next turn is its own.
    return turn
  }

  /** @throws FormatError `CHAIN_FORMAT_INVALID` where a block of the lane cannot be read */
  async #grow(size: number): Promise<void> {
    const { store } = this.#lane
    if (size <= this.#store.size) return
    let next = this.#store.size + 1
    let previous = this.#last ?? (next === 1 ? NO_HASH : await store.hashAt(next - 1))
    let leaves: Uint8Array[] = []
    for await (const item of store.scan(next)) {
      if (item.kind === 'damage' || item.head.height !== next) break
      const bytes = headerBytesOf(item.bytes, item.head)
      const isNext = previous !== null && equalBytes(decodeHeader(bytes).previous, previous)
      if (!isNext) break
      previous = blockHash(bytes)
      leaves.push(sha256Leaf(nodePrimitives, previous))
      next += 1
      if (leaves.length === BATCH_LEAVES) {
        await this.#extend(leaves, previous)
        leaves = []
      }
      if (next > size) break
    }
    await this.#extend(leaves, previous)
    if (this.#store.size >= size) return
    throw new FormatError(
      `block ${next} of lane ${store.lane} is damaged; see: weaver chain verify`
    )
  }

  async #extend(leaves: readonly Uint8Array[], last: Uint8Array | null): Promise<void> {
    await this.#store.extend(leaves)
    this.#last = last
    if (this.#store.unwritten >= BATCH_LEAVES) await this.#store.flush()
  }
}
