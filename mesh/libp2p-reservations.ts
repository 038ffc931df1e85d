// Places that this node keeps for members as their relay: in place of libp2p's own store.
//
// libp2p's counts each place down by a timer that it sets again with every renewal but cannot take back
// the second time: a place that is renewed every 20 minutes is lost after 80, with all circuits through it.
// Each such timer also holds on to the whole host for an hour, after a restart too.
//
// Invariants
//   S1. A place lasts RESERVATION_TTL_MS from its last renewal; without a timer, looked at when asked for.
//   S2. A circuit that is open outlives its place: it ends with its connections.

import type { PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { millis } from '../core/index.ts'
import type { Clock, Millis } from '../core/index.ts'
import { RESERVATION_TTL_MS, RESERVATIONS_MAX } from './host-limits.ts'

/** As the circuit relay's messages name them. */
const OK = 'OK'
const REFUSED = 'RESERVATION_REFUSED'

interface Place {
  readonly addr: Multiaddr
  readonly until: Millis
  /** Never aborts (S2). */
  readonly signal: AbortSignal
}

export class Reservations {
  readonly reservations: Map<string, Place> = new Map<string, Place>()
  readonly #clock: Clock

  constructor(deps: { readonly clock: Clock }) {
    this.#clock = deps.clock
  }

  reserve(
    peer: PeerId,
    addr: Multiaddr
  ): { readonly status: string; readonly expire?: number | undefined } {
    const key = peer.toString()
    const known = this.get(peer)
    if (known === undefined && this.reservations.size >= RESERVATIONS_MAX) {
      this.#dropExpired()
      if (this.reservations.size >= RESERVATIONS_MAX) return { status: REFUSED }
    }
    const until = millis(this.#clock.now() + RESERVATION_TTL_MS)
    const signal = known?.signal ?? new AbortController().signal
    this.reservations.set(key, { addr, until, signal })
    const expire = Math.round((this.#clock.wall() + RESERVATION_TTL_MS) / 1000)
    return { status: OK, expire }
  }

  get(peer: PeerId): Place | undefined {
    const key = peer.toString()
    const place = this.reservations.get(key)
    if (place === undefined || place.until > this.#clock.now()) return place
    this.reservations.delete(key)
    return undefined
  }

  removeReservation(peer: PeerId): void {
    this.reservations.delete(peer.toString())
  }

  clear(): void {
    this.reservations.clear()
  }

  #dropExpired(): void {
    const now = this.#clock.now()
    for (const [key, { until }] of this.reservations) {
      if (until <= now) this.reservations.delete(key)
    }
  }
}
