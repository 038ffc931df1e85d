// Cutting what a scan finds into batches of records, each with the damage that lies between them.

import type { CheckBatch } from './ports.ts'
import type { Lane } from './lane.ts'
import { CHECK_BATCH_BYTES, CHECK_BATCH_RECORDS, CHECK_READ_BYTES } from './limits.ts'
import type { ScanItem } from './scan.ts'

export interface ScannedBatch {
  readonly items: readonly ScanItem[]
  /** The records among the items, in bytes of their own; null when there are none. */
  readonly batch: CheckBatch | null
}

export class Batches {
  readonly #lane: Lane
  readonly #scan: AsyncGenerator<ScanItem>
  readonly #heightMax: number
  #items: ScanItem[] = []
  #bytes = 0

  constructor(lane: Lane, fromHeight: number, heightMax: number) {
    this.#lane = lane
    this.#scan = lane.store.scan(fromHeight, CHECK_READ_BYTES)
    this.#heightMax = heightMax
  }

  async *all(): AsyncGenerator<ScannedBatch> {
    for await (const item of this.#scan) {
      if (item.kind === 'record' && item.head.height > this.#heightMax) break
      this.#items.push(item)
      if (item.kind === 'record') this.#bytes += item.bytes.length
      const isFull = this.#bytes >= CHECK_BATCH_BYTES || this.#items.length >= CHECK_BATCH_RECORDS
      if (isFull) yield this.#take()
    }
    if (this.#items.length > 0) yield this.#take()
  }

  async close(): Promise<void> {
    await this.#scan.return(undefined)
  }

  #take(): ScannedBatch {
    const items = this.#items
    const records = items.filter((item) => item.kind === 'record')
    const bytes = new Uint8Array(this.#bytes)
    let offset = 0
    for (const record of records) {
      bytes.set(record.bytes, offset)
      offset += record.bytes.length
    }
    this.#items = []
    this.#bytes = 0
    if (records.length === 0) return { items, batch: null }
    const sizes = records.map(({ head, bytes: { length } }) => {
      return { height: head.height, size: length }
    })
    return { items, batch: { lane: this.#lane.store.lane, bytes, records: sizes } }
  }
}
