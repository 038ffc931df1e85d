// Shared documents on disk. Whoever said what should be so may be gone for ever: these are kept as carefully as
// the membership, and written before anybody is told.
//
// Invariant V1: a save is one write, so a start never finds a base without what its author wrote again on it, nor
//   either without the record of what this node wrote (W1).

import { encodeCbor } from '../../core/index.ts'
import type { KeyValueStore, StoreWrite } from '../../core/index.ts'
import { readStored } from '../stored.ts'
import { isCount } from './envelope.ts'
import type { OwnWrite, OwnWrites } from './shared-document.ts'
import type { SharedLog } from './shared-log.ts'
import { isSharedName } from './shared-rows.ts'
import type { SharedName } from './shared-rows.ts'

const PREFIX = 'mesh/shared/'
const OWN_KEY = 'own'

/** What is to be kept of a document. */
export interface Kept {
  readonly log: SharedLog
  readonly own: OwnWrites
}

/** What was kept of one. */
export interface Found {
  /** In the order in which they were taken in. */
  readonly steps: Uint8Array[]
  own: OwnWrites
}

export class SharedShelf {
  readonly #store: KeyValueStore
  /** Keys of steps on disk, by document. */
  readonly #written = new Map<string, ReadonlySet<string>>()

  constructor(store: KeyValueStore) {
    this.#store = store
  }

  /** @throws MeshError `MESH_STORE_DAMAGED` */
  async load(): Promise<ReadonlyMap<SharedName, Found>> {
    const found = new Map<SharedName, Found>()
    for (const [key, bytes] of await this.#store.list(PREFIX)) {
      const slash = key.indexOf('/', PREFIX.length)
      const document = key.slice(PREFIX.length, slash)
      if (!isSharedName(document)) continue // Of a version that has more of them: it stays for that.
      const of: Found = found.get(document) ?? { steps: [], own: new Map() }
      found.set(document, of)
      if (key.slice(slash + 1) === OWN_KEY) of.own = parseOwn(bytes)
      else {
        this.#written.set(document, new Set(this.#writtenOf(document)).add(key))
        of.steps.push(bytes)
      }
    }
    return found
  }

  /** Makes the disk as `kept` is. */
  async save(document: SharedName, { log, own }: Kept): Promise<void> {
    const wanted = stepsByKey(`${PREFIX}${document}/`, log)
    const known = this.#writtenOf(document)
    const fresh = [...wanted].filter(([key]) => !known.has(key))
    const gone = [...known].filter((key) => !wanted.has(key))
    if (fresh.length === 0 && gone.length === 0) return
    const writes: StoreWrite[] = [
      ...fresh.map(([key, value]) => ({ key, value })),
      ...gone.map((key) => ({ key, value: null })),
      { key: `${PREFIX}${document}/${OWN_KEY}`, value: encodeOwn(own) }
    ]
    // Should the write fail, nobody knows which of the two are there.
    this.#written.set(document, new Set([...known, ...wanted.keys()]))
    await this.#store.write(writes)
    this.#written.set(document, new Set(wanted.keys()))
  }

  #writtenOf(document: string): ReadonlySet<string> {
    return this.#written.get(document) ?? new Set()
  }
}

function stepsByKey(folder: string, { base, deltas }: SharedLog): ReadonlyMap<string, Uint8Array> {
  const steps = new Map<string, Uint8Array>()
  if (base !== null) steps.set(`${folder}${fixed(0)}.${base.id}`, base.bytes)
  for (const [index, { bytes, author, stream, sequence }] of deltas.entries()) {
    steps.set(`${folder}${fixed(index + 1)}.${author}.${stream}.${sequence}`, bytes)
  }
  return steps
}

/** Four digits: text that sorts as the number does. */
function fixed(count: number): string {
  return String(count).padStart(4, '0')
}

function encodeOwn(own: OwnWrites): Uint8Array {
  const rows = [...own].map(([key, { text, stream, sequence, at }]) => {
    return [key, text, stream, sequence, at]
  })
  return encodeCbor({ v: 1, rows })
}

function parseOwn(bytes: Uint8Array): OwnWrites {
  const { rows } = readStored(bytes, 'what this node wrote to a shared document')
  const own = new Map<string, OwnWrite>()
  for (const row of Array.isArray(rows) ? rows : []) {
    const [key, text, stream, sequence, at]: unknown[] = Array.isArray(row) ? row : []
    if (typeof key !== 'string' || typeof stream !== 'string') continue
    if (typeof text !== 'string' && text !== null) continue
    if (isCount(sequence) && isCount(at)) own.set(key, { text, stream, sequence, at })
  }
  return own
}
