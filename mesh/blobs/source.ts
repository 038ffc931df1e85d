// One source of a fetch: a call to one member over which lists and chunks come.
//
// Invariants
//   Q1. What is handed on has been hashed and is what was asked for. The first byte that is not ends the
//       source, and says that it lied.
//   Q2. At most BLOB_CHUNKS_ASKED_MAX chunks are asked for and not there, and two are in memory.

import { concatBytes, WeaverError } from '../../core/index.ts'
import type { BlobId, Clock, NodeId } from '../../core/index.ts'
import type { RpcCall, RpcClient } from '../rpc/index.ts'
import { BlobList } from './blob-list.ts'
import type { ChunkPlan } from './chunk-plan.ts'
import { blobForged, blobSilent } from './errors.ts'
import {
  BLOB_CHUNK_BYTES,
  BLOB_CHUNKS_ASKED_MAX,
  BLOB_LIST_BYTES_MAX,
  BLOB_STALL_MS
} from './limits.ts'
import { Silence } from './silence.ts'
import { BLOB_SERVICE, encodeWishes, fetchBody, LIST_INDEX } from './wire.ts'

export interface SourceDeps {
  readonly rpc: RpcClient
  readonly clock: Clock
}

export interface SourceOptions {
  readonly peer: NodeId
  readonly id: BlobId
  readonly signal: AbortSignal
}

export interface Delivery {
  readonly plan: ChunkPlan
  readonly list: BlobList
  /** Takes a chunk that was checked. The bytes are the source's again once it resolves. */
  readonly deliver: (index: number, bytes: Uint8Array) => Promise<void>
}

export class Source {
  readonly peer: NodeId
  readonly #id: BlobId
  readonly #call: RpcCall
  readonly #frames: AsyncIterator<Uint8Array>
  readonly #silence: Silence
  #rest: Uint8Array = new Uint8Array()
  #hasLacked = false

  constructor({ rpc, clock }: SourceDeps, { peer, id, signal }: SourceOptions) {
    this.peer = peer
    this.#id = id
    this.#call = rpc.open(peer, BLOB_SERVICE, 'fetch', fetchBody(id), { signal })
    this.#frames = this.#call.channel.frames[Symbol.asyncIterator]()
    this.#silence = new Silence(
      { clock, onSilence: () => this.#call.cancel(blobSilent()) },
      { limitMs: BLOB_STALL_MS }
    )
  }

  /** Whether it had not got all that it was asked for: later it may have. */
  get hasLacked(): boolean {
    return this.#hasLacked
  }

  /** @throws WeaverError `MESH_BLOB_FORGED`, or whatever ended the call */
  async list(): Promise<BlobList> {
    await this.#call.channel.send(encodeWishes([LIST_INDEX]))
    const head = await this.#take(new Uint8Array(4))
    const size = new DataView(head.buffer, head.byteOffset).getUint32(0)
    if (size > BLOB_LIST_BYTES_MAX) throw blobForged(this.#id, 'a list')
    // As it comes: what the peer says of its size reserves no memory.
    const parts: Uint8Array[] = []
    for (let left = size; left > 0;) {
      const part = (await this.#some(left)).slice()
      parts.push(part)
      left -= part.length
    }
    const list = BlobList.parse(this.#id, concatBytes(...parts))
    if (list === null) throw blobForged(this.#id, 'a list') // Q1
    return list
  }

  /**
   * Fetches what the plan gives, until it gives nothing more.
   * @throws WeaverError `MESH_BLOB_FORGED`, whatever ended the call, or what `deliver` threw
   */
  async run({ plan, list, deliver }: Delivery): Promise<void> {
    const buffers = [new Uint8Array(BLOB_CHUNK_BYTES), new Uint8Array(BLOB_CHUNK_BYTES)]
    const asked: number[] = []
    let storing: Promise<void> = Promise.resolve()
    try {
      for (let turn = 0; ; turn += 1) {
        await this.#ask(plan, asked)
        const index = asked.shift()
        if (index === undefined) break
        if (await this.#isLacking()) {
          this.#hasLacked = true
          plan.lack(this.peer, index)
          continue
        }
        const buffer = buffers[turn % 2] ?? new Uint8Array(BLOB_CHUNK_BYTES)
        const bytes = await this.#take(buffer.subarray(0, list.chunkSize(index)))
        if (!list.holds(index, bytes)) throw blobForged(this.#id, `chunk ${index}`) // Q1
        await storing // Q2
        storing = deliver(index, bytes)
        storing.catch(() => undefined) // Thrown at the next turn, or below.
      }
      await storing
    } finally {
      await storing.catch(() => undefined) // Nobody may use the buffer after us.
    }
  }

  /** Ends the call well. */
  finish(): void {
    this.#silence.end()
    this.#call.channel.end()
  }

  fail(reason: unknown): void {
    this.#silence.end()
    const why =
      reason instanceof WeaverError
        ? reason
        : new WeaverError('MESH_BLOB_REQUEST_INVALID', `The fetch ended: ${String(reason)}`)
    this.#call.cancel(why)
  }

  async #ask(plan: ChunkPlan, asked: number[]): Promise<void> {
    if (asked.length > BLOB_CHUNKS_ASKED_MAX / 2) return // Several in one frame: each costs a write.
    const wishes: number[] = []
    while (asked.length + wishes.length < BLOB_CHUNKS_ASKED_MAX) {
      const index = plan.take(this.peer)
      if (index === null) break
      wishes.push(index)
    }
    if (wishes.length === 0) return
    asked.push(...wishes)
    await this.#call.channel.send(encodeWishes(wishes))
  }

  /** Whether an empty frame comes in place of a chunk. */
  async #isLacking(): Promise<boolean> {
    if (this.#rest.length > 0) return false
    this.#rest = await this.#next()
    return this.#rest.length === 0
  }

  /** Fills `buffer`. */
  async #take(buffer: Uint8Array): Promise<Uint8Array> {
    for (let filled = 0; filled < buffer.length;) {
      const part = await this.#some(buffer.length - filled)
      buffer.set(part, filled)
      filled += part.length
    }
    return buffer
  }

  async #some(bytesMax: number): Promise<Uint8Array> {
    while (this.#rest.length === 0) this.#rest = await this.#next()
    const part = this.#rest.subarray(0, bytesMax)
    this.#rest = this.#rest.subarray(part.length)
    return part
  }

  async #next(): Promise<Uint8Array> {
    const next = await this.#frames.next()
    if (next.done === true) {
      await this.#call.result // It says why, if it was an error.
      throw blobForged(this.#id, 'the early end')
    }
    this.#silence.heard()
    return next.value
  }
}
