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
import { TILES_KEPT_MAX } from '../limits.ts'
import type { LaneDisk, LaneFile } from '../ports.ts'
import { Tile, TILE_WIDTH } from './tile.ts'

const TILE_BYTES = TILE_WIDTH * HASH_BYTES
/** Doublings from a hash of one file to one of the next. */
const TILE_HEIGHT = 8
/** 256^6 leaves are 2^48: more than a lane can have in any lifetime. */
const FILES_MAX = 7

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
  readonly #kept = new Map<string, Tile>()
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
        const tile = await this.#tile(file - 1, index)
        this.#levels[file]?.fresh.push(tile.node(TILE_HEIGHT, 0))
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
    const tiles = new Map<string, Promise<Tile>>()
    return (level, index) => {
      const file = Math.floor(level / TILE_HEIGHT)
      const height = level % TILE_HEIGHT
      const width = 2 ** height
      const first = index * width
      const tile = Math.floor(first / TILE_WIDTH)
      const key = `${file}/${tile}`
      const read = tiles.get(key) ?? this.#keptTile(file, tile)
      tiles.set(key, read)
      return read.then((each) => each.node(height, (first - tile * TILE_WIDTH) / width))
    }
  }

  async #keptTile(file: number, tile: number): Promise<Tile> {
    const key = `${file}/${tile}`
    const kept = this.#kept.get(key)
    if (kept !== undefined) return kept
    const read = await this.#tile(file, tile)
    if (!read.isWhole) return read
    const [oldest] = this.#kept.keys()
    if (this.#kept.size >= TILES_KEPT_MAX && oldest !== undefined) this.#kept.delete(oldest)
    this.#kept.set(key, read)
    return read
  }

  /** The hashes of one tile, fewer at the right edge. */
  async #tile(file: number, tile: number): Promise<Tile> {
    const level = this.#levels[file]
    if (level === undefined) return new Tile(new Uint8Array(0))
    const first = tile * TILE_WIDTH
    const last = first + TILE_WIDTH
    const stored = Math.min(level.stored, last) - first
    const bytes = stored > 0 ? await this.#read(level.name, first, stored) : new Uint8Array(0)
    const whole = bytes.subarray(0, bytes.length - (bytes.length % HASH_BYTES))
    const skipped = Math.max(0, first - level.stored)
    const fresh = level.fresh.slice(skipped, Math.max(0, last - level.stored))
    return new Tile(concatBytes(whole, ...fresh))
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
