// Who is alive: SWIM with Lifeguard, as a state machine without I/O. Its owner brings events and time, and
// carries out what comes back; nothing else happens in between.
//
// Invariants
//   W1. A member is called dead only after a suspicion that lasted its time (timing.ts), during which it
//       could have refuted; or where its connection closed and nobody who was asked has one either.
//   W2. Only a node itself raises its incarnation, and only its own signed word says that it lives or has
//      left (the shell checks signatures). An accusation names the word that it doubts, and no other.
//   W3. A claim of death by another is a mere accusation for whoever has a connection to the accused.
//   W4. A rumour is passed on a bounded number of times (retransmissions), a node told of itself at once.
//   W5. Time in which this node itself was stopped counts against nobody.
//   W6. Whoever has sent us anything since a probe or a suspicion of it began lives, whether or not it has
//       found the time to answer that.

import type { Millis, Prng } from '../../core/index.ts'
import { millis } from '../../core/index.ts'
import {
  GOSSIP_FANOUT,
  GOSSIP_INTERVAL_MS,
  INDIRECT_PROBES,
  INTRODUCED_MAX,
  LAG_NOTICED_MS,
  RUMOURS_PER_MESSAGE_MAX
} from '../limits.ts'
import { Beliefs, deadAt } from './beliefs.ts'
import type { Belief } from './beliefs.ts'
import type { Rumour, SwimMessage, SwimState } from './messages.ts'
import { ProbeOrder } from './probe-order.ts'
import { RelayedProbes } from './relayed-probes.ts'
import { Rumours } from './rumours.ts'
import { boundedScore, probeInterval, probeTimeout, retransmissions } from './timing.ts'

export type SwimEffect =
  | { readonly kind: 'send'; readonly to: string; readonly message: SwimMessage }
  | { readonly kind: 'changed'; readonly node: string; readonly state: SwimState }

export interface SwimOptions {
  readonly self: string
  /** Higher than in any earlier run of this node. */
  readonly incarnation: number
  /** What a member is before anything is known of it. */
  readonly initial: 'alive' | 'suspect'
}

export interface SwimDeps {
  readonly prng: Prng
  readonly isConnected: (node: string) => boolean
  /** When `node` was heard last over its connection, whatever it said; null without one. */
  readonly heardAt?: (node: string) => Millis | null
  /** Whether `node` had left by its own word when this node last ran. */
  readonly hadLeft?: (node: string) => boolean
}

/** The members, this node itself among them or not. Kept, not copied: thousands of cores can share one. */
export interface SwimMembers {
  readonly list: readonly string[]
  readonly set: ReadonlySet<string>
}

interface Probe {
  readonly target: string
  readonly sequence: number
  readonly beganAt: Millis
  directUntil: Millis
  until: Millis
  asked: number
  nacks: number
  closedNacks: number
  hasAsked: boolean
  /** Of the round, not an extra one. */
  readonly isRegular: boolean
}

export class Swim {
  readonly #deps: SwimDeps
  readonly #options: SwimOptions
  readonly #order: ProbeOrder
  readonly #rumours = new Rumours()
  readonly #probes = new Map<number, Probe>()
  readonly #relayed: RelayedProbes
  readonly #beliefs: Beliefs
  #members: readonly string[] = []
  #memberSet: ReadonlySet<string> = new Set()
  #incarnation: number
  #sequence = 0
  #health = 0
  #nextProbeAt: Millis | null = null
  #nextGossipAt: Millis | null = null
  #effects: SwimEffect[] = []

  constructor(deps: SwimDeps, options: SwimOptions) {
    this.#deps = deps
    this.#options = options
    this.#order = new ProbeOrder(deps.prng)
    this.#incarnation = options.incarnation
    this.#relayed = new RelayedProbes({
      isConnected: deps.isConnected,
      send: (to, kind, parts) => this.#send(to, kind, parts),
      nextSequence: () => this.#nextSequence()
    })
    this.#beliefs = new Beliefs({
      initial: options.initial,
      onChange: (node, state) => this.#effects.push({ kind: 'changed', node, state })
    })
  }

  get healthScore(): number {
    return this.#health
  }

  get incarnation(): number {
    return this.#incarnation
  }

  state(node: string): SwimState {
    return this.#beliefs.state(node)
  }

  since(node: string): Millis | null {
    return this.#beliefs.get(node)?.since ?? null
  }

  setMembers(members: SwimMembers, now: Millis): readonly SwimEffect[] {
    const { initial, self } = this.#options
    const before = this.#memberSet
    this.#members = members.list
    this.#memberSet = members.set
    this.#beliefs.retain((node) => this.#memberSet.has(node))
    this.#rumours.retain((node) => node === self || this.#memberSet.has(node))
    if (initial === 'suspect') {
      for (const node of members.list) {
        if (node === self) continue
        if (before.has(node) || this.#beliefs.get(node) !== null) continue
        const hadLeft = this.#deps.hadLeft?.(node) === true
        this.#beliefs.begin(node, hadLeft ? 'left' : initial, now)
      }
    }
    // Not all at the same moment, if they were started so.
    this.#nextProbeAt ??= millis(now + this.#deps.prng.below(probeInterval(0)))
    return this.#flush()
  }

  /** A connection to `node` serves: it lives. */
  connected(node: string, now: Millis): readonly SwimEffect[] {
    const belief = this.#beliefs.of(node, now)
    const isKnown = belief.state === 'dead' || !belief.isPrivate
    const accusation = isKnown ? this.#accusationOf(node, belief) : null
    this.#beliefs.become(node, 'alive', now)
    this.#forgetProbes(node) // What they would find out is known.
    const own: Rumour = this.#ownRumour('alive')
    this.#send(node, 'ping', { rumours: accusation === null ? [own] : [own, accusation] })
    if (belief.incarnation === 0) this.#introduce(node)
    return this.#flush()
  }

  /** The connection to `node` is gone. `isClosed`: the other side, or the network, ended it, and not we. */
  lost(node: string, isClosed: boolean, now: Millis): readonly SwimEffect[] {
    this.#relayed.lost(node)
    const belief = this.#beliefs.of(node, now)
    if (belief.state !== 'alive') return this.#flush()
    this.#beliefs.become(node, 'suspect', now)
    belief.isPrivate = true
    belief.isClosed = isClosed
    this.#beginProbe(node, { isRegular: false }, now)
    return this.#flush()
  }

  /** `node` itself says, over its connection, that it goes. */
  goes(node: string, now: Millis): readonly SwimEffect[] {
    this.#beliefs.become(node, 'left', now)
    return this.#flush()
  }

  /** The rumour that this node leaves, to be sent to everybody before it stops. */
  farewell(): Rumour {
    this.#incarnation += 1
    return this.#ownRumour('left')
  }

  /** A timer of ours fired `lagMs` late: it is we who were away (W5). */
  lagged(lagMs: number): void {
    if (lagMs < LAG_NOTICED_MS) return
    this.#degrade(lagMs >= 4 * LAG_NOTICED_MS ? 2 : 1)
    for (const probe of this.#probes.values()) {
      probe.directUntil = millis(probe.directUntil + lagMs)
      probe.until = millis(probe.until + lagMs)
    }
    this.#relayed.lagged(lagMs)
    this.#beliefs.lagged(lagMs)
  }

  /** When `tick` has something to do; null while there are no members. */
  nextAt(): Millis | null {
    let next = Math.min(this.#nextProbeAt ?? Infinity, this.#nextGossipAt ?? Infinity)
    for (const { hasAsked, directUntil, until } of this.#probes.values()) {
      next = Math.min(next, hasAsked ? until : directUntil)
    }
    next = Math.min(next, this.#relayed.nextAt())
    for (const [, belief] of this.#beliefs.all()) {
      if (belief.state === 'suspect') next = Math.min(next, this.#deadAt(belief))
    }
    return next === Infinity ? null : millis(next)
  }

  tick(now: Millis): readonly SwimEffect[] {
    for (const probe of this.#probes.values()) {
      const isDue = now >= (probe.hasAsked ? probe.until : probe.directUntil)
      if (isDue && this.#isHeardSince(probe.target, probe.beganAt)) this.#passed(probe, now)
      else if (isDue && probe.hasAsked) this.#failed(probe, now)
      else if (isDue) this.#ask(probe, now)
    }
    this.#relayed.tick(now)
    for (const [node, belief] of this.#beliefs.all()) {
      if (belief.state !== 'suspect' || now < this.#deadAt(belief)) continue
      const heardAt = this.#deps.heardAt?.(node) ?? null
      if (heardAt !== null && heardAt > belief.suspectedAt) belief.suspectedAt = heardAt // W6
      else this.#declareDead(node, belief, now)
    }
    if (this.#nextProbeAt !== null && now >= this.#nextProbeAt) {
      this.#nextProbeAt = millis(now + probeInterval(this.#health))
      const target = this.#nextTarget()
      if (target !== null) this.#beginProbe(target, { isRegular: true }, now)
    }
    if (this.#nextGossipAt !== null && now >= this.#nextGossipAt) this.#gossip(now)
    return this.#flush()
  }

  receive(from: string, message: SwimMessage, now: Millis): readonly SwimEffect[] {
    for (const rumour of message.rumours) this.#hear(rumour, now)
    const { kind, sequence, target } = message
    if (kind === 'ping') this.#send(from, 'ack', { sequence })
    else if (kind === 'ack') this.#acked(from, sequence, now)
    else if (kind === 'nack') this.#nacked(sequence, message.isClosed, now)
    else if (kind === 'ask' && target !== null) this.#relayed.begin({ from, sequence, target }, now)
    if (this.#rumours.size > 0) this.#nextGossipAt ??= now
    return this.#flush()
  }

  // Probing

  #nextTarget(): string | null {
    for (let tries = 0; tries < this.#members.length; tries++) {
      const node = this.#members[this.#order.next(this.#members.length)]
      if (node === undefined) return null
      if (node === this.#options.self) continue
      const state = this.state(node)
      const isWorthIt = (state !== 'dead' && state !== 'left') || this.#deps.isConnected(node)
      if (isWorthIt && !this.#isProbed(node)) return node
    }
    return null
  }

  #isProbed(node: string): boolean {
    for (const { target } of this.#probes.values()) if (target === node) return true
    return false
  }

  #forgetProbes(node: string): void {
    for (const [sequence, { target }] of this.#probes) {
      if (target === node) this.#probes.delete(sequence)
    }
  }

  #beginProbe(target: string, options: { readonly isRegular: boolean }, now: Millis): void {
    const probe: Probe = {
      target,
      sequence: this.#nextSequence(),
      ...options,
      beganAt: now,
      directUntil: millis(now + probeTimeout(this.#health)),
      until: millis(now + probeInterval(this.#health)),
      asked: 0,
      nacks: 0,
      closedNacks: 0,
      hasAsked: false
    }
    this.#probes.set(probe.sequence, probe)
    if (!this.#deps.isConnected(target)) return this.#ask(probe, now)
    const belief = this.#beliefs.get(target)
    const accusation =
      belief?.state === 'suspect' && !belief.isPrivate ? this.#accusationOf(target, belief) : null
    const rumours = accusation === null ? [] : [accusation] // So that it can refute at once (W4).
    this.#send(target, 'ping', { sequence: probe.sequence, rumours })
  }

  /** Others may reach it where we do not. */
  #ask(probe: Probe, now: Millis): void {
    probe.hasAsked = true
    const others = this.#pick(INDIRECT_PROBES, (node) => node !== probe.target)
    probe.asked = others.length
    for (const to of others) {
      this.#send(to, 'ask', { sequence: probe.sequence, target: probe.target })
    }
    const isHopeless = others.length === 0 && !this.#deps.isConnected(probe.target)
    if (isHopeless) this.#failed(probe, now)
  }

  /** Up to `count` members that are alive and connected, by lot. */
  #pick(count: number, isWanted: (node: string) => boolean): readonly string[] {
    const { prng, isConnected } = this.#deps
    const total = this.#members.length
    const found = new Set<string>()
    // By lot first: among thousands, looking at all of them would cost more than a few misses.
    const triesMax = total > 4 * count ? 3 * count : 0
    for (let tries = 0; tries < triesMax && found.size < count; tries++) {
      const node = this.#members[prng.below(total)]
      if (node !== undefined && this.#isHelpful(node, isWanted)) found.add(node)
    }
    if (found.size < count) {
      const all = this.#members.filter(
        (node) => !found.has(node) && isConnected(node) && this.#isHelpful(node, isWanted)
      )
      while (found.size < count && all.length > 0) {
        const [node] = all.splice(prng.below(all.length), 1)
        if (node !== undefined) found.add(node)
      }
    }
    return [...found]
  }

  #isHelpful(node: string, isWanted: (node: string) => boolean): boolean {
    if (node === this.#options.self || !isWanted(node)) return false
    return this.state(node) === 'alive' && this.#deps.isConnected(node)
  }

  #acked(from: string, sequence: number, now: Millis): void {
    if (this.#relayed.acked(from, sequence)) return
    const probe = this.#probes.get(sequence)
    if (probe === undefined) return
    // From the target itself, or from one that was asked: either way it lives.
    if (probe.isRegular) this.#health = boundedScore(this.#health - 1)
    this.#passed(probe, now)
  }

  #passed({ sequence, target }: Probe, now: Millis): void {
    this.#probes.delete(sequence)
    const belief = this.#beliefs.get(target)
    if (belief?.state === 'suspect' && belief.isPrivate) this.#beliefs.become(target, 'alive', now)
  }

  /** W6 */
  #isHeardSince(node: string, at: Millis): boolean {
    return (this.#deps.heardAt?.(node) ?? -Infinity) > at
  }

  #nacked(sequence: number, isClosed: boolean, now: Millis): void {
    const probe = this.#probes.get(sequence)
    if (probe === undefined) return
    probe.nacks += 1
    if (isClosed) probe.closedNacks += 1
    const isOver = probe.nacks >= probe.asked && !this.#deps.isConnected(probe.target)
    if (isOver) this.#failed(probe, now)
  }

  #failed(probe: Probe, now: Millis): void {
    this.#probes.delete(probe.sequence)
    const { target, asked, nacks, closedNacks } = probe
    // Who was asked and did not even say no: the trouble may be ours (Lifeguard).
    if (probe.isRegular) this.#degrade(asked > 0 ? asked - nacks : 1)
    const belief = this.#beliefs.of(target, now)
    const isClosed = belief.isClosed && closedNacks >= asked && !this.#deps.isConnected(target)
    const { self } = this.#options
    if (belief.state === 'dead' || belief.state === 'left') return
    const { incarnation } = belief
    this.#accuse({ node: target, state: 'suspect', incarnation, by: self }, now)
    if (belief.isClosed && !isClosed) belief.isClosed = false
  }

  // Rumours

  /** Tells `node`, which has said nothing yet and may be new here, who lives: each member's own word of it. */
  #introduce(node: string): void {
    const words: Rumour[] = []
    for (const [other, { state, incarnation }] of this.#beliefs.all()) {
      if (state !== 'alive' || incarnation === 0 || other === node) continue
      words.push({ node: other, state, incarnation, by: other })
      if (words.length === INTRODUCED_MAX) break
    }
    for (let at = 0; at < words.length; at += RUMOURS_PER_MESSAGE_MAX) {
      this.#send(node, 'gossip', { rumours: words.slice(at, at + RUMOURS_PER_MESSAGE_MAX) })
    }
  }

  #hear(rumour: Rumour, now: Millis): void {
    const { node, state, incarnation } = rumour
    if (node === this.#options.self) return this.#hearOfSelf(rumour)
    if (!this.#memberSet.has(node)) return
    const knownIncarnation = this.#beliefs.get(node)?.incarnation ?? 0
    const knownState = this.state(node)
    if (state === 'alive' || state === 'left') {
      if (incarnation <= knownIncarnation) return
      this.#beliefs.of(node, now).incarnation = incarnation
      this.#beliefs.become(node, state, now)
      this.#tell(rumour, now)
      return
    }
    // It doubts a word that is not the latest, or one that we have not heard: made up, perhaps (W2).
    if (incarnation !== knownIncarnation || knownState === 'dead' || knownState === 'left') return
    if (state === 'suspect' || this.#deps.isConnected(node)) {
      this.#accuse(rumour, now) // W3
    } else {
      this.#beliefs.become(node, 'dead', now)
      this.#tell(rumour, now)
    }
  }

  /** Whoever doubts us is told that we live, with a number that only we may raise (W2). */
  #hearOfSelf({ state, incarnation }: Rumour): void {
    if (state !== 'suspect' && state !== 'dead') return
    // An older doubt is answered by what we have said already; one above our number is a lie, which
    // nobody believes.
    if (incarnation > this.#incarnation) return
    if (incarnation === this.#incarnation) {
      this.#incarnation += 1
      this.#degrade(1)
    }
    this.#rumours.add(this.#ownRumour('alive'))
  }

  #accuse(rumour: Rumour, now: Millis): void {
    const { node, by } = rumour
    const belief = this.#beliefs.of(node, now)
    if (belief.state !== 'suspect') this.#beliefs.become(node, 'suspect', now)
    belief.isPrivate = false
    if (belief.accusers.has(by)) return
    belief.accusers.add(by)
    this.#tell(rumour, now)
    if (this.#deps.isConnected(node)) this.#send(node, 'ping', { rumours: [rumour] }) // W4
  }

  #declareDead(node: string, belief: Belief, now: Millis): void {
    this.#beliefs.become(node, 'dead', now)
    const { self } = this.#options
    this.#tell({ node, state: 'dead', incarnation: belief.incarnation, by: self }, now)
  }

  #tell(rumour: Rumour, now: Millis): void {
    this.#rumours.add(rumour)
    this.#nextGossipAt ??= now
  }

  #gossip(now: Millis): void {
    for (const to of this.#pick(GOSSIP_FANOUT, () => true)) {
      if (this.#rumours.size > 0) this.#send(to, 'gossip', {})
    }
    this.#nextGossipAt = this.#rumours.size > 0 ? millis(now + GOSSIP_INTERVAL_MS) : null
  }

  #deadAt(belief: Belief): Millis {
    return deadAt(belief, this.#members.length + 1)
  }

  #accusationOf(node: string, belief: Belief): Rumour | null {
    if (belief.state !== 'suspect' && belief.state !== 'dead') return null
    const { self } = this.#options
    return { node, state: belief.state, incarnation: belief.incarnation, by: self }
  }

  #ownRumour(state: 'alive' | 'left'): Rumour {
    const { self } = this.#options
    return { node: self, state, incarnation: this.#incarnation, by: self }
  }

  #nextSequence(): number {
    this.#sequence += 1
    return this.#sequence
  }

  #degrade(by: number): void {
    this.#health = boundedScore(this.#health + by)
  }

  #send(to: string, kind: SwimMessage['kind'], parts: Partial<SwimMessage>): void {
    const first = parts.rumours ?? []
    const room = RUMOURS_PER_MESSAGE_MAX - first.length
    const times = retransmissions(this.#members.length + 1)
    const rumours = [...first, ...this.#rumours.take(room, times)]
    const { sequence = 0, target = null, isClosed = false } = parts
    this.#effects.push({
      kind: 'send',
      to,
      message: { kind, sequence, target, isClosed, rumours }
    })
  }

  #flush(): readonly SwimEffect[] {
    const effects = this.#effects
    this.#effects = []
    return effects
  }
}
