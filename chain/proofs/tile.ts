// 256 neighbouring hashes of a tree, fewer at its right edge, and the nodes above them: each row of those is
// made when one of it is first asked for, and stays, so that the next path through here costs no hash.

import { HASH_BYTES } from '../../core/index.ts'
import { nodePrimitives } from '../offline/node-primitives.ts'
import { sha256Pair } from '../offline/tree.ts'

export const TILE_WIDTH = 256

const pair = sha256Pair(nodePrimitives)

export class Tile {
  /** Of each height above the hashes, theirs first: one behind another. */
  readonly #rows: Uint8Array[]

  /** `hashes` lie one behind another. */
  constructor(hashes: Uint8Array) {
    this.#rows = [hashes]
  }

  get isWhole(): boolean {
    return this.#rows[0]?.length === TILE_WIDTH * HASH_BYTES
  }

  /**
   * The hash over 2^level neighbours. Where some are missing (a damaged file), one that is wrong, not a crash.
   */
  node(level: number, index: number): Uint8Array {
    let row = this.#rows[0] ?? new Uint8Array(0)
    for (let height = 1; height <= level; height += 1) row = this.#rows[height] ??= rowAbove(row)
    const hash = row.slice(index * HASH_BYTES, (index + 1) * HASH_BYTES)
    return hash.length === HASH_BYTES ? hash : new Uint8Array(HASH_BYTES)
  }
}

/** An odd last hash moves up unchanged. */
function rowAbove(row: Uint8Array): Uint8Array {
  const count = Math.ceil(row.length / HASH_BYTES / 2)
  const above = new Uint8Array(count * HASH_BYTES)
  for (let index = 0; index < count; index += 1) {
    const at = 2 * index * HASH_BYTES
    const left = row.subarray(at, at + HASH_BYTES)
    const right = row.subarray(at + HASH_BYTES, at + 2 * HASH_BYTES)
    above.set(right.length === 0 ? left : pair(left, right), index * HASH_BYTES)
  }
  return above
}
