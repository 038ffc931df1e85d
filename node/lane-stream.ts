// The blocks of a lane as one stream of bytes, as they lie on disk: for a member that lacks many. The bytes are
// cut anywhere; each record says where it ends.
//
// Invariants
//   S1. What is read ahead of the peer is one piece of a file and one window of the network.
//   S2. At most CHAIN_STREAMS_MAX streams to one peer are under way.

import { z } from 'zod'
import { RunCutter } from '../chain/index.ts'
import type { Chain, LentRun, Want } from '../chain/index.ts'
import { WeaverError } from '../core/index.ts'
import type { Cbor, FrameChannel, NodeId } from '../core/index.ts'
import type { RpcClient } from '../mesh/index.ts'
import {
  CHAIN_PIECE_BYTES,
  CHAIN_STREAM_BYTES,
  CHAIN_STREAM_TIMEOUT_MS,
  CHAIN_STREAMS_MAX
} from './limits.ts'
import { answered } from './remote/received.ts'
import type { StreamMeter } from './stream-garbage.ts'

/** The method of the service `chain`; its body is `{ lane, from, to }`. */
export const STREAM_METHOD = 'stream'

export interface StreamRequest {
  readonly peer: NodeId
  readonly channel: Pick<FrameChannel, 'send'>
  readonly want: Want
}

export class LaneStreams {
  readonly #chain: Pick<Chain, 'pieces'>
  readonly #meter: StreamMeter
  readonly #underWay = new Map<NodeId, number>()

  constructor(deps: { readonly chain: Pick<Chain, 'pieces'>; readonly meter: StreamMeter }) {
    this.#chain = deps.chain
    this.#meter = deps.meter
  }

  /** Sends what is held of it, up to CHAIN_STREAM_BYTES. Returns the height behind the last block sent. */
  async serve({ peer, channel, want }: StreamRequest): Promise<number> {
    const before = this.#underWay.get(peer) ?? 0
    if (before >= CHAIN_STREAMS_MAX) {
      throw new WeaverError('NODE_BUSY', 'Cannot send another stream of blocks', { retry: 'later' })
    }
    this.#underWay.set(peer, before + 1)
    try {
      return await this.#send(channel, want)
    } finally {
      const left = (this.#underWay.get(peer) ?? 1) - 1
      if (left === 0) this.#underWay.delete(peer)
      else this.#underWay.set(peer, left)
    }
  }

  async #send(channel: Pick<FrameChannel, 'send'>, want: Want): Promise<number> {
    let sent = want.fromHeight
    let bytesLeft = CHAIN_STREAM_BYTES
    for await (const { bytes, next } of this.#chain.pieces(want.lane, sent, want.toHeight)) {
      for (let at = 0; at < bytes.length; at += CHAIN_PIECE_BYTES) {
        await channel.send(bytes.subarray(at, at + CHAIN_PIECE_BYTES))
      }
      sent = next
      this.#meter(bytes.length)
      bytesLeft -= bytes.length
      if (bytesLeft <= 0) break
    }
    return sent
  }
}

const resultSchema = z.object({ next: z.int().min(1) })

/**
 * One stream from a peer, run by run. Ends where the peer sends no more, which may be before `toHeight`. Throws
 * what the call throws, and FormatError `CHAIN_FORMAT_INVALID` for bytes that are no records.
 */
export async function* streamRuns(
  deps: {
    readonly rpc: RpcClient
    readonly meter: StreamMeter
    /** Ends the call, whatever the peer does. */
    readonly signal: AbortSignal
  },
  peer: NodeId,
  { lane, fromHeight, toHeight }: Want
): AsyncGenerator<LentRun, void, void> {
  const body: Cbor = { lane, from: fromHeight, to: toHeight }
  const { rpc, meter, signal } = deps
  const options = { timeoutMs: CHAIN_STREAM_TIMEOUT_MS, signal }
  const call = rpc.open(peer, 'chain', STREAM_METHOD, body, options)
  const cutter = new RunCutter()
  let isOver = false
  try {
    call.channel.end()
    for await (const frame of call.channel.frames) {
      const run = cutter.push(frame)
      meter(frame.length)
      if (run !== null) yield run
    }
    answered(resultSchema, await call.result)
    isOver = true
    const last = cutter.take()
    if (last !== null) yield last
  } finally {
    if (!isOver) call.cancel(new WeaverError('NODE_CALL_DROPPED', 'No more blocks are wanted'))
  }
}
