// Checkpoints of the own lane are made, shown to the other members and cosigned by them; theirs are cosigned
// here. Whoever shows two histories of a lane is found out, and the proof goes to everybody.
//
// Invariants
//   W1. One round at a time: a checkpoint, then the witnesses, then the result to all. Who has not answered within
//       WITNESS_WAIT_MS holds nobody up: its cosignature is told when it comes.
//   W2. Nothing a peer says of another's lane is believed without that other's signature.
//   W3. Evidence travels on: whoever comes to know it tells all it is connected to, now and later.
//   W4. An owner that shows less of its lane than we hold is asked. Where it gives no answer, what it says
//       CHAIN_READ_TIMEOUT_MS later counts as one: nothing of before is under way any more.

import { z } from 'zod'
import type { Chain, CosignAnswer, CosignRequest, LaneHead } from '../chain/index.ts'
import { millis, toHex, underEither, WeaverError } from '../core/index.ts'
import type { Cbor, Clock, Logger, Millis, NodeId } from '../core/index.ts'
import type { RpcClient, RpcRequest, RpcService } from '../mesh/index.ts'
import {
  CHAIN_BATCH_BYTES,
  CHAIN_READ_TIMEOUT_MS,
  CHECKPOINT_BLOCKS,
  CHECKPOINT_IDLE_MS,
  CHECKPOINT_WAIT_MS,
  WITNESS_WAIT_MS
} from './limits.ts'
import { answered, received } from './remote/received.ts'

const SERVICE = 'witness'
const bytes = z.instanceof(Uint8Array)
const sentSchema = z.object({ note: bytes, laneKey: bytes.nullable() })
const cosignSchema = sentSchema.extend({ old: z.int().min(0), path: z.array(bytes).max(64) })
const lineSchema = z.object({ name: z.string().max(256), keyId: bytes, signature: bytes })
const answerSchema = z.discriminatedUnion('status', [
  z.object({ status: z.literal(200), text: z.string().max(1024), line: lineSchema }),
  z.object({ status: z.literal(409), size: z.int().min(0) }),
  z.object({ status: z.literal([400, 403, 404, 422]) })
])
const recordsSchema = z.object({ records: z.array(bytes) })
const headSchema = z.object({ height: z.int().min(0) })

export interface WitnessDeps {
  readonly self: NodeId
  readonly chain: Chain
  readonly rpc: RpcClient
  readonly clock: Clock
  readonly connectedPeers: () => readonly NodeId[]
  readonly isMember: (node: NodeId) => boolean
  readonly log: Logger
}

/** A member is asked for its cosignature. */
interface Asking {
  /** There is a newer checkpoint by now. */
  isStale: boolean
  /** A round asks: what comes of it is for all. */
  isForAll: boolean
  done: Promise<void>
}

export class Witness {
  readonly #deps: WitnessDeps
  readonly #stopping = new AbortController()
  /** What each peer cosigned last, as far as it has said. */
  readonly #sizes = new Map<NodeId, number>()
  /** The last head of each peer and lane that was compared: most come again and again. */
  readonly #compared = new Map<string, string>()
  readonly #asking = new Map<NodeId, Asking>()
  /** Owners that have not said what became of their blocks up to this height, and since when (W4). */
  readonly #unanswered = new Map<NodeId, { readonly height: number; readonly since: Millis }>()
  /** By how much the clock of each peer was ahead of ours when it cosigned last; negative for behind. */
  readonly #clocks = new Map<NodeId, number>()
  readonly #work = new Set<Promise<void>>()
  readonly #unsubscribe: readonly (() => void)[]
  #waiting: Promise<void> | null = null
  #round: Promise<void> = Promise.resolve()
  #isGathering = false

  constructor(deps: WitnessDeps) {
    this.#deps = deps
    this.#unsubscribe = [
      deps.chain.onAdvance((head) => {
        if (head.lane === deps.self) this.#checkpointSoon()
      }),
      deps.chain.proofs.onEvidence((lane) => this.#spread(lane, deps.connectedPeers()))
    ]
  }

  service(): RpcService {
    return { name: SERVICE, serve: (request) => this.#serve(request) }
  }

  /** Its lane is not believed: it is given no new work. */
  isQuarantined(node: NodeId): boolean {
    return node !== this.#deps.self && !this.#deps.chain.isBelieved(node)
  }

  /**
   * By how much the clock of a peer is ahead of this node's, negative for behind; null as long as it has not
   * cosigned anything. Good to a second or two: a cosignature says the second in which it was made.
   */
  clockOffsetMs(node: NodeId): number | null {
    return this.#clocks.get(node) ?? null
  }

  /** A peer has come: it gets what it may have missed, and is asked for what it did not sign yet. */
  connected(peer: NodeId): void {
    this.#run('greet a peer', async () => {
      const { chain } = this.#deps
      for (const { lane, state } of chain.status()) {
        if (state === 'forked' || state === 'truncated') this.#spread(lane, [peer])
      }
      await this.#asked(peer, false)
      this.#tell([peer])
    })
  }

  /** The heads of a peer: another block than ours at a height, or an owner with less than we hold. */
  heard(peer: NodeId, heads: readonly LaneHead[]): void {
    const { chain, isMember, self } = this.#deps
    const held = new Map(chain.heads().map((head) => [head.lane, head.height]))
    for (const head of heads) {
      if (!isMember(head.lane) || head.lane === self) continue
      const ours = held.get(head.lane) ?? 0
      const key = `${peer} ${head.lane}`
      const seen = `${head.height} ${toHex(head.hash)}`
      const isOwner = head.lane === peer
      if (isOwner) this.#weighOwner(peer, head.height, ours)
      if (head.height > ours || this.#compared.get(key) === seen) continue
      this.#compared.set(key, seen)
      this.#run('compare heads', async () => {
        try {
          if (await chain.contradicts(head)) await this.#pullOther(peer, head)
          if (isOwner && head.height < ours) await this.#askOwner(peer)
        } catch (error) {
          this.#compared.delete(key) // Asked once more when it says so again.
          throw error
        }
      })
    }
  }

  /** The lane has two versions of a height, as replication has found. */
  forked(lane: NodeId): void {
    this.#run('keep evidence', async () => {
      await this.#deps.chain.proofs.evidence(lane) // Which tells `onEvidence` when it is new.
    })
  }

  /** A checkpoint of all there is now, with the cosignatures of whoever can be reached. */
  async checkpointNow(): Promise<void> {
    const round = this.#round.then(() => this.#roundNow())
    this.#round = round.catch(() => undefined) // The caller has the failure.
    await round
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    await this.#waiting
    await this.#round
    await Promise.all(this.#work)
  }

  async #serve(request: RpcRequest): Promise<Cbor> {
    const { chain, isMember } = this.#deps
    const { proofs } = chain
    switch (request.method) {
      case 'cosign': {
        const { old, ...sent } = received(cosignSchema, request.body)
        return answerCbor(await proofs.cosign({ ...sent, oldSize: old }, isMember))
      }
      case 'checkpoint':
        await this.#learn(received(sentSchema, request.body))
        return null
      case 'evidence':
        await proofs.acceptEvidence(received(bytes, request.body))
        return null
      case 'head': {
        const own = chain.heads().find(({ lane }) => lane === this.#deps.self)
        return { height: own?.height ?? 0 }
      }
      default:
        throw new WeaverError(
          'NODE_NO_SUCH_METHOD',
          `Cannot serve witness method '${request.method}'`
        )
    }
  }

  async #learn(sent: z.infer<typeof sentSchema>): Promise<void> {
    const { chain, isMember, self } = this.#deps
    await chain.proofs.learn(sent, (lane) => isMember(lane) && lane !== self)
  }

  /** When the lane rests, or has not rested for some time, or has grown by much. */
  #checkpointSoon(): void {
    const { clock, chain, log } = this.#deps
    if (this.#stopping.signal.aborted) return
    const since = clock.now()
    this.#waiting ??= (async () => {
      let seen = -1
      for (;;) {
        const uncovered = chain.proofs.uncovered()
        const isDue =
          uncovered === seen ||
          uncovered >= CHECKPOINT_BLOCKS ||
          clock.now() - since >= CHECKPOINT_WAIT_MS
        if (isDue) break
        seen = uncovered
        await clock.sleep(millis(CHECKPOINT_IDLE_MS), this.#stopping.signal)
      }
      this.#waiting = null // Before the round: what is appended meanwhile starts the next wait.
      await this.checkpointNow()
    })().catch((error: unknown) => {
      this.#waiting = null
      if (this.#stopping.signal.aborted) return
      log.error('Cannot make a checkpoint of the own lane', { error: String(error) })
    })
  }

  async #roundNow(): Promise<void> {
    const { chain, connectedPeers } = this.#deps
    await chain.proofs.checkpoint()
    this.#isGathering = true
    const answers = connectedPeers().map((peer) => this.#asked(peer, true))
    await this.#soon(Promise.all(answers))
    this.#isGathering = false // Before all are told: what comes from here on is told by itself (W1).
    this.#tell(connectedPeers())
  }

  /** Resolves with `work`, which never rejects, or after WITNESS_WAIT_MS. */
  async #soon(work: Promise<unknown>): Promise<void> {
    const over = new AbortController()
    const wait = underEither(this.#stopping.signal, over, (signal) =>
      this.#deps.clock.sleep(WITNESS_WAIT_MS, signal)
    ).catch(() => undefined) // It is over, or we stop.
    await Promise.race([work, wait])
    over.abort()
  }

  /** One question at a time: who is slow is asked once more, for what is newest by then. Never rejects. */
  #asked(peer: NodeId, isForAll: boolean): Promise<void> {
    const before = this.#asking.get(peer)
    if (before !== undefined) {
      before.isStale = true
      before.isForAll ||= isForAll
      return before.done
    }
    const asking: Asking = { isStale: true, isForAll, done: Promise.resolve() }
    this.#asking.set(peer, asking)
    asking.done = this.#askAnew(peer, asking)
    return asking.done
  }

  async #askAnew(peer: NodeId, asking: Asking): Promise<void> {
    while (asking.isStale && !this.#stopping.signal.aborted) {
      asking.isStale = false
      const isNew = await this.#askOnce(peer)
      if (isNew && asking.isForAll && !this.#isGathering) this.#tell(this.#deps.connectedPeers())
    }
    this.#asking.delete(peer) // In the turn of that last look: whoever comes later asks anew.
  }

  /** Asks one peer to cosign the newest checkpoint, and once more when it remembers another one. */
  async #askOnce(peer: NodeId): Promise<boolean> {
    const { chain, log } = this.#deps
    try {
      for (let attempt = 0; attempt < 2 && !this.#stopping.signal.aborted; attempt += 1) {
        const request = await chain.proofs.request(this.#sizes.get(peer) ?? 0)
        if (request === null) return false
        const answer = answered(answerSchema, await this.#ask(peer, 'cosign', requestCbor(request)))
        if (answer.status === 200) {
          if (!(await chain.proofs.addCosignature(peer, answer))) return false
          this.#noteSize(peer, answer.text)
          this.#noteClock(peer, answer.line.signature)
          return true
        }
        if (answer.status !== 409) {
          log.warn('A member does not cosign our checkpoint', { peer, status: answer.status })
          return false
        }
        this.#sizes.set(peer, answer.size)
      }
    } catch (error) {
      log.debug('Cannot have a checkpoint cosigned', { peer, error: String(error) }) // The next round may.
    }
    return false
  }

  /** No answer holds up the stop. */
  #ask(peer: NodeId, method: string, body: Cbor, service: string = SERVICE): Promise<unknown> {
    const options = { timeoutMs: CHAIN_READ_TIMEOUT_MS, signal: this.#stopping.signal }
    return this.#deps.rpc.call(peer, service, method, body, options)
  }

  /** Signed by the peer, just now: its clock, in seconds, stands in front of the signature. */
  #noteClock(peer: NodeId, signature: Uint8Array): void {
    const view = new DataView(signature.buffer, signature.byteOffset, signature.byteLength)
    const theirs = Number(view.getBigUint64(0)) * 1000
    this.#clocks.set(peer, theirs - this.#deps.clock.wall())
  }

  #noteSize(peer: NodeId, text: string): void {
    this.#sizes.set(peer, Number(text.split('\n')[1]))
  }

  #tell(peers: readonly NodeId[]): void {
    const current = this.#deps.chain.proofs.current()
    if (current === null) return
    const body = { note: current.note, laneKey: current.laneKey }
    for (const peer of peers) this.#deps.rpc.notify(peer, SERVICE, 'checkpoint', body)
  }

  #spread(lane: NodeId, peers: readonly NodeId[]): void {
    this.#run('spread evidence', async () => {
      const evidence = await this.#deps.chain.proofs.evidence(lane)
      if (evidence === null) return
      for (const peer of peers) this.#deps.rpc.notify(peer, SERVICE, 'evidence', evidence)
    })
  }

  /** The one block of a peer that is not ours: `accept` keeps it as proof if it is signed. */
  async #pullOther(peer: NodeId, { lane, height }: LaneHead): Promise<void> {
    const { chain } = this.#deps
    // What was signed is enough, and all that one who keeps headers only can give.
    const body = { lane, from: height, bytesMax: CHAIN_BATCH_BYTES, bare: true }
    const { records } = answered(recordsSchema, await this.#ask(peer, 'read', body, 'chain'))
    const outcome = await chain.accept(lane, records.slice(0, 1))
    if (outcome.kind === 'refused') this.forked(lane)
  }

  /** Asked after we held what we hold, an honest owner has as much: what it told before may be old. */
  async #askOwner(owner: NodeId): Promise<void> {
    const { chain, clock } = this.#deps
    const ours = chain.heads().find(({ lane }) => lane === owner)?.height ?? 0
    if (!this.#unanswered.has(owner))
      this.#unanswered.set(owner, { height: ours, since: clock.now() })
    const { height } = answered(headSchema, await this.#ask(owner, 'head', null))
    this.#unanswered.delete(owner)
    this.#noteOwner(owner, height, ours)
  }

  /** What an owner says unasked. */
  #weighOwner(owner: NodeId, height: number, ours: number): void {
    const asked = this.#unanswered.get(owner)
    if (height >= ours) {
      this.#unanswered.delete(owner)
      this.#noteOwner(owner, height, ours)
    } else if (asked !== undefined) {
      const isLater = this.#deps.clock.now() - asked.since >= CHAIN_READ_TIMEOUT_MS
      if (isLater && height < asked.height) this.#noteOwner(owner, height, asked.height) // W4
    }
  }

  #noteOwner(owner: NodeId, height: number, ours: number): void {
    const { chain, log } = this.#deps
    const isShort = height < ours
    if (isShort && chain.proofs.stateOf(owner) !== 'truncated')
      log.error('A member has lost blocks of its own lane', { owner, height, ours })
    chain.proofs.noteOwner(owner, isShort)
  }

  #run(what: string, work: () => Promise<void>): void {
    if (this.#stopping.signal.aborted) return
    const { log } = this.#deps
    const run: Promise<void> = work()
      .catch((error: unknown) => log.debug(`Cannot ${what}`, { error: String(error) }))
      .finally(() => this.#work.delete(run))
    this.#work.add(run)
  }
}

function requestCbor({ note, laneKey, oldSize, path }: CosignRequest): Cbor {
  return { note, laneKey, old: oldSize, path: [...path] }
}

function answerCbor(answer: CosignAnswer): Cbor {
  if (answer.status !== 200) return { ...answer }
  const { name, keyId, signature } = answer.line
  return { status: 200, text: answer.text, line: { name, keyId, signature } }
}
