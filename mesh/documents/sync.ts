// Brings documents from member to member: our own steps are pushed at once, whatever is missing is
// pulled. Both speak of positions, so a lost or repeated message costs a round trip and nothing else.
//
// Invariants
//   Y1. Steps go to one peer in their order. To one that has confirmed all but UNCONFIRMED_* of them they go
//       without waiting; else at most one push waits for its answer, and newer steps gather behind it.
//   Y2. What a peer has is only ever what that peer itself said. What was sent without waiting and got lost,
//       the peer pulls when our next pulse tells it how far we are.
//   Y3. One owner's document is pulled from one peer at a time.
//   Y4. What a connected owner has pushed may be on its way, or wait here for its turn. It is pulled only if
//       nothing more of that document comes for PUSH_PATIENCE_MS: a node that is behind gets nothing twice.

import type { Cbor, Clock, Logger, NodeId } from '../../core/index.ts'
import { fieldsOf } from '../exchange.ts'
import {
  MEMBERS_MAX,
  PUSH_PATIENCE_MS,
  SYNC_BYTES_MAX,
  SYNC_TIMEOUT_MS,
  UNCONFIRMED_BYTES_MAX,
  UNCONFIRMED_STEPS_MAX
} from '../limits.ts'
import type { RpcClient, RpcRequest, RpcService } from '../rpc/index.ts'
import type { Tasks } from '../tasks.ts'
import type { Documents } from './documents.ts'
import { encodeVector, envelopesSince, isBehind, parseVector } from './log.ts'
import type { Position, Vector } from './log.ts'

const DOCUMENTS_SERVICE = 'documents'

export interface DocumentSyncDeps {
  readonly clock: Clock
  readonly self: NodeId
  readonly documents: Documents
  readonly rpc: RpcClient
  readonly tasks: Tasks
  readonly log: Logger
  readonly isMember: (id: string) => id is NodeId
}

interface PeerSync {
  /** How far the peer said it has our document. */
  known: Position | null
  /** How far we have sent it without waiting: never before `known`, and whether it arrived is not known. */
  sent: Position | null
  isPushing: boolean
}

export class DocumentSync {
  readonly service: RpcService
  readonly #deps: DocumentSyncDeps
  readonly #peers = new Map<NodeId, PeerSync>()
  readonly #pulled = new Set<NodeId>()
  readonly #awaited = new Set<NodeId>()

  constructor(deps: DocumentSyncDeps) {
    this.#deps = deps
    this.service = { name: DOCUMENTS_SERVICE, serve: (request) => this.#serve(request) }
  }

  /** A connection to `peer` serves: it may be a new run of it that knows nothing. */
  connected(peer: NodeId): void {
    this.#peers.set(peer, { known: null, sent: null, isPushing: false })
    this.#push(peer)
  }

  lost(peer: NodeId): void {
    this.#peers.delete(peer)
  }

  /** Our own document has new steps. */
  published(): void {
    for (const peer of this.#peers.keys()) this.#push(peer)
  }

  /** What `peer` has, as its pulse says: give it what it lacks of ours, take what we lack. */
  compare(peer: NodeId, value: unknown): void {
    const { self, documents, isMember, tasks } = this.#deps
    const theirs = parseVector(value, isMember)
    const sync = this.#peers.get(peer)
    if (sync !== undefined && !sync.isPushing) {
      confirm(sync, theirs.get(self) ?? null)
      this.#push(peer)
    }
    const wanted = [...theirs].filter(
      ([owner, position]) =>
        owner !== self &&
        !this.#pulled.has(owner) &&
        !this.#awaited.has(owner) &&
        !documents.isQuarantined(owner) &&
        isBehind(documents.position(owner), position)
    )
    const pushed = wanted.filter(([owner]) => this.#mayBePushed(owner))
    const missing = wanted.filter(([owner]) => !this.#mayBePushed(owner))
    if (missing.length > 0) tasks.run('pull', () => this.#pull(peer, new Map(missing)))
    if (pushed.length > 0) tasks.run('await', (end) => this.#await(peer, new Map(pushed), end))
  }

  #mayBePushed(owner: NodeId): boolean {
    return this.#peers.has(owner) && this.#deps.documents.position(owner) !== null
  }

  /** Y4 */
  async #await(peer: NodeId, wanted: Vector, signal: AbortSignal): Promise<void> {
    const { clock, documents } = this.#deps
    for (const owner of wanted.keys()) this.#awaited.add(owner)
    const before = new Map([...wanted.keys()].map((owner) => [owner, documents.log(owner)]))
    try {
      await clock.sleep(PUSH_PATIENCE_MS, signal)
    } finally {
      for (const owner of wanted.keys()) this.#awaited.delete(owner)
    }
    const missing = [...wanted].filter(
      ([owner, position]) =>
        !this.#pulled.has(owner) &&
        documents.log(owner) === before.get(owner) &&
        isBehind(documents.position(owner), position)
    )
    if (missing.length > 0) await this.#pull(peer, new Map(missing))
  }

  #push(peer: NodeId): void {
    const sync = this.#peers.get(peer)
    if (sync === undefined || sync.isPushing || this.#tell(peer, sync)) return
    if (this.#since(sync.sent).length === 0) return
    sync.isPushing = true // Before the first await, so that two calls share one push (Y1).
    this.#deps.tasks.run('push', async () => {
      const isDone = await this.#pushAll(peer, sync).catch((error: unknown) => {
        // The connection broke, or the peer is busy: its next pulse says what it lacks.
        this.#deps.log.debug('a push failed', { peer, error: String(error) })
        return false
      })
      sync.isPushing = false
      if (isDone) this.#push(peer) // What was published since the last look.
    })
  }

  /** Sends what is new without waiting (Y1). False where too much is unconfirmed for that. */
  #tell(peer: NodeId, sync: PeerSync): boolean {
    const log = this.#deps.documents.log(this.#deps.self)
    const { known, sent } = sync
    if (log === null || known?.generation !== log.base.generation) return false
    const unconfirmed = envelopesSince(log, known, SYNC_BYTES_MAX)
    const last = unconfirmed.at(-1)
    if (last === undefined) return true
    const size = unconfirmed.reduce((sum, { bytes }) => sum + bytes.length, 0)
    if (unconfirmed.length > UNCONFIRMED_STEPS_MAX || size > UNCONFIRMED_BYTES_MAX) return false
    const envelopes = unconfirmed.filter((each) => isBehind(sent, each)).map(({ bytes }) => bytes)
    if (envelopes.length > 0) this.#deps.rpc.notify(peer, DOCUMENTS_SERVICE, 'push', { envelopes })
    sync.sent = { generation: last.generation, sequence: last.sequence }
    return true
  }

  /** False where the peer does not take what we send: sending it again now would not help. */
  async #pushAll(peer: NodeId, sync: PeerSync): Promise<boolean> {
    const { self, rpc, isMember } = this.#deps
    for (;;) {
      const from = sync.sent // What is on its way comes before this.
      const envelopes = this.#since(from).map((each) => each.bytes)
      if (envelopes.length === 0) return true
      if (this.#peers.get(peer) !== sync) return false
      const options = { signal: this.#deps.tasks.signal, timeoutMs: SYNC_TIMEOUT_MS }
      const answer = await rpc.call(peer, DOCUMENTS_SERVICE, 'push', { envelopes }, options)
      const position = parseVector(answer, isMember).get(self) ?? null
      sync.known = position
      sync.sent = position // What was on its way has arrived by now, or is lost.
      const hasMoved = position !== null && isBehind(from, position)
      const hasLost = from !== null && (position === null || isBehind(position, from))
      if (!hasMoved && !hasLost) return false
    }
  }

  #since(position: Position | null): ReturnType<typeof envelopesSince> {
    const log = this.#deps.documents.log(this.#deps.self)
    return log === null ? [] : envelopesSince(log, position, SYNC_BYTES_MAX)
  }

  async #pull(peer: NodeId, wanted: Vector): Promise<void> {
    const { documents, rpc, tasks } = this.#deps
    for (const owner of wanted.keys()) this.#pulled.add(owner)
    try {
      for (;;) {
        const missing = [...wanted].filter(([owner, position]) =>
          isBehind(documents.position(owner), position)
        )
        if (missing.length === 0) return
        const since = Object.fromEntries(
          missing.map(([owner]) => {
            const position = documents.position(owner)
            return [owner, position === null ? [0, 0] : [position.generation, position.sequence]]
          })
        )
        const options = { signal: tasks.signal, timeoutMs: SYNC_TIMEOUT_MS }
        const answer = await rpc.call(peer, DOCUMENTS_SERVICE, 'pull', { since }, options)
        const before = missing.map(([owner]) => documents.position(owner)?.sequence)
        documents.receive(peer, envelopesIn(answer))
        const after = missing.map(([owner]) => documents.position(owner)?.sequence)
        if (before.every((sequence, index) => sequence === after[index])) return
      }
    } catch (error) {
      this.#deps.log.debug('a pull failed', { peer, error: String(error) })
    } finally {
      for (const owner of wanted.keys()) this.#pulled.delete(owner)
    }
  }

  async #serve(request: RpcRequest): Promise<Cbor> {
    const { documents, isMember } = this.#deps
    if (request.method === 'push') {
      const owners = documents.receive(request.peer, envelopesIn(request.body))
      const positions = [...owners].map((owner) => [owner, documents.position(owner)] as const)
      return encodeVector(
        new Map(positions.flatMap(([owner, at]) => (at === null ? [] : [[owner, at] as const])))
      )
    }
    const envelopes: Uint8Array[] = []
    const since = parseVector(fieldsOf(request.body)['since'], isMember)
    let bytesLeft = SYNC_BYTES_MAX
    for (const [owner, position] of since) {
      const log = documents.log(owner)
      if (log === null || bytesLeft <= 0) continue
      for (const { bytes } of envelopesSince(log, position, bytesLeft)) {
        envelopes.push(bytes)
        bytesLeft -= bytes.length
      }
    }
    return { envelopes }
  }
}

/** The peer says that it is at `position`: what it does not have was never sent to it. */
function confirm(sync: PeerSync, position: Position | null): void {
  sync.known = position
  if (position === null || isBehind(sync.sent, position)) sync.sent = position
}

/** The byte strings of a message's list; what a peer could not have sent in good order is left out. */
function envelopesIn(value: unknown): readonly unknown[] {
  const { envelopes } = fieldsOf(value)
  return Array.isArray(envelopes) ? envelopes.slice(0, 2 * MEMBERS_MAX) : []
}
