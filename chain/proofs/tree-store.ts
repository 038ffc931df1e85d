// The RFC 6962 tree over the hashes of a lane's blocks, kept so that any proof costs a few reads.
//
// File k, `<node>.tree<k>`, holds the hash of each whole subtree of 256^k leaves, 32 bytes each: file 0 the
// leaf hashes, file 1 one hash for each 256 of them, and so on. All other nodes are computed from at most
// 255 hashes of one file. The files are derived from the lane: what a crash or rot has done to them is
// found by the root, and mended by building them again.
//
// Invariants
//   T1. `size` counts whole leaves; a hash of file k exists exactly for each whole 256^k leaves.
//   T2. `flush` makes all of it durable; before, a crash loses the part since the last one, and no more
//       is believed at the next start than a signed root covers.

import { concatBytes, HASH_BYTES } from '../../core/index.ts'
import type { NodeId } from '../../core/index.ts'
import { sha256Pair } from '../offline/tree.ts'
import { nodePrimitives } from '../offline/node-primitives.ts'
import { TILES_KEPT_MAX } from '../limits.ts'
import type { LaneDisk, LaneFile } from '../ports.ts'

const TILE_WIDTH = 256
const TILE_BYTES = TILE_WIDTH * HASH_BYTES
/** 256^6 leaves are 2^48: more than a lane can have in any lifetime. */
const FILES_MAX = 7

const pair = sha256Pair(nodePrimitives)

interface Level {
  readonly name: string
  /** Hashes in the file. */
  stored: number
  /** Those behind them, not written yet. */
  readonly fresh: Uint8Array[]
}

export class TreeStore {
  readonly #disk: LaneDisk
  readonly #levels: Level[]
  readonly #kept = new Map<string, readonly Uint8Array[]>()
  #size: number

  private constructor(disk: LaneDisk, lane: NodeId, size: number) {
    this.#disk = disk
    this.#size = size
    this.#levels = Array.from({ length: FILES_MAX }, (_, file) => {
      const stored = Math.floor(size / TILE_WIDTH ** file)
      return { name: `${lane}.tree${file}`, stored, fresh: [] }
    })
  }

  /** The tree as its files have it, up to `sizeMax` leaves. Its root is for the caller to compare. */
  static async open(disk: LaneDisk, lane: NodeId, sizeMax: number): Promise<TreeStore> {
    let size = sizeMax
    for (let file = 0; file < FILES_MAX && size > 0; file += 1) {
      const width = TILE_WIDTH ** file
      const held = Math.floor((await sizeOf(disk, `${lane}.tree${file}`)) / HASH_BYTES)
      if (held < Math.floor(size / width)) size = 0
    }
    return new TreeStore(disk, lane, size)
  }

  get size(): number {
    return this.#size
  }

  /** Adds leaf hashes. Calls must not overlap. */
  async extend(leaves: readonly Uint8Array[]): Promise<void> {
    for (const leaf of leaves) {
      this.#levels[0]?.fresh.push(leaf)
      this.#size += 1
      for (let file = 1; this.#size % TILE_WIDTH ** file === 0 && file < FILES_MAX; file += 1) {
        const index = this.#size / TILE_WIDTH ** file - 1
        this.#levels[file]?.fresh.push(fold(await this.#tile(file - 1, index)))
      }
    }
  }

  /** Writes what is new. Durable once resolved. */
  async flush(): Promise<void> {
    for (const level of this.#levels) {
      if (level.fresh.length === 0) continue
      const file = await this.#disk.create(level.name)
      try {
        const fresh = [...level.fresh]
        const end = (level.stored + fresh.length) * HASH_BYTES
        await file.write(level.stored * HASH_BYTES, concatBytes(...fresh))
        await file.truncate(end)
        await file.sync()
        level.stored += fresh.length
        level.fresh.splice(0, fresh.length)
      } finally {
        await file.close()
      }
    }
  }

  /** Hashes that wait to be written. */
  get unwritten(): number {
    return this.#levels[0]?.fresh.length ?? 0
  }

  /** Reads several nodes with one look at each tile; whole ones never change, and the last are kept. */
  reader(): NodeReader {
    const tiles = new Map<string, Promise<readonly Uint8Array[]>>()
    return (level, index) => {
      const file = Math.floor(level / 8)
      const width = 2 ** (level % 8)
      const first = index * width
      const tile = Math.floor(first / TILE_WIDTH)
      const key = `${file}/${tile}`
      const read = tiles.get(key) ?? this.#keptTile(file, tile)
      tiles.set(key, read)
      const from = first - tile * TILE_WIDTH
      return read.then((hashes) => fold(hashes.slice(from, from + width)))
    }
  }

  async #keptTile(file: number, tile: number): Promise<readonly Uint8Array[]> {
    const key = `${file}/${tile}`
    const kept = this.#kept.get(key)
    if (kept !== undefined) return kept
    const hashes = await this.#tile(file, tile)
    if (hashes.length < TILE_WIDTH) return hashes
    const [oldest] = this.#kept.keys()
    if (this.#kept.size >= TILES_KEPT_MAX && oldest !== undefined) this.#kept.delete(oldest)
    this.#kept.set(key, hashes)
    return hashes
  }

  /** The hashes of one tile, fewer at the right edge. */
  async #tile(file: number, tile: number): Promise<readonly Uint8Array[]> {
    const level = this.#levels[file]
    if (level === undefined) return []
    const first = tile * TILE_WIDTH
    const last = first + TILE_WIDTH
    const stored = Math.min(level.stored, last) - first
    const bytes = stored > 0 ? await this.#read(level.name, first, stored) : new Uint8Array(0)
    const hashes: Uint8Array[] = []
    for (let at = 0; at + HASH_BYTES <= bytes.length; at += HASH_BYTES) {
      hashes.push(bytes.slice(at, at + HASH_BYTES))
    }
    const skipped = Math.max(0, first - level.stored)
    return [...hashes, ...level.fresh.slice(skipped, Math.max(0, last - level.stored))]
  }

  async #read(name: string, first: number, count: number): Promise<Uint8Array> {
    const file = await this.#disk.open(name)
    if (file === null) return new Uint8Array(0)
    try {
      const length = Math.min(count * HASH_BYTES, TILE_BYTES)
      return await file.read(first * HASH_BYTES, length)
    } finally {
      await file.close()
    }
  }
}

/** The hash of the `index`-th whole subtree of 2^level leaves. */
export type NodeReader = (level: number, index: number) => Promise<Uint8Array>

async function sizeOf(disk: LaneDisk, name: string): Promise<number> {
  const file: LaneFile | null = await disk.open(name)
  if (file === null) return 0
  try {
    return await file.size()
  } finally {
    await file.close()
  }
}

/** The hash over 1, 2, 4, ... 256 neighbours. Missing ones (a damaged file) make a hash that is wrong, not a crash. */
function fold(hashes: readonly Uint8Array[]): Uint8Array {
  let level = hashes
  while (level.length > 1) {
    const above: Uint8Array[] = []
    for (let at = 0; at < level.length; at += 2) {
      const [left, right] = [level[at], level[at + 1]]
      if (left !== undefined) above.push(right === undefined ? left : pair(left, right))
    }
    level = above
  }
  return level[0] ?? new Uint8Array(HASH_BYTES)
}
