// Once a second to every connected member: we are here, this is our load, these are the statements and
// documents we have. The answer gives the round trip; what differs is then pulled. One service, `mesh`,
// carries this and the other small things that members say to each other.
//
// Invariants
//   Q1. To one peer at most one pulse is under way on its connection.
//   Q2. A pulse is left out only where the peer has answered one that said the very same, less than
//       PULSE_REST_MS ago, and nobody doubts it.
//   Q3. A peer that sends something, whatever it is, lives, and is slow at worst: it has PULSE_PATIENCE_MS for
//       its next answer. One that falls silent is asked and cut as any other.

import type { Cbor, Clock, Logger, Millis, NodeId } from '../../core/index.ts'
import { encodeCbor, equalBytes, millis } from '../../core/index.ts'
import { fieldsOf } from '../exchange.ts'
import {
  CLOCK_JUMP_MS,
  FAREWELL_TIMEOUT_MS,
  INCUMBENT_PROBE_MS,
  PULSE_INTERVAL_MS,
  PULSE_PATIENCE_MS,
  PULSE_REST_MS,
  PULSE_TIMEOUT_MS,
  STATEMENTS_MAX,
  SYNC_TIMEOUT_MS
} from '../limits.ts'
import { SPONSOR_METHOD } from '../membership/gatehouse.ts'
import type { Roster } from '../membership/roster.ts'
import type { Statement } from '../membership/statement.ts'
import { DELIVER_METHOD } from '../outbox/outbox.ts'
import type { PulseSource } from '../ports.ts'
import type { Hearing, RpcClient, RpcRequest, RpcService } from '../rpc/index.ts'
import type { Tasks } from '../tasks.ts'
import { SWIM_METHOD } from './swim-loop.ts'

export const MESH_SERVICE = 'mesh'

export interface PulseDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly tasks: Tasks
  readonly rpc: RpcClient & Hearing
  readonly roster: Pick<Roster, 'absorb' | 'digest' | 'ids' | 'settled' | 'statements'>
  readonly source: PulseSource
}

export interface PulseOwner {
  connectedPeers(): readonly NodeId[]
  /** Our documents' positions, for everybody. */
  vector(): Cbor
  /** A peer's: repair what differs. */
  compare(peer: NodeId, vector: unknown): void
  /** Where our documents with several writers are. */
  shared(): Cbor
  /** A peer's: take what we lack. */
  compareShared(peer: NodeId, digests: unknown): void
  measured(peer: NodeId, rttMs: number): void
  /** Whether somebody says that the peer may be gone: then it is to be asked. */
  isDoubted(peer: NodeId): boolean
  /** The peer did not answer, twice: its connection is of no use. */
  silent(peer: NodeId): void
  farewell(peer: NodeId, body: unknown): void
  /** What this node says when it goes. */
  farewellBody(): Cbor
  /** A message of the failure detector. */
  swim(peer: NodeId, body: unknown): void
  /** Our signed word that this run answers to `nonce`. */
  claim(nonce: unknown): Cbor
  /** The peer refused a second kernel with our key. */
  duplicated(by: NodeId): void
  /** The peer asks how far we are: somebody there looks at the path. */
  pinged(peer: NodeId): void
  /** The peer asks to let its joiners through. */
  sponsored(peer: NodeId, body: unknown): Cbor
  /** A delivery of the peer's outbox: the answer says how far it was taken in. */
  delivered(peer: NodeId, body: unknown): Promise<Cbor>
  /** After each interval's pulses are sent. */
  ticked(): void
  /** The machine slept, or its clock was set. */
  jumped(): void
}

interface Message {
  readonly body: Cbor
  readonly bytes: Uint8Array
}

export class Pulse {
  readonly service: RpcService
  readonly #deps: PulseDeps
  readonly #owner: PulseOwner
  /** What is under way, told apart: one that a lost connection took along does not hold up the next. */
  readonly #underWay = new Map<NodeId, Message>()
  /** What each peer has answered last, and when it was sent. */
  readonly #answered = new Map<NodeId, { readonly bytes: Uint8Array; readonly at: Millis }>()
  /** Who has left a pulse unanswered, and lives (Q3). */
  readonly #slow = new Set<NodeId>()
  readonly #asked = new Set<NodeId>()
  readonly #pulling = new Set<NodeId>()

  constructor(deps: PulseDeps, owner: PulseOwner) {
    this.#deps = deps
    this.#owner = owner
    this.service = { name: MESH_SERVICE, serve: (request) => this.#serve(request) }
  }

  start(): void {
    this.#deps.tasks.run('pulse', (signal) => this.#beat(signal))
  }

  /** Sends a pulse to `peers` now, but to those that have not answered the last one (Q1). */
  send(peers: readonly NodeId[]): void {
    const waiting = peers.filter((peer) => !this.#underWay.has(peer))
    if (waiting.length > 0) this.#sendTo(waiting, this.#message())
  }

  /** The first pulse of a new connection, also where an older one still carries another. */
  greet(peer: NodeId): void {
    this.#slow.delete(peer)
    this.#sendTo([peer], this.#message())
  }

  /** Says to everybody what this node has just said of the membership. Who does not hear it asks for it. */
  tell({ bytes }: Statement): void {
    for (const peer of this.#owner.connectedPeers()) {
      this.#deps.rpc.notify(peer, MESH_SERVICE, 'statement', { statement: bytes })
    }
  }

  /** As `send`, but leaves out whom it would tell nothing new (Q2). */
  #sendNews(peers: readonly NodeId[]): void {
    for (const peer of this.#answered.keys()) {
      if (!peers.includes(peer)) this.#answered.delete(peer)
    }
    if (peers.length === 0) return
    const message = this.#message()
    const now = this.#deps.clock.now()
    const waiting = peers.filter((peer) => {
      if (this.#underWay.has(peer)) return false
      const last = this.#answered.get(peer)
      if (last === undefined || now - last.at >= PULSE_REST_MS) return true
      return this.#owner.isDoubted(peer) || !equalBytes(last.bytes, message.bytes)
    })
    this.#sendTo(waiting, message)
  }

  #message(): Message {
    const { roster, source } = this.#deps
    const documents = this.#owner.vector()
    const shared = this.#owner.shared()
    const body = { v: 1, value: source.collect(), members: roster.digest, documents, shared }
    return { body, bytes: encodeCbor(body) }
  }

  #sendTo(peers: readonly NodeId[], message: Message): void {
    for (const peer of peers) {
      this.#underWay.set(peer, message) // Before the first await (Q1).
      this.#deps.tasks.run('pulse', async () => {
        try {
          await this.#sendOne(peer, message)
        } finally {
          if (this.#underWay.get(peer) === message) this.#underWay.delete(peer)
        }
      })
    }
  }

  /** Whether `peer` answers quickly, and its signed word for `nonce` if it gives one. */
  async challenge(
    peer: NodeId,
    nonce: Uint8Array
  ): Promise<{ readonly isThere: boolean; readonly claim: Uint8Array | null }> {
    const options = { signal: this.#deps.tasks.signal, timeoutMs: INCUMBENT_PROBE_MS }
    try {
      const answer = await this.#deps.rpc.call(peer, MESH_SERVICE, 'prove', { nonce }, options)
      const { claim } = fieldsOf(answer)
      return { isThere: true, claim: claim instanceof Uint8Array ? claim : null }
    } catch {
      return { isThere: false, claim: null }
    }
  }

  /** Whether `peer` answers a small question quickly, or says anything else meanwhile. */
  async probe(peer: NodeId): Promise<boolean> {
    const { clock, rpc } = this.#deps
    const sentAt = clock.now()
    if (await this.#ask(peer)) return true
    // What lay here before, as after a sleep, is read at once, and proves nothing.
    return (rpc.heardAt(peer) ?? -Infinity) > sentAt + INCUMBENT_PROBE_MS / 4
  }

  async #ask(peer: NodeId): Promise<boolean> {
    const { clock, rpc, tasks } = this.#deps
    const options = { signal: tasks.signal, timeoutMs: INCUMBENT_PROBE_MS }
    try {
      await rpc.call(peer, MESH_SERVICE, 'ping', null, options)
      return true
    } catch {
      // What has come in may not have been looked at, for our own slowness.
      if (!tasks.signal.aborted) await clock.sleep(millis(0), tasks.signal)
      return false
    }
  }

  /** Q3 */
  #isHeard(peer: NodeId): boolean {
    const { clock, rpc } = this.#deps
    return clock.now() - (rpc.heardAt(peer) ?? -Infinity) < PULSE_TIMEOUT_MS
  }

  /** Slow peers have time for a pulse, but not to say nothing at all (Q3). */
  #watchSlow(connected: readonly NodeId[]): void {
    for (const peer of this.#slow) {
      if (!connected.includes(peer)) this.#slow.delete(peer)
      else if (!this.#isHeard(peer) && !this.#asked.has(peer)) {
        this.#asked.add(peer)
        this.#deps.tasks.run('ask', async () => {
          const isThere = (await this.#ask(peer)) || this.#isHeard(peer)
          this.#asked.delete(peer)
          if (!isThere) this.#cut(peer)
        })
      }
    }
  }

  #cut(peer: NodeId): void {
    this.#slow.delete(peer)
    if (!this.#deps.tasks.signal.aborted) this.#owner.silent(peer)
  }

  /** Tells everybody that we go, and does not wait long for an answer. */
  async sayFarewell(): Promise<void> {
    const options = { timeoutMs: FAREWELL_TIMEOUT_MS }
    const body = this.#owner.farewellBody()
    const calls = this.#owner
      .connectedPeers()
      .map((peer) => this.#deps.rpc.call(peer, MESH_SERVICE, 'farewell', body, options))
    await Promise.allSettled(calls)
  }

  async #beat(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#deps
    for (;;) {
      const now = clock.now()
      const wall = clock.wall()
      await clock.sleep(PULSE_INTERVAL_MS, signal)
      // A stopped process wakes late; a sleeping machine's wall clock runs ahead of its monotonic one.
      const late = clock.now() - now - PULSE_INTERVAL_MS
      const drift = Math.abs(clock.wall() - wall - (clock.now() - now))
      if (Math.max(late, drift) > CLOCK_JUMP_MS) {
        log.info('the clock jumped: the machine slept or was stopped', {
          ms: Math.max(late, drift)
        })
        this.#owner.jumped()
      }
      const connected = this.#owner.connectedPeers()
      this.#sendNews(connected)
      this.#watchSlow(connected)
      this.#owner.ticked()
    }
  }

  async #sendOne(peer: NodeId, { body, bytes }: Message): Promise<void> {
    const { clock, rpc, tasks } = this.#deps
    const sentAt = clock.now()
    const isSlow = this.#slow.has(peer)
    this.#answered.delete(peer)
    try {
      const timeoutMs = isSlow ? PULSE_PATIENCE_MS : PULSE_TIMEOUT_MS
      const options = { signal: tasks.signal, timeoutMs }
      await rpc.call(peer, MESH_SERVICE, 'pulse', body, options)
      this.#answered.set(peer, { bytes, at: sentAt })
      this.#slow.delete(peer)
      this.#owner.measured(peer, clock.now() - sentAt)
    } catch {
      if (tasks.signal.aborted || !this.#owner.connectedPeers().includes(peer)) return
      // It may be we who were stopped: the answer gets one more, short chance.
      if (await this.#ask(peer)) return
      if (isSlow || !this.#isHeard(peer)) this.#cut(peer)
      else this.#slow.add(peer)
    }
  }

  async #serve(request: RpcRequest): Promise<Cbor> {
    const { peer, method, body } = request
    switch (method) {
      case 'pulse':
        this.#receive(peer, body)
        return null
      case 'statements':
        return { statements: this.#deps.roster.statements(idsIn(body)) }
      case 'farewell':
        this.#owner.farewell(peer, body)
        return null
      case SWIM_METHOD:
        this.#owner.swim(peer, body)
        return null
      case 'prove':
        return this.#owner.claim(fieldsOf(body)['nonce'])
      case 'statement':
        await this.#absorb(peer, [fieldsOf(body)['statement']])
        return null
      case SPONSOR_METHOD:
        return this.#owner.sponsored(peer, body)
      case DELIVER_METHOD:
        return this.#owner.delivered(peer, body)
      case 'duplicate':
        this.#owner.duplicated(peer)
        return null
      case 'ping':
        this.#owner.pinged(peer)
        return null
      default:
        return null // What a later version may say: an answer is all there is to it.
    }
  }

  #receive(peer: NodeId, body: unknown): void {
    const { v, value, members, documents, shared } = fieldsOf(body)
    if (v !== 1) return
    try {
      this.#deps.source.receive(peer, value)
    } catch (error) {
      this.#deps.log.warn('could not take in a pulse', { peer, error: String(error) })
    }
    const { roster, tasks } = this.#deps
    const isSame = (): boolean =>
      members instanceof Uint8Array && equalBytes(members, roster.digest)
    if (!isSame() && !this.#pulling.has(peer)) {
      this.#pulling.add(peer)
      tasks.run('pull statements', () => this.#pullStatements(peer, isSame))
    }
    this.#owner.compare(peer, documents)
    this.#owner.compareShared(peer, shared)
  }

  async #pullStatements(peer: NodeId, isSame: () => boolean): Promise<void> {
    const { roster, rpc, tasks, log } = this.#deps
    try {
      await roster.settled() // What differs may be on its way to the disk.
      if (isSame()) return
      const options = { signal: tasks.signal, timeoutMs: SYNC_TIMEOUT_MS }
      const have = { have: roster.ids() }
      const answer = await rpc.call(peer, MESH_SERVICE, 'statements', have, options)
      const { statements } = fieldsOf(answer)
      if (Array.isArray(statements)) await this.#absorb(peer, statements)
    } catch (error) {
      log.debug('could not pull statements', { peer, error: String(error) })
    } finally {
      this.#pulling.delete(peer)
    }
  }

  async #absorb(peer: NodeId, statements: readonly unknown[]): Promise<void> {
    const bytes = statements
      .slice(0, STATEMENTS_MAX)
      .filter((each): each is Uint8Array => each instanceof Uint8Array)
    const fresh = await this.#deps.roster.absorb(bytes)
    if (fresh > 0) this.#deps.log.info('learned of members', { from: peer, statements: fresh })
  }
}

function idsIn(body: unknown): ReadonlySet<string> {
  const { have } = fieldsOf(body)
  if (!Array.isArray(have)) return new Set()
  return new Set(have.slice(0, STATEMENTS_MAX).filter((each) => typeof each === 'string'))
}
