// What is shown of each member: state, round trip, where and when.

import { millis } from '../../core/index.ts'
import type { Clock, Logger, Millis, NodeId, UnixMillis } from '../../core/index.ts'
import { DEPARTED_SHOWN_MS, RTT_SAMPLES } from '../limits.ts'
import type { Departure, Member } from '../membership/fold.ts'
import type { Role } from '../membership/statement.ts'
import type { Direction } from '../ports.ts'
import type { AddressBook } from './address-book.ts'
import type { Link } from './link.ts'
import type { SwimState } from '../swim/messages.ts'

export type PeerState = 'self' | 'alive' | 'suspect' | 'dead' | 'left'

export interface PeerView {
  readonly nodeId: NodeId
  readonly name: string
  readonly role: Role
  readonly state: PeerState
  /** How long it is in this state. */
  readonly stateMs: Millis
  /** The least of the last pulses; null before the first and while not connected. */
  readonly rttMs: number | null
  readonly addresses: readonly string[]
  /** When anything was last heard of it, by this node's wall clock; null if never. */
  readonly lastSeen: UnixMillis | null
  readonly isConnected: boolean
  /** Who dialled, and the address at the other end; null while not connected. */
  readonly connection: { readonly direction: Direction; readonly remoteAddress: string } | null
  /** Of the kernel's run that is connected; null while not connected. */
  readonly generation: number | null
}

interface PeerEntry {
  member: Member
  /** Newest last. */
  roundTrips: readonly number[]
  link: Link | null
  /** Since when it is no member any more, by its own word. */
  goneAt: Millis | null
  /** What listeners were told last: they hear of changes only. */
  told: string
}

export interface PeerTableDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly book: AddressBook
  /** What the failure detector believes of a member, and since when. */
  readonly stateOf: (peer: NodeId) => { readonly state: SwimState; readonly since: Millis }
}

export class PeerTable {
  readonly #clock: Clock
  readonly #book: AddressBook
  readonly #entries = new Map<NodeId, PeerEntry>()
  readonly #stateOf: PeerTableDeps['stateOf']
  readonly #log: Logger
  readonly #listeners = new Set<(peer: PeerView) => void>()

  constructor(deps: PeerTableDeps) {
    this.#clock = deps.clock
    this.#book = deps.book
    this.#stateOf = deps.stateOf
    this.#log = deps.log
  }

  /**
   * Takes the members as they are now, without this node itself. One that was evicted is told of and gone
   * at once; one that left by its own word is shown so for a while.
   */
  setMembers(members: readonly Member[], departed: ReadonlyMap<string, Departure>): void {
    const kept = new Set(members.map(({ nodeId }) => nodeId))
    for (const [id, entry] of this.#entries) {
      if (kept.has(id)) {
        entry.goneAt = null
        continue
      }
      if (entry.goneAt === null) {
        entry.goneAt = this.#clock.now()
        this.changed(id)
      }
      if (departed.get(id)?.kind !== 'left') this.#entries.delete(id)
    }
    for (const member of members) {
      const entry = this.#entries.get(member.nodeId)
      if (entry !== undefined) {
        entry.member = member
        continue
      }
      this.#entries.set(member.nodeId, {
        member,
        roundTrips: [],
        link: null,
        goneAt: null,
        told: ''
      })
      this.changed(member.nodeId)
    }
    for (const departure of departed.values()) this.#recall(departure)
  }

  /** Who left shortly before this kernel started is shown so as well. */
  #recall({ nodeId, name, kind, statement, at }: Departure): void {
    const agoMs = this.#clock.wall() - at
    const isRecent = agoMs >= 0 && agoMs <= DEPARTED_SHOWN_MS
    if (kind !== 'left' || !isRecent || this.#entries.has(nodeId)) return
    const member: Member = { nodeId, name, role: 'member', statement }
    const goneAt = millis(this.#clock.now() - agoMs)
    this.#entries.set(nodeId, { member, roundTrips: [], link: null, goneAt, told: '' })
    this.changed(nodeId)
  }

  /** From now on `link` serves for `peer`, or none does. `changed` is to be called then. */
  setLink(peer: NodeId, link: Link | null): void {
    const entry = this.#entries.get(peer)
    if (entry !== undefined) Object.assign(entry, { link, roundTrips: [] })
  }

  /** Time has passed: those that left long ago are not shown any more. */
  tick(): void {
    const now = this.#clock.now()
    for (const [peer, { goneAt }] of this.#entries) {
      if (goneAt !== null && now - goneAt > DEPARTED_SHOWN_MS) this.#entries.delete(peer)
    }
  }

  measured(peer: NodeId, rttMs: number): void {
    const entry = this.#entries.get(peer)
    if (entry === undefined) return
    entry.roundTrips = [...entry.roundTrips, rttMs].slice(-RTT_SAMPLES)
  }

  view(peer: NodeId): PeerView | null {
    const entry = this.#entries.get(peer)
    if (entry === undefined) return null
    const { member, roundTrips, link, goneAt } = entry
    const { state, since } =
      goneAt === null ? this.#stateOf(peer) : { state: 'left' as const, since: goneAt }
    const { addresses, lastSeen } = this.#book.of(peer)
    return {
      nodeId: peer,
      name: member.name,
      role: member.role,
      state,
      stateMs: millis(Math.max(0, this.#clock.now() - since)),
      rttMs: roundTrips.length === 0 ? null : Math.round(Math.min(...roundTrips) * 1000) / 1000,
      addresses,
      lastSeen,
      isConnected: link !== null,
      connection:
        link === null
          ? null
          : { direction: link.connection.direction, remoteAddress: link.connection.remoteAddress },
      generation: link?.incarnation?.generation ?? null
    }
  }

  /** All by name, this node itself first: `own`, if it is a member. */
  all(own: Member | null, shown: Pick<PeerView, 'addresses' | 'generation'>): readonly PeerView[] {
    const others = [...this.#entries.keys()].flatMap((peer) => this.view(peer) ?? [])
    others.sort((a, b) => (a.name < b.name ? -1 : 1))
    return own === null ? others : [selfView(own, shown, this.#clock), ...others]
  }

  /** Tells the listeners, if there is anything new about `peer`. */
  changed(peer: NodeId): void {
    const entry = this.#entries.get(peer)
    const view = this.view(peer)
    if (entry === undefined || view === null) return
    const told = `${view.state} ${String(view.isConnected)} ${String(view.generation)}`
    if (entry.told === told) return
    entry.told = told
    for (const listener of this.#listeners) {
      try {
        listener(view)
      } catch (error) {
        this.#log.error('a listener of peers failed', { error: String(error) })
      }
    }
  }

  /** Called when a member's state or connection changes, and when one is added. */
  onChange(listener: (peer: PeerView) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Tells nobody any more. */
  close(): void {
    this.#listeners.clear()
  }
}

/** This node among its peers. */
function selfView(
  own: Member,
  { addresses, generation }: Pick<PeerView, 'addresses' | 'generation'>,
  clock: Clock
): PeerView {
  return {
    nodeId: own.nodeId,
    name: own.name,
    role: own.role,
    state: 'self',
    stateMs: clock.now(),
    rttMs: null,
    addresses,
    lastSeen: clock.wall(),
    isConnected: true,
    connection: null,
    generation
  }
}
