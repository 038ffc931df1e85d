// Members that have had other keys before: what became of those, and what is theirs still.

import type { NodeId } from '../../core/index.ts'
import type { AddressBook } from '../peers/address-book.ts'
import type { Roster } from './roster.ts'

export class Heirs {
  readonly #roster: Roster

  constructor(roster: Roster) {
    this.#roster = roster
  }

  /** Whether `id` is a member, or an older key of one: then its lane is still that of a member. */
  ownsLane(id: NodeId): id is NodeId {
    return this.#roster.isMember(this.of(id) ?? id)
  }

  /** The key that stands for `id` now, or null where it never handed over. */
  of(id: NodeId): NodeId | null {
    return this.#roster.heirOf(id)
  }

  /** The key whose place `id` took, and both keys' word for it; null for a node that was admitted itself. */
  before(id: NodeId): { readonly node: NodeId; readonly rotation: Uint8Array } | null {
    return this.#roster.predecessorOf(id)
  }

  /** A new key listens where the old one did, until it says otherwise. */
  follow(book: AddressBook): void {
    for (const { nodeId: old } of this.#roster.membership?.departed.values() ?? []) {
      const heir = this.of(old)
      const { addresses } = book.of(old)
      const isNews = heir !== null && addresses.length > 0 && book.of(heir).addresses.length === 0
      if (isNews) book.learn(heir, addresses)
    }
  }
}
