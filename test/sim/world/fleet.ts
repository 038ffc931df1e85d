// Many cores of the failure detector on virtual time, connected by a network of messages alone: no
// kernels, no signatures. Any message may be lost or late; reordering follows from unequal delays.

import { millis } from '../../../core/index.ts'
import type { Millis } from '../../../core/index.ts'
import { Swim } from '../../../mesh/swim/swim.ts'
import type { SwimMessage, SwimState } from '../../../mesh/swim/messages.ts'
import type { SwimEffect, SwimMembers } from '../../../mesh/swim/swim.ts'
import { SeededPrng } from './seeded-prng.ts'
import { VirtualClock } from './virtual-clock.ts'

export interface FleetOptions {
  readonly count: number
  readonly seed: number
  readonly lossPercent?: number
  readonly duplicatePercent?: number
  readonly delayMs?: readonly [min: number, max: number]
}

export interface Observation {
  readonly at: number
  readonly by: string
  readonly node: string
  readonly state: SwimState
}

interface Node {
  readonly name: string
  swim: Swim
  isUp: boolean
  /** Answers nothing, and its timers stand, until then. */
  pausedUntil: number
  wakeAt: number
  runs: number
}

/** A message without signatures: kind, number, target, and what a rumour takes on the wire. */
const MESSAGE_BYTES = 52
const RUMOUR_BYTES = 183

export class Fleet {
  readonly clock: VirtualClock = new VirtualClock()
  readonly observations: Observation[] = []
  readonly names: readonly string[]
  readonly #members: SwimMembers
  messages = 0
  bytes = 0
  readonly #options: FleetOptions
  readonly #prng: SeededPrng
  #lossPercent: number
  readonly #nodes = new Map<string, Node>()
  readonly #cuts = new Set<string>()
  /** Nodes whose connections have closed. */
  readonly #closed = new Set<string>()

  constructor(options: FleetOptions) {
    this.#options = options
    this.#lossPercent = options.lossPercent ?? 0
    this.#prng = new SeededPrng(options.seed)
    this.names = Array.from({ length: options.count }, (_, index) => `n${index}`)
    // One list for all: with 10,000 nodes, 10,000 lists would not fit.
    this.#members = { list: this.names, set: new Set(this.names) }
    for (const name of this.names) {
      const node = { name, isUp: true, pausedUntil: 0, wakeAt: Infinity, runs: 0 }
      this.#nodes.set(name, { ...node, swim: this.#core(name, 0) })
    }
    for (const node of this.#nodes.values()) this.#join(node)
  }

  state(by: string, node: string): SwimState {
    return this.#node(by).swim.state(node)
  }

  healthScore(name: string): number {
    return this.#node(name).swim.healthScore
  }

  isUp(name: string): boolean {
    return this.#node(name).isUp
  }

  /** The process dies: with `isClosed` its connections close, else it only falls silent. */
  kill(name: string, isClosed: boolean): void {
    const dead = this.#node(name)
    dead.isUp = false
    if (!isClosed) return
    this.#closed.add(name)
    for (const node of this.#nodes.values()) {
      if (node !== dead && node.isUp) this.#run(node, node.swim.lost(name, true, this.#now()))
    }
  }

  restart(name: string): void {
    const node = this.#node(name)
    node.runs += 1
    node.isUp = true
    this.#closed.delete(name)
    node.swim = this.#core(name, node.runs)
    this.#join(node)
    for (const other of this.#nodes.values()) {
      if (other === node || !other.isUp) continue
      this.#run(other, other.swim.connected(name, this.#now()))
      this.#run(node, node.swim.connected(other.name, this.#now()))
    }
  }

  /** What the dialler brings about after a split: a new connection to everybody. */
  reconnect(name: string): void {
    const node = this.#node(name)
    for (const other of this.names) {
      if (other !== name) this.#run(node, node.swim.connected(other, this.#now()))
    }
  }

  pause(name: string, forMs: number): void {
    this.#node(name).pausedUntil = this.#now() + forMs
  }

  /** Nothing more gets through from the one to the other. */
  cut(from: string, to: string): void {
    this.#cuts.add(`${from}>${to}`)
  }

  /** Everything gets through from now on. */
  heal(): void {
    this.#cuts.clear()
    this.#lossPercent = 0
  }

  pass(duration: number): void {
    const end = this.#now() + duration
    for (;;) {
      const next = this.clock.nextAt()
      if (next === null || next > end) break
      this.clock.step()
    }
    this.clock.advanceTo(millis(end))
  }

  /** Hands `to` a message that `from` never sent by itself: for liars. */
  inject(from: string, to: string, message: SwimMessage): void {
    this.#deliver(from, to, message)
  }

  incarnation(name: string): number {
    return this.#node(name).swim.incarnation
  }

  /** When all that are up first believed `state` of `node` after `since`; null if some never did. */
  seenByAll(node: string, state: SwimState, since: number): number | null {
    const first = new Map<string, number>()
    for (const each of this.observations) {
      const isIt = each.node === node && each.state === state && each.at >= since
      if (isIt && !first.has(each.by)) first.set(each.by, each.at)
    }
    const others = [...this.#nodes.values()].filter((each) => each.isUp && each.name !== node)
    if (others.some(({ name }) => !first.has(name))) return null
    return Math.max(...first.values()) - since
  }

  #core(name: string, run: number): Swim {
    return new Swim(
      // A silent node's connections stay: nothing tells that it is gone.
      {
        prng: new SeededPrng(this.#prng.below(2 ** 31)),
        isConnected: (to) => !this.#closed.has(to)
      },
      { self: name, incarnation: run * 1000, initial: 'alive' }
    )
  }

  #join(node: Node): void {
    this.#run(node, node.swim.setMembers(this.#members, this.#now()))
  }

  #node(name: string): Node {
    const node = this.#nodes.get(name)
    if (node === undefined) throw new Error(`There is no node ${name}`)
    return node
  }

  #now(): Millis {
    return this.clock.now()
  }

  #run(node: Node, effects: readonly SwimEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'send') this.#send(node, effect.to, effect.message)
      else {
        const { node: about, state } = effect
        this.observations.push({ at: this.#now(), by: node.name, node: about, state })
      }
    }
    this.#arm(node)
  }

  #arm(node: Node): void {
    const at = node.swim.nextAt()
    if (at === null || !node.isUp || node.wakeAt <= at) return
    node.wakeAt = at
    const { swim } = node
    this.clock.after(Math.max(0, at - this.#now()), () => {
      if (node.wakeAt !== at || node.swim !== swim || !node.isUp) return
      const late = Math.max(0, node.pausedUntil - at)
      const wake = (): void => {
        node.wakeAt = Infinity
        if (!node.isUp || node.swim !== swim) return
        swim.lagged(late)
        this.#run(node, swim.tick(this.#now()))
      }
      if (late === 0) wake()
      else this.clock.after(late, wake)
    })
  }

  #send(from: Node, to: string, message: SwimMessage): void {
    this.messages += 1
    this.bytes += MESSAGE_BYTES + message.rumours.length * RUMOUR_BYTES
    const { duplicatePercent = 0, delayMs = [1, 3] } = this.#options
    const copies = this.#prng.below(100) < duplicatePercent ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      if (this.#prng.below(100) < this.#lossPercent) continue
      const delay = delayMs[0] + this.#prng.below(delayMs[1] - delayMs[0] + 1)
      this.clock.after(delay, () => this.#deliver(from.name, to, message))
    }
  }

  #deliver(from: string, to: string, message: SwimMessage): void {
    const node = this.#nodes.get(to)
    if (node === undefined || !node.isUp || this.#cuts.has(`${from}>${to}`)) return
    if (node.pausedUntil > this.#now()) {
      this.clock.after(node.pausedUntil - this.#now(), () => this.#deliver(from, to, message))
      return
    }
    this.#run(node, node.swim.receive(from, message, this.#now()))
  }
}
