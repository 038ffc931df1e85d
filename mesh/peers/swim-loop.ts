// Carries out what SWIM decides: sends its messages as notifications on warm streams, keeps its one timer,
// and tells it how late that timer fired.

import { millis, underEither } from '../../core/index.ts'
import type { Clock, Logger, MeshId, Millis, NodeId, Prng, Signer } from '../../core/index.ts'
import { fieldsOf } from '../exchange.ts'
import { PROBE_TIMEOUT_MS } from '../limits.ts'
import type { Hearing, RpcClient } from '../rpc/index.ts'
import { RumourWire } from '../swim/rumour-wire.ts'
import { Swim } from '../swim/swim.ts'
import type { SwimMessage, SwimState } from '../swim/messages.ts'
import type { SwimEffect } from '../swim/swim.ts'
import type { Tasks } from '../tasks.ts'

export const SWIM_METHOD = 'swim'
/** Versions of the protocol from this on speak SWIM. */
export const SWIM_SINCE_VERSION = 2
/** A new run of a kernel outranks all that was said of the one before. */
const INCARNATIONS_PER_RUN: number = 2 ** 20

export interface SwimLoopDeps {
  readonly signer: Signer
  readonly clock: Clock
  readonly prng: Prng
  readonly log: Logger
  readonly tasks: Tasks
  readonly rpc: RpcClient & Hearing
  readonly service: string
  readonly meshId: () => MeshId | null
  /** The version spoken with a connected peer; null without a connection. */
  readonly versionOf: (peer: NodeId) => number | null
  readonly isMember: (id: string) => id is NodeId
  /** Whether a member had left by its own word when this kernel last ran. */
  readonly hadLeft: (peer: NodeId) => boolean
  readonly onChange: (peer: NodeId, state: SwimState) => void
}

export class SwimLoop {
  readonly #deps: SwimLoopDeps
  readonly #wire: RumourWire
  readonly #swim: Swim
  #timer: { readonly at: Millis; readonly end: AbortController } | null = null

  constructor(deps: SwimLoopDeps, options: { readonly generation: number }) {
    this.#deps = deps
    this.#wire = new RumourWire(deps)
    const isConnected = (node: string): boolean =>
      deps.isMember(node) && deps.versionOf(node) !== null
    const heardAt = (node: string): Millis | null =>
      deps.isMember(node) ? deps.rpc.heardAt(node) : null
    const hadLeft = (node: string): boolean => deps.isMember(node) && deps.hadLeft(node)
    this.#swim = new Swim(
      { prng: deps.prng, isConnected, heardAt, hadLeft },
      {
        self: deps.signer.nodeId,
        incarnation: options.generation * INCARNATIONS_PER_RUN,
        initial: 'suspect'
      }
    )
  }

  /** 0 to 8: how much this machine itself is in trouble. */
  get healthScore(): number {
    return this.#swim.healthScore
  }

  stateOf(peer: NodeId): { readonly state: SwimState; readonly since: Millis } {
    const since = this.#swim.since(peer) ?? this.#deps.clock.now()
    return { state: this.#swim.state(peer), since }
  }

  setMembers(members: readonly NodeId[]): void {
    const all = { list: members, set: new Set(members) }
    this.#run(this.#swim.setMembers(all, this.#deps.clock.now()))
  }

  connected(peer: NodeId): void {
    this.#run(this.#swim.connected(peer, this.#deps.clock.now()))
  }

  lost(peer: NodeId, isClosed: boolean): void {
    this.#run(this.#swim.lost(peer, isClosed, this.#deps.clock.now()))
  }

  /** What this node says when it stops: its word that it has left. */
  farewell(): Uint8Array | null {
    return this.#wire.bytesOf(this.#swim.farewell())
  }

  /** `peer` says that it goes; a newer one brings a word that can be passed on. */
  heardFarewell(peer: NodeId, body: unknown): void {
    const now = this.#deps.clock.now()
    const rumour = this.#wire.read(fieldsOf(body)['left'])
    const isOwn = rumour?.node === peer && rumour.state === 'left'
    if (isOwn) {
      const gossip = { kind: 'gossip', sequence: 0, target: null, isClosed: false } as const
      this.#run(this.#swim.receive(peer, { ...gossip, rumours: [rumour] }, now))
    }
    this.#run(this.#swim.goes(peer, now))
  }

  /** A message of a connected peer. What cannot be read is dropped. */
  receive(peer: NodeId, body: unknown): void {
    const message = this.#wire.decode(body)
    if (message !== null) this.#run(this.#swim.receive(peer, message, this.#deps.clock.now()))
  }

  #run(effects: readonly SwimEffect[]): void {
    for (const effect of effects) {
      const { isMember, onChange } = this.#deps
      if (effect.kind === 'send') {
        if (isMember(effect.to)) this.#send(effect.to, effect.message)
      } else if (isMember(effect.node)) onChange(effect.node, effect.state)
    }
    this.#arm()
  }

  #send(to: NodeId, message: SwimMessage): void {
    const { rpc, service, versionOf } = this.#deps
    const version = versionOf(to)
    if (version === null) return
    if (version >= SWIM_SINCE_VERSION) {
      rpc.notify(to, service, SWIM_METHOD, this.#wire.encode(message))
    } else if (message.kind === 'ping') this.#pingOld(to, message)
  }

  /** One version back knows a question and an answer only. */
  #pingOld(to: NodeId, { sequence }: SwimMessage): void {
    const { rpc, service, tasks, clock } = this.#deps
    tasks.run('ping', async (signal) => {
      const options = { signal, timeoutMs: PROBE_TIMEOUT_MS }
      await rpc.call(to, service, 'ping', null, options)
      const ack = { kind: 'ack', sequence, target: null, isClosed: false, rumours: [] } as const
      this.#run(this.#swim.receive(to, ack, clock.now()))
    })
  }

  #arm(): void {
    const { clock, tasks } = this.#deps
    const at = this.#swim.nextAt()
    if (at === null || tasks.signal.aborted) return
    if (this.#timer !== null && this.#timer.at <= at) return // It comes early enough, and looks again.
    this.#timer?.end.abort()
    const end = new AbortController()
    const timer = { at, end }
    this.#timer = timer
    const delay = millis(Math.max(0, at - clock.now()))
    tasks.run('swim timer', async (signal) => {
      try {
        await underEither(signal, end, (either) => clock.sleep(delay, either))
      } catch {
        return // An earlier one has been set, or we stop.
      }
      // Its time had come when an earlier one was set, but it had not gone on yet: that one looks again.
      if (this.#timer !== timer) return
      this.#timer = null
      const now = clock.now()
      this.#swim.lagged(Math.max(0, now - at))
      this.#run(this.#swim.tick(now))
    })
  }
}
