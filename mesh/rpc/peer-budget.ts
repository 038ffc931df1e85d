// What one peer may have waiting here, over all its sessions: counters, and who is over them is told so.
//
// Invariants
//   G1. What is taken is given back when it is served, read or dropped, and nothing twice.
//   G2. A peer has OWN_BYTES for itself whatever others do; what it has beyond, all of them share.

import {
  CALLS_PENDING_MAX,
  OWN_BYTES,
  REQUEST_BYTES_MAX,
  SHARED_BYTES_MAX,
  UNREAD_BYTES_MAX
} from './limits.ts'

/** What peers may have waiting beyond their own, all of them together. */
export class SharedBytes {
  #taken = 0

  take(bytes: number): boolean {
    if (this.#taken + bytes > SHARED_BYTES_MAX) return false
    this.#taken += bytes
    return true
  }

  give(bytes: number): void {
    this.#taken -= bytes
  }
}

export class PeerBudget {
  readonly #shared: SharedBytes
  #calls = 0
  #requestBytes = 0
  #unreadBytes = 0

  constructor(shared: SharedBytes = new SharedBytes()) {
    this.#shared = shared
  }

  /** Takes room for a call of this size, if there is any. */
  takeCall(bytes: number): boolean {
    const hasRoom =
      this.#calls < CALLS_PENDING_MAX &&
      this.#requestBytes + bytes <= REQUEST_BYTES_MAX &&
      this.#shared.take(this.#beyondOwn(bytes))
    if (!hasRoom) return false
    this.#calls += 1
    this.#requestBytes += bytes
    return true
  }

  giveCall(bytes: number): void {
    this.#calls -= 1
    this.#requestBytes -= bytes
    this.#shared.give(this.#beyondOwn(bytes))
  }

  /** Takes room for bytes of channels that nobody has read yet. */
  takeUnread(bytes: number): boolean {
    if (this.#unreadBytes + bytes > UNREAD_BYTES_MAX) return false
    if (!this.#shared.take(this.#beyondOwn(bytes))) return false
    this.#unreadBytes += bytes
    return true
  }

  giveUnread(bytes: number): void {
    this.#unreadBytes -= bytes
    this.#shared.give(this.#beyondOwn(bytes))
  }

  /** Nothing of the peer waits here. */
  get isEmpty(): boolean {
    return this.#calls === 0 && this.#requestBytes === 0 && this.#unreadBytes === 0
  }

  /** Of `more` bytes beside those that wait now, those that are not its own (G2). */
  #beyondOwn(more: number): number {
    const waiting = this.#requestBytes + this.#unreadBytes
    return Math.max(0, waiting + more - OWN_BYTES) - Math.max(0, waiting - OWN_BYTES)
  }
}
