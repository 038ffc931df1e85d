// The hashes of blocks that other lanes link to. A lane links to growing heights, so one forward cursor
// for each linked lane reads it once, whatever the number of links.

import { equalBytes } from '../core/index.ts'
import type { NodeId } from '../core/index.ts'
import { signedHeader } from './check.ts'
import { blockHash } from './hashes.ts'
import type { CrossLink } from './header.ts'
import type { Lane } from './lane.ts'
import { headerBytesOf } from './record.ts'
import type { ScanItem } from './scan.ts'

interface Cursor {
  readonly items: AsyncGenerator<ScanItem>
  at: (ScanItem & { readonly kind: 'record' }) | null
}

export class LinkedHashes {
  readonly #lanes: ReadonlyMap<NodeId, Lane>
  readonly #cursors = new Map<NodeId, Cursor>()

  constructor(lanes: ReadonlyMap<NodeId, Lane>) {
    this.#lanes = lanes
  }

  /** Whether we hold another block than the linked one. False where we hold none, or a damaged one. */
  async contradict({ lane: id, height, hash }: CrossLink): Promise<boolean> {
    const lane = this.#lanes.get(id)
    if (lane === undefined || height > lane.store.tip.height) return false
    const item = await this.#seek(lane, height)
    if (item === null) return false
    if (equalBytes(blockHash(headerBytesOf(item.bytes, item.head)), hash)) return false
    return signedHeader(id, item.bytes, item.head) !== null
  }

  async close(): Promise<void> {
    for (const { items } of this.#cursors.values()) await items.return(undefined)
    this.#cursors.clear()
  }

  async #seek(lane: Lane, height: number): Promise<Cursor['at']> {
    const id = lane.store.lane
    let cursor = this.#cursors.get(id)
    if (cursor === undefined || (cursor.at?.head.height ?? 0) > height) {
      await cursor?.items.return(undefined)
      cursor = { items: lane.store.scan(height), at: null }
      this.#cursors.set(id, cursor)
    }
    while ((cursor.at?.head.height ?? 0) < height) {
      const next = await cursor.items.next()
      if (next.done === true) {
        this.#cursors.delete(id)
        return null
      }
      if (next.value.kind === 'record') cursor.at = next.value
    }
    return cursor.at?.head.height === height ? cursor.at : null
  }
}
