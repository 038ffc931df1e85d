// Whether this node shows itself on the LAN, and how often it looks for members there: with short pauses after something
// has changed, with long ones once nobody is missing.

import { millis } from '../core/index.ts'
import type { Clock, Logger, Millis } from '../core/index.ts'
import { MULTICAST_QUERY_MS, MULTICAST_QUERY_REST_MS, MULTICAST_SEEK_MS } from './host-limits.ts'
import { Multicast } from './libp2p-mdns.ts'
import type { MulticastDeps } from './libp2p-mdns.ts'
import type { Serial } from './tasks.ts'

export interface LanDeps {
  readonly clock: Clock
  readonly log: Logger
  /** One change of the host, or of what is here, at a time. */
  readonly changes: Serial
  /** Of the host that runs now; null: there is none. */
  readonly parts: () => Omit<MulticastDeps, 'log'> | null
}

export class Lan {
  readonly #deps: LanDeps
  /** Null: this node does not show itself. */
  #tag: string | null = null
  #multicast: Multicast | null = null
  /** Until when members are looked for with short pauses; null: with long ones. */
  #seeksUntil: Millis | null = null

  constructor(deps: LanDeps) {
    this.#deps = deps
  }

  announce(tag: string | null): void {
    if (tag === this.#tag) return
    this.#tag = tag
    this.anew()
  }

  /** Somebody is missing. */
  seek(): void {
    if (this.#tag === null) return
    const isSeeking = this.#seeksUntil !== null
    this.#seekFromNow()
    if (!isSeeking) this.resume()
  }

  /** Nobody is missing. */
  settle(): void {
    const until = this.#seeksUntil
    if (until === null) return
    const since = until - MULTICAST_SEEK_MS
    if (this.#deps.clock.now() < since + MULTICAST_QUERY_MS) return // Who has just come in is heard first.
    this.#rest()
  }

  /** Now and then. */
  tick(): void {
    if (this.#seeksUntil !== null && this.#deps.clock.now() >= this.#seeksUntil) this.#rest()
  }

  /** With short pauses, and on the interfaces that there are now. */
  anew(): void {
    this.#seekFromNow()
    this.resume()
  }

  /** With another host, or at another pace. */
  resume(): void {
    const { changes, log } = this.#deps
    changes
      .run(() => this.#begin())
      .catch((error: unknown) => {
        log.warn('not announced on the LAN', { error: String(error) })
      })
  }

  /** Until the next `announce`. What runs is ended by `close`. */
  stop(): void {
    this.#tag = null
  }

  /** Only as one of the `changes`. */
  async close(): Promise<void> {
    await this.#multicast?.stop()
    this.#multicast = null
  }

  async #begin(): Promise<void> {
    await this.close()
    const parts = this.#deps.parts()
    if (this.#tag === null || parts === null) return
    const queryMs = this.#seeksUntil === null ? MULTICAST_QUERY_REST_MS : MULTICAST_QUERY_MS
    this.#multicast = new Multicast({ ...parts, log: this.#deps.log }, { tag: this.#tag, queryMs })
    await this.#multicast.start()
  }

  #seekFromNow(): void {
    this.#seeksUntil = millis(this.#deps.clock.now() + MULTICAST_SEEK_MS)
  }

  #rest(): void {
    this.#seeksUntil = null
    this.resume()
  }
}
