// Which payloads have been taken back, by whom. The entries that say so stand in lanes; this is the index
// of them, so that blocks that arrive later are stored without those payloads, too.
//
// Invariants
//   X1. A redaction is in the index, durable, before the block that carries it is in a lane: a crash in
//       between costs nothing, for the block will be fetched, or looked for, again.
//   X2. The index never authorises anything. Whoever uses it asks `mayRedact`, and `verify` reads the
//       entry that it names.

import { concatBytes, decodeCbor, encodeCbor, equalBytes, shake256 } from '../core/index.ts'
import type { Logger, NodeId } from '../core/index.ts'
import { entryId } from './entry.ts'
import type { EntryRef } from './entry.ts'
import { REDACTIONS_MAX } from './limits.ts'
import type { LaneDisk } from './ports.ts'

export interface Redaction {
  readonly target: EntryRef
  /** The lane whose owner asked for it. */
  readonly lane: NodeId
  /** The `chain.redacted` entry; null while it is being written. */
  readonly by: EntryRef | null
}

const NAME = 'redactions.index'
const DOMAIN = 'weft/redactions/1'
const HASH_BYTES = 32

export class Redactions {
  readonly #disk: LaneDisk
  readonly #log: Logger
  /** By the id of the target. More than one member may have asked. */
  readonly #byTarget = new Map<string, Redaction[]>()
  /** The targets of each lane, by height. */
  readonly #places = new Map<NodeId, Map<number, Set<number>>>()
  #count = 0
  #turn: Promise<void> = Promise.resolve()

  private constructor(disk: LaneDisk, log: Logger) {
    this.#disk = disk
    this.#log = log
  }

  static async open(disk: LaneDisk, log: Logger): Promise<{ index: Redactions; isLost: boolean }> {
    const index = new Redactions(disk, log)
    const file = await disk.open(NAME)
    if (file === null) return { index, isLost: false }
    let bytes: Uint8Array
    try {
      bytes = await file.read(0, await file.size())
    } finally {
      await file.close()
    }
    const stored = decode(bytes)
    for (const redaction of stored ?? []) index.#add(redaction)
    return { index, isLost: stored === null }
  }

  of(target: string): readonly Redaction[] {
    return this.#byTarget.get(target) ?? []
  }

  /** The indexes of entries of one block that somebody has asked to redact. */
  at(lane: NodeId, height: number): ReadonlySet<number> | null {
    return this.#places.get(lane)?.get(height) ?? null
  }

  all(): readonly Redaction[] {
    return [...this.#byTarget.values()].flat()
  }

  /** Durable once resolved (X1). */
  async note(redactions: readonly Redaction[]): Promise<void> {
    let hasNews = false
    for (const redaction of redactions) hasNews = this.#add(redaction) || hasNews
    if (hasNews) await this.#save()
  }

  async forget(redaction: Redaction): Promise<void> {
    const all = this.all().filter((each) => each !== redaction)
    this.#byTarget.clear()
    this.#places.clear()
    this.#count = 0
    for (const each of all) this.#add(each)
    await this.#save()
  }

  #add(redaction: Redaction): boolean {
    const { target, lane, by } = redaction
    const known = this.#byTarget.get(target.id) ?? []
    const same = known.findIndex((each) => each.lane === lane)
    if (same !== -1 && (by === null || known[same]?.by?.id === by.id)) return false
    if (same === -1 && this.#count >= REDACTIONS_MAX) {
      this.#log.warn('Too many redactions: one is not carried out', { entry: target.id })
      return false
    }
    if (same === -1) this.#count += 1
    known[same === -1 ? known.length : same] = redaction
    this.#byTarget.set(target.id, known)
    const places = this.#places.get(target.lane) ?? new Map<number, Set<number>>()
    this.#places.set(target.lane, places)
    places.set(target.height, (places.get(target.height) ?? new Set()).add(target.index))
    return true
  }

  #save(): Promise<void> {
    const turn = this.#turn.then(() => this.#saveNow())
    this.#turn = turn.catch(() => undefined) // The caller has the failure.
    return turn
  }

  async #saveNow(): Promise<void> {
    const rows = this.all().map(({ target, lane, by }) => [target.id, lane, by?.id ?? null])
    const body = encodeCbor(rows)
    const fresh = `${NAME}.new`
    await this.#disk.remove(fresh)
    const file = await this.#disk.create(fresh)
    try {
      await file.write(0, concatBytes(shake256(DOMAIN, body), body))
      await file.sync()
    } finally {
      await file.close()
    }
    await this.#disk.rename(fresh, NAME)
  }
}

/** Null for bytes that are not what was written. */
function decode(bytes: Uint8Array): readonly Redaction[] | null {
  const body = bytes.subarray(HASH_BYTES)
  if (!equalBytes(bytes.subarray(0, HASH_BYTES), shake256(DOMAIN, body))) return null
  const rows = decodeCbor(body)
  if (!Array.isArray(rows)) return null
  return rows.flatMap((row: unknown) => {
    if (!Array.isArray(row)) return []
    const [target, lane, by] = row.map((item: unknown) => (typeof item === 'string' ? item : null))
    if (typeof target !== 'string' || typeof lane !== 'string') return []
    // What the checksum covers, this program wrote: the lane was a checked id.
    const ref = entryId(`1.0@${lane}`)
    return [
      { target: entryId(target), lane: ref.lane, by: typeof by === 'string' ? entryId(by) : null }
    ]
  })
}
