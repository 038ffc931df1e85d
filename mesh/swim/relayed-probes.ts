// Probes that this node makes for others: a member asks whether it can reach one that does not answer them.

import { millis } from '../../core/index.ts'
import type { Millis } from '../../core/index.ts'
import { RELAYED_PROBES_MAX } from '../limits.ts'
import type { SwimMessage } from './messages.ts'
import { probeTimeout } from './timing.ts'

export interface RelayedProbesDeps {
  readonly isConnected: (node: string) => boolean
  readonly send: (to: string, kind: 'ping' | 'ack' | 'nack', parts: Partial<SwimMessage>) => void
  /** Of the next ping. */
  readonly nextSequence: () => number
}

interface Relayed {
  readonly asker: string
  readonly askerSequence: number
  readonly target: string
  until: Millis
}

export class RelayedProbes {
  readonly #deps: RelayedProbesDeps
  readonly #relayed = new Map<number, Relayed>()

  constructor(deps: RelayedProbesDeps) {
    this.#deps = deps
  }

  begin(
    { from, sequence, target }: Pick<SwimMessage, 'sequence'> & Record<'from' | 'target', string>,
    now: Millis
  ): void {
    const { isConnected, send, nextSequence } = this.#deps
    if (!isConnected(target) || this.#relayed.size >= RELAYED_PROBES_MAX) {
      send(from, 'nack', { sequence, isClosed: !isConnected(target) })
      return
    }
    const own = nextSequence()
    // An answer before the asker gives up: 80 % of its patience.
    const until = millis(now + 0.8 * probeTimeout(0))
    this.#relayed.set(own, { asker: from, askerSequence: sequence, target, until })
    send(target, 'ping', { sequence: own })
  }

  /** @returns whether it was such a probe that `from` has answered */
  acked(from: string, sequence: number): boolean {
    const relayed = this.#relayed.get(sequence)
    if (relayed === undefined || relayed.target !== from) return false
    this.#relayed.delete(sequence)
    this.#deps.send(relayed.asker, 'ack', { sequence: relayed.askerSequence })
    return true
  }

  /** The connection to `target` is gone. */
  lost(target: string): void {
    for (const [sequence, relayed] of this.#relayed) {
      if (relayed.target === target) this.#refuse(sequence, relayed)
    }
  }

  lagged(lagMs: number): void {
    for (const relayed of this.#relayed.values()) relayed.until = millis(relayed.until + lagMs)
  }

  /** When `tick` has something to do; `Infinity`: never. */
  nextAt(): number {
    let next = Infinity
    for (const { until } of this.#relayed.values()) next = Math.min(next, until)
    return next
  }

  tick(now: Millis): void {
    for (const [sequence, relayed] of this.#relayed) {
      if (now >= relayed.until) this.#refuse(sequence, relayed)
    }
  }

  #refuse(sequence: number, { asker, askerSequence, target }: Relayed): void {
    this.#relayed.delete(sequence)
    const isClosed = !this.#deps.isConnected(target)
    this.#deps.send(asker, 'nack', { sequence: askerSequence, isClosed })
  }
}
