// What is to be passed on: the newest rumour of each node, each for a bounded number of messages, those
// that went least often first.

import type { Rumour } from './messages.ts'

interface Queued {
  readonly rumour: Rumour
  sent: number
}

export class Rumours {
  readonly #queued = new Map<string, Queued>()

  get size(): number {
    return this.#queued.size
  }

  /** Takes the place of what is queued about that node by that accuser. */
  add(rumour: Rumour): void {
    // Accusations by different members are told apart: each counts for itself.
    if (rumour.state === 'alive' || rumour.state === 'left') this.#forget(rumour.node)
    this.#queued.set(keyOf(rumour), { rumour, sent: 0 })
  }

  /** Up to `countMax` rumours for one message; each is given out `times` in all. */
  take(countMax: number, times: number): readonly Rumour[] {
    if (this.#queued.size === 0) return []
    const chosen = [...this.#queued.entries()]
      .toSorted(([, a], [, b]) => a.sent - b.sent)
      .slice(0, countMax)
    for (const [key, queued] of chosen) {
      queued.sent += 1
      if (queued.sent >= times) this.#queued.delete(key)
    }
    return chosen.map(([, { rumour }]) => rumour)
  }

  /** Nothing is to be told of nodes that are no members. */
  retain(isMember: (node: string) => boolean): void {
    for (const [key, { rumour }] of this.#queued) {
      if (!isMember(rumour.node)) this.#queued.delete(key)
    }
  }

  #forget(node: string): void {
    for (const [key, { rumour }] of this.#queued) {
      if (rumour.node === node) this.#queued.delete(key)
    }
  }
}

function keyOf({ node, state, by }: Rumour): string {
  return state === 'suspect' || state === 'dead' ? `${node} ${by}` : node
}
