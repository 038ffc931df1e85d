// What other members get of this node's blobs.
//
// Invariants
//   V1. No byte of a blob leaves before the gate has recorded that this peer gets it, once for each fetch.
//   V2. What is served is not removed meanwhile, and a peer that does not read is let go.
//   V3. One chunk is read ahead of the one being sent: memory does not grow with the blob or the wishes.
//   V4. Of a blob that is here in part only chunks leave that were just compared with their hash.

import type { BlobId, Cbor, Clock, FrameChannel, Logger, NodeId } from '../../core/index.ts'
import type { BlobFile, BlobGate } from '../ports.ts'
import type { RpcRequest, RpcService } from '../rpc/index.ts'
import type { BlobList } from './blob-list.ts'
import { ChunkReader } from './chunk-reader.ts'
import { blobDamaged, blobRequestInvalid, blobsBusy, blobSilent } from './errors.ts'
import {
  BLOB_CHUNK_BYTES,
  BLOB_PIECE_BYTES,
  BLOB_SERVE_IDLE_MS,
  BLOB_SERVES_MAX,
  BLOB_SERVES_PER_PEER_MAX
} from './limits.ts'
import type { Shelf } from './shelf.ts'
import { Silence } from './silence.ts'
import {
  BLOB_SERVICE,
  decodeWishes,
  hasAnswer,
  LIST_INDEX,
  requestedId,
  takesParts
} from './wire.ts'

export interface ServeDeps {
  readonly shelf: Shelf
  readonly gate: BlobGate
  readonly clock: Clock
  readonly log: Logger
}

export class BlobServer implements RpcService {
  readonly name: string = BLOB_SERVICE
  readonly #deps: ServeDeps
  /** Fetches under way, by who fetches. */
  readonly #serving = new Map<NodeId, number>()

  constructor(deps: ServeDeps) {
    this.#deps = deps
  }

  async serve(request: RpcRequest): Promise<Cbor> {
    const { shelf } = this.#deps
    const id = requestedId(request.body)
    switch (request.method) {
      case 'has':
        return hasAnswer(shelf.held(id))
      case 'fetch':
        return this.#counted(request.peer, () => this.#fetch(request, id))
      default:
        throw blobRequestInvalid(`there is no method '${request.method.slice(0, 64)}'`)
    }
  }

  async #counted(peer: NodeId, serve: () => Promise<Cbor>): Promise<Cbor> {
    const ofPeer = this.#serving.get(peer) ?? 0
    const all = [...this.#serving.values()].reduce((sum, count) => sum + count, 0)
    if (ofPeer >= BLOB_SERVES_PER_PEER_MAX) throw blobsBusy(`${ofPeer} are under way to this node`)
    if (all >= BLOB_SERVES_MAX) throw blobsBusy(`${all} are under way`)
    this.#serving.set(peer, ofPeer + 1)
    try {
      return await serve()
    } finally {
      const left = (this.#serving.get(peer) ?? 1) - 1
      if (left === 0) this.#serving.delete(peer)
      else this.#serving.set(peer, left)
    }
  }

  async #fetch({ peer, channel, body }: RpcRequest, id: BlobId): Promise<Cbor> {
    const { shelf, gate, clock } = this.#deps
    const release = shelf.hold(id) // V2
    const silence = new Silence(
      { clock, onSilence: () => channel.abort(blobSilent()) },
      { limitMs: BLOB_SERVE_IDLE_MS }
    )
    try {
      await gate.authorizeServe(peer, id) // V1
      await shelf.touch(id)
      const part = takesParts(body) ? await shelf.openHeldPart(id) : null
      const sent =
        part === null ? this.#send(channel, id, silence) : sendPart(channel, part, silence)
      return { chunks: await sent }
    } finally {
      silence.end()
      release()
    }
  }

  async #send(channel: FrameChannel, id: BlobId, silence: Silence): Promise<number> {
    const { list, file } = await this.#deps.shelf.openWhole(id)
    const reader = new ChunkReader(list, file)
    let sent = 0
    try {
      for await (const frame of channel.frames) {
        for (const index of decodeWishes(frame)) {
          if (index === LIST_INDEX) await sendList(channel, list, silence)
          else {
            await this.#sendChunk(channel, { index, list, reader, silence })
            sent += 1
          }
        }
      }
      return sent
    } finally {
      await reader.close()
    }
  }

  async #sendChunk(
    channel: FrameChannel,
    { index, list, reader, silence }: ChunkToSend
  ): Promise<void> {
    if (index >= list.count) throw blobRequestInvalid(`it has ${list.count} chunks`)
    const bytes = await reader.read(index)
    if (bytes.length !== list.chunkSize(index)) {
      await this.#deps.shelf.demote(list.id)
      throw blobDamaged(list.id, 'its file')
    }
    await sendPieces(channel, bytes, (size) => {
      reader.sent(size)
      silence.heard()
    })
  }
}

/** Sends what is sound of what is here, and an empty frame for the rest (V4). @returns how many chunks */
async function sendPart(
  channel: FrameChannel,
  { list, file }: { readonly list: BlobList; readonly file: BlobFile },
  silence: Silence
): Promise<number> {
  let sent = 0
  try {
    for await (const frame of channel.frames) {
      for (const index of decodeWishes(frame)) {
        silence.heard()
        if (index === LIST_INDEX) await sendList(channel, list, silence)
        else if (index >= list.count) throw blobRequestInvalid(`it has ${list.count} chunks`)
        else {
          // The channel's from here on: a buffer for each.
          const buffer = new Uint8Array(list.chunkSize(index))
          const bytes = await file.read(index * BLOB_CHUNK_BYTES, buffer)
          const isSound = list.holds(index, bytes)
          if (isSound) await sendPieces(channel, bytes, () => silence.heard())
          else await channel.send(NOT_HERE)
          if (isSound) sent += 1
        }
      }
    }
    return sent
  } finally {
    await file.close()
  }
}

/** In place of a chunk. */
const NOT_HERE = new Uint8Array()

interface ChunkToSend {
  readonly index: number
  readonly list: BlobList
  readonly reader: ChunkReader
  readonly silence: Silence
}

async function sendList(
  channel: FrameChannel,
  { bytes }: BlobList,
  silence: Silence
): Promise<void> {
  const length = new Uint8Array(4)
  new DataView(length.buffer).setUint32(0, bytes.length)
  await channel.send(length)
  await sendPieces(channel, bytes, () => silence.heard())
}

async function sendPieces(
  channel: FrameChannel,
  bytes: Uint8Array,
  onSent: (size: number) => void
): Promise<void> {
  for (let at = 0; at < bytes.length; at += BLOB_PIECE_BYTES) {
    const piece = bytes.subarray(at, at + BLOB_PIECE_BYTES)
    await channel.send(piece)
    onSent(piece.length)
  }
}
