// Replicates lanes: every member holds every lane.
//
// Invariants
//   R1. Nothing received is stored before chain/ has checked it: the peer only carries the bytes.
//   R2. At most one pull at a time from each peer; a head heard meanwhile is looked at when it ends.
//   R4. What lacks payloads goes to those alone who ask for records without: nobody takes it for the whole.
//   R3. Lanes come from whoever has them, so a lane spreads while its owner is away.

import { z } from 'zod'
import { withoutAnyPayload } from '../chain/index.ts'
import type { AcceptOutcome, Chain, LaneHead, Want } from '../chain/index.ts'
import { nodeId, WeaverError } from '../core/index.ts'
import type { Cbor, Logger, NodeId } from '../core/index.ts'
import type { RpcClient, RpcRequest, RpcService } from '../mesh/index.ts'
import { isLaneFailure } from './ledger.ts'
import type { AskRecords } from './lane-pull.ts'
import { pullRecords } from './lane-pull.ts'
import { LaneStreams, STREAM_METHOD, streamRuns } from './lane-stream.ts'
import {
  CHAIN_ACCEPTS_MAX,
  CHAIN_BATCH_BYTES,
  CHAIN_READ_TIMEOUT_MS,
  CHAIN_RUNS_MAX,
  CHAIN_STREAM_BLOCKS_MIN
} from './limits.ts'
import { answered, received } from './remote/received.ts'
import type { StreamMeter } from './stream-garbage.ts'

const SERVICE = 'chain'
const LANES_MAX = 4096

const laneSchema = z.string().max(64).transform(nodeId)
const headsSchema = z
  .array(
    z.object({
      lane: laneSchema,
      height: z.int().min(0),
      hash: z.instanceof(Uint8Array),
      entries: z.int().min(0),
      /** The peer lacks payloads of this lane by its own wish. An older version tells of none. */
      bare: z.boolean().optional()
    })
  )
  .max(LANES_MAX)
const readSchema = z.object({
  lane: laneSchema,
  from: z.int().min(1),
  /** Absent where the caller is of an older version. */
  to: z.int().min(1).optional(),
  /** The caller wants no payloads, and takes records that lack them. */
  bare: z.boolean().optional(),
  bytesMax: z.int().min(1)
})
const streamSchema = z.object({ lane: laneSchema, from: z.int().min(1), to: z.int().min(1) })
const recordsSchema = z.object({ records: z.array(z.instanceof(Uint8Array)) })

export interface ChainSyncDeps {
  readonly self: NodeId
  readonly chain: Chain
  readonly rpc: RpcClient
  readonly connectedPeers: () => readonly NodeId[]
  /** Lanes of others are not asked for: a member cannot fill this disk with lanes of its own making. */
  readonly isMember: (node: NodeId) => boolean
  readonly log: Logger
  /** Told of what is streamed, either way. */
  readonly meter: StreamMeter
  /** A lane has two signed versions of a height. */
  readonly onForked: (lane: NodeId) => void
  /** What a peer holds, each time it says so. */
  readonly onHeads: (peer: NodeId, heads: readonly LaneHead[]) => void
  /** Hears of a disk that failed under a lane. */
  readonly onFailed: (error: WeaverError) => void
}

interface HeardHead extends LaneHead {
  readonly bare?: boolean | undefined
}

export class ChainSync {
  readonly #deps: ChainSyncDeps
  readonly #own: NodeId
  /** The newest heads heard from each peer. */
  readonly #heard = new Map<NodeId, readonly HeardHead[]>()
  readonly #pulls = new Map<NodeId, Promise<void>>()
  readonly #unsubscribe: () => void
  /** To which height of the own lane each peer has fetched it. */
  readonly #served = new Map<NodeId, number>()
  readonly #streams: LaneStreams
  /** Peers of an older version, which answer calls and send no streams. */
  readonly #streamless = new Set<NodeId>()
  #onServed: () => void = () => undefined
  readonly #stopping = new AbortController()
  #isAnnouncing = false

  constructor(deps: ChainSyncDeps) {
    this.#deps = deps
    this.#own = deps.self
    this.#streams = new LaneStreams(deps)
    this.#unsubscribe = deps.chain.onAdvance((head) => this.#announce(head.lane))
  }

  /** What rides on every pulse. */
  heads(): Cbor {
    const { chain } = this.#deps
    return chain.heads().map((head) => headCbor(head, chain.lacksPayloads(head.lane)))
  }

  /** The heads of a peer, from a pulse or an announcement. */
  heard(peer: NodeId, value: unknown): void {
    const parsed = headsSchema.safeParse(value)
    if (!parsed.success) return
    const known = new Map((this.#heard.get(peer) ?? []).map((head) => [head.lane, head]))
    for (const head of parsed.data) known.set(head.lane, head)
    this.#heard.set(peer, [...known.values()].slice(0, LANES_MAX))
    this.#deps.onHeads(peer, parsed.data)
    this.#pull(peer)
  }

  forget(peer: NodeId): void {
    this.#heard.delete(peer)
    this.#streamless.delete(peer)
  }

  service(): RpcService {
    return { name: SERVICE, serve: (request) => this.#serve(request) }
  }

  /**
   * Resolves when every connected peer has fetched this node's own lane to its end, or when `signal`
   * aborts: what is written last before a stop should not lie on this disk alone.
   */
  async flush(signal: AbortSignal): Promise<void> {
    const own = this.#deps.chain.heads().find(({ lane }) => lane === this.#own)
    if (own === undefined) return
    const lacking = (): boolean =>
      this.#deps.connectedPeers().some((peer) => (this.#served.get(peer) ?? 0) < own.height)
    while (lacking() && !signal.aborted) await this.#nextServed(signal)
  }

  #nextServed(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#onServed = resolve
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
    return promise
  }

  /** Waits for what is being checked and stored, and for no peer's answer. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#unsubscribe()
    await Promise.all(this.#pulls.values())
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted
  }

  async #serve(request: RpcRequest): Promise<Cbor> {
    if (request.method === 'heads') {
      this.heard(request.peer, request.body)
      return null
    }
    if (request.method === STREAM_METHOD) {
      const { lane, from, to } = received(streamSchema, request.body)
      const want = { lane, fromHeight: from, toHeight: to }
      const { peer, channel } = request
      if (this.#deps.chain.lacksPayloads(lane)) return { next: from } // R4
      const next = await this.#streams.serve({ peer, channel, want })
      this.#noteServed(peer, want, next)
      return { next }
    }
    if (request.method !== 'read') {
      throw new WeaverError('NODE_NO_SUCH_METHOD', `Cannot serve chain method '${request.method}'`)
    }
    const { chain } = this.#deps
    const { lane, from, to, bytesMax, bare = false } = received(readSchema, request.body)
    if (chain.lacksPayloads(lane) && !bare) return { records: [] } // R4
    const size = Math.min(bytesMax, CHAIN_BATCH_BYTES)
    const { records, next } = await chain.read(lane, from, size, to)
    this.#noteServed(request.peer, { lane, fromHeight: from }, next)
    return {
      records: bare ? records.map((record) => withoutAnyPayload(record) ?? record) : records
    }
  }

  #noteServed(peer: NodeId, { lane, fromHeight }: Omit<Want, 'toHeight'>, next: number): void {
    if (lane !== this.#own) return
    // Several calls of one peer may be under way; one that starts anew has lost what it had.
    const before = fromHeight === 1 ? 0 : (this.#served.get(peer) ?? 0)
    this.#served.set(peer, Math.max(before, next - 1))
    this.#onServed()
  }

  /** Tells all peers of this node's own new head, once for all blocks of one turn of the event loop. */
  #announce(lane: NodeId): void {
    if (lane !== this.#own || this.#isAnnouncing || this.#isStopped) return
    this.#isAnnouncing = true
    queueMicrotask(() => {
      this.#isAnnouncing = false
      if (this.#isStopped) return
      const heads = this.#deps.chain.heads().filter((head) => head.lane === this.#own)
      const body = heads.map((head) => headCbor(head, false))
      for (const peer of this.#deps.connectedPeers()) {
        this.#deps.rpc.notify(peer, SERVICE, 'heads', body)
      }
    })
  }

  #pull(peer: NodeId): void {
    if (this.#isStopped || this.#pulls.has(peer)) return // R2
    const pull = this.#pullAll(peer)
      .catch((error: unknown) => {
        if (isLaneFailure(error)) this.#deps.onFailed(error)
        // The next pulse tries again.
        this.#deps.log.debug('Cannot replicate lanes', { peer, error: String(error) })
      })
      .finally(() => this.#pulls.delete(peer))
    this.#pulls.set(peer, pull)
  }

  async #pullAll(peer: NodeId): Promise<void> {
    for (;;) {
      const heads = (this.#heard.get(peer) ?? []).filter(({ lane }) => this.#deps.isMember(lane))
      await this.#checkOwn(peer, heads)
      // Planned all the same: what is not kept is shown with how far it is behind.
      const { chain } = this.#deps
      const wants = chain.plan(heads)
      let hasGrown = false
      const kept = wants.filter(({ lane }) => chain.keeping(lane) !== 'none')
      chain.expect(entriesWanted(heads, chain.heads(), kept))
      for (const want of wants) {
        if (this.#isStopped) return
        const bare = heads.find(({ lane }) => lane === want.lane)?.bare === true
        const keeping = chain.keeping(want.lane)
        if (keeping === 'none' || (bare && keeping !== 'headers')) continue
        hasGrown = (await this.#pullLane(peer, want, keeping === 'headers')) || hasGrown
      }
      if (!hasGrown) return // Caught up, or what this peer has does not fit: its next head may.
    }
  }

  /** A peer that holds more of the own lane than this disk: chain/ checks it, and stops the lane if it is so. */
  async #checkOwn(peer: NodeId, heads: readonly HeardHead[]): Promise<void> {
    const { chain } = this.#deps
    const { height: claimed = 0, bare = false } = heads.find(({ lane }) => lane === this.#own) ?? {}
    const held = chain.heads().find(({ lane }) => lane === this.#own)?.height ?? 0
    if (claimed <= held || chain.failure() !== null || chain.upkeep.repairState() !== null) return
    await this.#pullLane(peer, { lane: this.#own, fromHeight: held + 1, toHeight: claimed }, bare)
    const failure = chain.failure()
    if (failure !== null) this.#deps.onFailed(failure)
  }

  /** One lane, the next blocks under way while some are checked. True when the lane grew. */
  async #pullLane(peer: NodeId, want: Want, bare: boolean): Promise<boolean> {
    const { chain } = this.#deps
    const { lane } = want
    const isLong = want.toHeight - want.fromHeight >= CHAIN_STREAM_BLOCKS_MIN
    if (isLong && !bare && !this.#streamless.has(peer)) {
      try {
        const runs = streamRuns({ ...this.#deps, signal: this.#stopping.signal }, peer, want)
        return await this.#acceptAll(peer, want, {
          from: runs,
          accept: (run) => chain.acceptRun(lane, run).finally(() => run.giveBack()),
          underWayMax: CHAIN_RUNS_MAX
        })
      } catch (error) {
        if (!(error instanceof WeaverError) || error.code !== 'NODE_NO_SUCH_METHOD') throw error
        this.#streamless.add(peer)
      }
    }
    const ask: AskRecords = (_lane, range) => this.#ask(peer, lane, { ...range, bare })
    return this.#acceptAll(peer, want, {
      from: pullRecords(want, ask),
      accept: (records) => chain.accept(lane, records),
      underWayMax: CHAIN_ACCEPTS_MAX
    })
  }

  async #acceptAll<T>(peer: NodeId, { lane }: Want, source: Source<T>): Promise<boolean> {
    const accepting: Promise<AcceptOutcome>[] = []
    let hasGrown = false
    const settle = async (left: number): Promise<boolean> => {
      while (accepting.length > left) {
        const outcome = await accepting.shift()
        if (outcome?.kind === 'extended') hasGrown = true
        else if (outcome !== undefined) return this.#stopped(peer, lane, outcome)
      }
      return true
    }
    try {
      for await (const fetched of source.from) {
        if (this.#isStopped) break
        const accepted = source.accept(fetched) // R1
        accepted.catch(() => undefined)
        accepting.push(accepted)
        if (!(await settle(source.underWayMax - 1))) return hasGrown
      }
      await settle(0)
      return hasGrown
    } finally {
      await Promise.allSettled(accepting) // Where the peer broke off, too: nothing is stored after a stop.
    }
  }

  /** False: the lane does not grow any further by what this peer sends. */
  #stopped(peer: NodeId, lane: NodeId, outcome: AcceptOutcome): false {
    if (outcome.kind === 'refused') {
      const { code } = outcome
      this.#deps.log.warn('Refused chain records', { peer, lane, code })
      if (code === 'CHAIN_LANE_FORKED') this.#deps.onForked(lane)
    }
    return false
  }

  async #ask(
    peer: NodeId,
    lane: NodeId,
    range: { readonly from: number; readonly to: number; readonly bare: boolean }
  ): Promise<readonly Uint8Array[]> {
    const body = { lane, ...range, bytesMax: CHAIN_BATCH_BYTES }
    const options = { timeoutMs: CHAIN_READ_TIMEOUT_MS, signal: this.#stopping.signal }
    const answer = await this.#deps.rpc.call(peer, SERVICE, 'read', body, options)
    return answered(recordsSchema, answer).records
  }
}

/** Blocks as they come from a peer, and what takes them. */
interface Source<T> {
  readonly from: AsyncIterable<T>
  readonly accept: (fetched: T) => Promise<AcceptOutcome>
  readonly underWayMax: number
}

function entriesOf(heads: readonly LaneHead[], lane: NodeId): number {
  return heads.find((head) => head.lane === lane)?.entries ?? 0
}

/** How many entries the wanted blocks hold, by the peer's word. */
function entriesWanted(
  theirs: readonly LaneHead[],
  ours: readonly LaneHead[],
  wants: readonly Want[]
): number {
  let entries = 0
  for (const { lane } of wants) entries += entriesOf(theirs, lane) - entriesOf(ours, lane)
  return entries
}

function headCbor({ lane, height, hash, entries }: LaneHead, isBare: boolean): Cbor {
  return { lane, height, hash, entries, ...(isBare ? { bare: true } : {}) }
}
