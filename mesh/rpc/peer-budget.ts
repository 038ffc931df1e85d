// What one peer may have waiting here, over all its sessions: counters, and who is over them is told so.
//
// Invariant G1: what is taken is given back when it is served, read or dropped, and nothing twice.

import { CALLS_PENDING_MAX, REQUEST_BYTES_MAX, UNREAD_BYTES_MAX } from './limits.ts'

export class PeerBudget {
  #calls = 0
  #requestBytes = 0
  #unreadBytes = 0

  /** Takes room for a call of this size, if there is any. */
  takeCall(bytes: number): boolean {
    const hasRoom =
      this.#calls < CALLS_PENDING_MAX && this.#requestBytes + bytes <= REQUEST_BYTES_MAX
    if (!hasRoom) return false
    this.#calls += 1
    this.#requestBytes += bytes
    return true
  }

  giveCall(bytes: number): void {
    this.#calls -= 1
    this.#requestBytes -= bytes
  }

  /** Takes room for bytes of channels that nobody has read yet. */
  takeUnread(bytes: number): boolean {
    if (this.#unreadBytes + bytes > UNREAD_BYTES_MAX) return false
    this.#unreadBytes += bytes
    return true
  }

  giveUnread(bytes: number): void {
    this.#unreadBytes -= bytes
  }

  /** Nothing of the peer waits here. */
  get isEmpty(): boolean {
    return this.#calls === 0 && this.#requestBytes === 0 && this.#unreadBytes === 0
  }
}
