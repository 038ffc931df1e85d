// Messages that must arrive: kept on disk for each peer until it has confirmed them, sent in order
// whenever it is connected. Gossip may hint at the same news; only this carries it for certain.
//
// Invariants
//   O1. A message is on disk before `post` resolves, and until the peer has confirmed it or is no member.
//   O2. To one peer messages arrive in the order posted. Within one run of both kernels each arrives once;
//       after a restart the last ones may come again, so what they ask for must bear repetition.
//   O3. A peer has at most OUTBOX_MESSAGES_MAX waiting; beyond that the oldest gives way, with a warning.

import { decodeCbor, encodeCbor, nodeId, toHex } from '../../core/index.ts'
import type { Cbor, Entropy, KeyValueStore, Logger, NodeId } from '../../core/index.ts'
import { fieldsOf } from '../exchange.ts'
import { OUTBOX_BATCH_BYTES_MAX, OUTBOX_MESSAGES_MAX, OUTBOX_TIMEOUT_MS } from '../limits.ts'
import type { RpcClient } from '../rpc/index.ts'
import { Serial } from '../tasks.ts'
import type { Tasks } from '../tasks.ts'

export interface OutboxDeps {
  readonly store: KeyValueStore
  readonly entropy: Entropy
  readonly log: Logger
  readonly tasks: Tasks
  readonly rpc: RpcClient
  readonly isConnected: (peer: NodeId) => boolean
  /** Takes in one message; it is confirmed once this resolves. */
  readonly receive: (peer: NodeId, topic: string, body: Uint8Array) => Promise<void>
}

interface Message {
  readonly sequence: number
  readonly key: string
  readonly topic: string
  readonly body: Uint8Array
  readonly confirmed: PromiseWithResolvers<void>
}

interface Queue {
  /** Number of the next message; grows as long as this kernel runs. */
  next: number
  readonly waiting: Message[]
  isSending: boolean
}

const PREFIX = 'mesh/outbox/'
export const DELIVER_METHOD = 'deliver'

export class Outbox {
  readonly #deps: OutboxDeps
  readonly #service: string
  readonly #queues = new Map<NodeId, Queue>()
  readonly #heard = new Map<NodeId, { stream: string; sequence: number }>()
  readonly #turns = new Map<NodeId, Serial>()
  /** Names this run's numbering: a receiver that has heard another begins anew. */
  readonly #stream: string
  #serial = 0

  constructor(deps: OutboxDeps, options: { readonly service: string }) {
    this.#deps = deps
    this.#service = options.service
    this.#stream = toHex(deps.entropy.bytes(8))
  }

  /** Takes up what the run before could not deliver. */
  async load(): Promise<void> {
    for (const [key, bytes] of await this.#deps.store.list(PREFIX)) {
      const [, , peer = '', serial = ''] = key.split('/')
      const { topic, body } = fieldsOf(decoded(bytes))
      if (typeof topic !== 'string' || !(body instanceof Uint8Array)) continue
      this.#serial = Math.max(this.#serial, Number.parseInt(serial, 16) || 0)
      this.#enqueue(nodeId(peer), { key, topic, body })
    }
  }

  /**
   * Keeps a message for each of `peers` and begins to send it.
   * @returns for each peer, what resolves when it has confirmed; never rejects
   */
  async post(
    peers: readonly NodeId[],
    topic: string,
    body: Uint8Array
  ): Promise<ReadonlyMap<NodeId, Promise<void>>> {
    const value = encodeCbor({ v: 1, topic, body })
    const posted = peers.map((peer) => {
      this.#serial += 1
      const key = `${PREFIX}${peer}/${this.#serial.toString(16).padStart(14, '0')}`
      return { peer, key, message: this.#enqueue(peer, { key, topic, body }) }
    })
    await this.#deps.store.write(posted.map(({ key }) => ({ key, value })))
    // From here the messages are durable: a crash goes on sending them.
    for (const { peer } of posted) this.flush(peer)
    return new Map(posted.map(({ peer, message }) => [peer, message.confirmed.promise]))
  }

  waiting(peer: NodeId): number {
    return this.#queues.get(peer)?.waiting.length ?? 0
  }

  /** Sends what waits for `peer`, if it is connected. To be called again after every failure. */
  flush(peer: NodeId): void {
    const queue = this.#queues.get(peer)
    if (queue === undefined || queue.isSending || queue.waiting.length === 0) return
    if (!this.#deps.isConnected(peer)) return
    queue.isSending = true // Before the first await: one delivery to a peer at a time (O2).
    this.#deps.tasks.run('outbox', async () => {
      try {
        while (queue.waiting.length > 0) await this.#deliver(peer, queue)
      } catch (error) {
        this.#deps.log.debug('a delivery failed', { peer, error: String(error) })
      } finally {
        queue.isSending = false
      }
    })
  }

  /** Drops what waits for nodes that are no members. */
  async retain(isMember: (peer: NodeId) => boolean): Promise<void> {
    const keys: string[] = []
    for (const [peer, { waiting }] of this.#queues) {
      if (isMember(peer)) continue
      this.#queues.delete(peer)
      keys.push(...waiting.map(({ key }) => key))
    }
    if (keys.length > 0) await this.#deps.store.write(keys.map((key) => ({ key, value: null })))
  }

  /** Answers a delivery: how far this node has taken in. */
  serve(peer: NodeId, value: unknown): Promise<Cbor> {
    const turn = this.#turns.get(peer) ?? new Serial()
    this.#turns.set(peer, turn)
    return turn.run(() => this.#receive(peer, value))
  }

  async #receive(peer: NodeId, value: unknown): Promise<Cbor> {
    const { stream, first, messages } = fieldsOf(value)
    if (
      typeof stream !== 'string' ||
      stream.length > 64 ||
      typeof first !== 'number' ||
      !Number.isSafeInteger(first) ||
      !Array.isArray(messages)
    ) {
      return { sequence: 0 }
    }
    const known = this.#heard.get(peer)
    const heard = known?.stream === stream ? known : { stream, sequence: first - 1 }
    this.#heard.set(peer, heard)
    const list: readonly unknown[] = messages
    for (const [index, message] of list.slice(0, OUTBOX_MESSAGES_MAX).entries()) {
      const sequence = first + index
      if (sequence <= heard.sequence) continue // It came before, and the confirmation got lost.
      const { topic, body } = fieldsOf(message)
      if (typeof topic === 'string' && body instanceof Uint8Array) {
        await this.#deps.receive(peer, topic, body)
      }
      heard.sequence = sequence
    }
    return { sequence: heard.sequence }
  }

  async #deliver(peer: NodeId, queue: Queue): Promise<void> {
    const batch: Message[] = []
    let bytes = 0
    for (const message of queue.waiting) {
      bytes += message.body.length
      if (batch.length > 0 && bytes > OUTBOX_BATCH_BYTES_MAX) break
      batch.push(message)
    }
    const messages = batch.map(({ topic, body }) => ({ topic, body }))
    const body = { stream: this.#stream, first: batch[0]?.sequence ?? 0, messages }
    const options = { signal: this.#deps.tasks.signal, timeoutMs: OUTBOX_TIMEOUT_MS }
    const answer = await this.#deps.rpc.call(peer, this.#service, DELIVER_METHOD, body, options)
    const { sequence } = fieldsOf(answer)
    const done = batch.filter((each) => typeof sequence === 'number' && each.sequence <= sequence)
    if (done.length === 0) throw new Error('the peer confirmed nothing')
    const confirmed = new Set(done)
    await this.#deps.store.write(done.map(({ key }) => ({ key, value: null })))
    const left = queue.waiting.filter((each) => !confirmed.has(each))
    queue.waiting.splice(0, queue.waiting.length, ...left)
    for (const message of done) message.confirmed.resolve()
  }

  #enqueue(peer: NodeId, kept: Pick<Message, 'key' | 'topic' | 'body'>): Message {
    const queue = this.#queues.get(peer) ?? { next: 1, waiting: [], isSending: false }
    this.#queues.set(peer, queue)
    const confirmed = Promise.withResolvers<void>()
    const message = { ...kept, sequence: queue.next, confirmed }
    queue.next += 1
    queue.waiting.push(message)
    if (queue.waiting.length > OUTBOX_MESSAGES_MAX) {
      const [oldest] = queue.waiting.splice(0, 1)
      this.#deps.log.warn('dropped the oldest message to a peer', { peer })
      if (oldest !== undefined) this.#discard(oldest.key)
    }
    return message
  }

  #discard(key: string): void {
    this.#deps.tasks.run('outbox', () => this.#deps.store.write([{ key, value: null }]))
  }
}

function decoded(bytes: Uint8Array): unknown {
  try {
    return decodeCbor(bytes)
  } catch {
    return null // A damaged message is dropped: anti-entropy brings what it said.
  }
}
