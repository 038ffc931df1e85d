// Chunks of a file, read ahead into few buffers.
//
// Invariants
//   R1. A buffer is read into again only when all that was sent from it has left the channel: whatever a
//       channel still holds are the last CHANNEL_QUEUED_BYTES_MAX bytes that were sent.

import type { BlobFile } from '../ports.ts'
import { CHANNEL_QUEUED_BYTES_MAX } from '../rpc/limits.ts'
import type { BlobList } from './blob-list.ts'
import { BLOB_CHUNK_BYTES } from './limits.ts'

interface Slot {
  readonly buffer: Uint8Array
  /** When so much has been sent in all, the buffer is free. */
  freeAt: number
}

interface Ahead {
  readonly index: number
  readonly slot: Slot
  readonly bytes: Promise<Uint8Array>
}

export class ChunkReader {
  readonly #list: BlobList
  readonly #file: BlobFile
  readonly #slots: Slot[] = []
  #ahead: Ahead | null = null
  #current: Slot | null = null
  #sentBytes = 0

  constructor(list: BlobList, file: BlobFile) {
    this.#list = list
    this.#file = file
  }

  /** The chunk at `index`, short where the file ends early; the next one is being read from then on. */
  async read(index: number): Promise<Uint8Array> {
    const ahead = this.#ahead?.index === index ? this.#ahead : await this.#begin(index)
    this.#ahead = null
    const bytes = await ahead.bytes
    this.#current = ahead.slot
    if (index + 1 < this.#list.count) this.#ahead = await this.#begin(index + 1)
    return bytes
  }

  /** The channel has taken `bytes` more of the chunk that was read last. */
  sent(bytes: number): void {
    this.#sentBytes += bytes
    if (this.#current !== null) {
      this.#current.freeAt = this.#sentBytes + CHANNEL_QUEUED_BYTES_MAX
    }
  }

  async close(): Promise<void> {
    await this.#dropAhead()
    await this.#file.close()
  }

  async #begin(index: number): Promise<Ahead> {
    await this.#dropAhead()
    const slot = this.#slots.find(({ freeAt }) => freeAt <= this.#sentBytes) ?? this.#newSlot()
    slot.freeAt = Infinity
    const wanted = slot.buffer.subarray(0, this.#list.chunkSize(index))
    const bytes = this.#file.read(index * BLOB_CHUNK_BYTES, wanted)
    bytes.catch(() => undefined) // Thrown where it is awaited, if it ever is.
    return { index, slot, bytes }
  }

  async #dropAhead(): Promise<void> {
    const ahead = this.#ahead
    this.#ahead = null
    if (ahead === null) return
    await ahead.bytes.catch(() => undefined)
    ahead.slot.freeAt = 0
  }

  #newSlot(): Slot {
    const slot = { buffer: new Uint8Array(BLOB_CHUNK_BYTES), freeAt: 0 }
    this.#slots.push(slot)
    return slot
  }
}
