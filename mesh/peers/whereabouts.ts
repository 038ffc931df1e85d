// Where members may be found, as the mesh learns and tells it: its own addresses in its document, others'
// from hellos, documents and invites into the address book.

import { nodeId as checkedNodeId } from '../../core/index.ts'
import type { Cbor, Clock, NodeId } from '../../core/index.ts'
import type { Documents } from '../documents/documents.ts'
import { ADDRESSES_PER_PEER_MAX, TABLE_DELAY_MS } from '../limits.ts'
import { readAddressList } from '../membership/joiner.ts'
import type { Network } from '../ports.ts'
import type { Tasks } from '../tasks.ts'
import { withoutPeer } from './address-book.ts'
import type { AddressBook } from './address-book.ts'

/** The row in each node's document that says where it listens. */
const ADDRESS_SECTION = 'mesh'
const ADDRESS_KEY = 'addresses'

export interface WhereaboutsDeps {
  readonly clock: Clock
  readonly network: Pick<Network, 'self' | 'addresses' | 'paths'>
  readonly book: AddressBook
  readonly documents: Documents
  readonly tasks: Tasks
  /** An address was learned. */
  readonly onLearned: () => void
}

export class Whereabouts {
  readonly #deps: WhereaboutsDeps

  constructor(deps: WhereaboutsDeps) {
    this.#deps = deps
  }

  /** Where this node listens. */
  own(): readonly string[] {
    // The network lists first what others can use: a list that is cut loses loopback.
    return this.#deps.network.addresses().map(withoutPeer).slice(0, ADDRESSES_PER_PEER_MAX)
  }

  /** For a new member: node id -> addresses. */
  known(): Cbor {
    return { ...this.#deps.book.all(), [this.#deps.network.self]: this.own() }
  }

  publish(): void {
    this.#deps.documents.put(ADDRESS_SECTION, ADDRESS_KEY, [...this.own()])
  }

  /** The document of `peer` has changed: its own word, a hint of life. @returns whether it has moved */
  read(peer: NodeId): boolean {
    const row = this.#deps.documents.get(peer, ADDRESS_SECTION, ADDRESS_KEY)
    return this.learn(peer, readAddressList(row))
  }

  /** `peer` says so in its hello. */
  met(peer: NodeId, addresses: readonly string[]): void {
    const { network, clock, tasks } = this.#deps
    this.learn(peer, addresses)
    const { paths } = network
    if (paths === undefined) return
    tasks.run('table', async (signal) => {
      await clock.sleep(TABLE_DELAY_MS, signal)
      paths.met(peer, addresses)
    })
  }

  /** `peer` itself says so. @returns whether any of `addresses` was new */
  learn(peer: NodeId, addresses: readonly string[]): boolean {
    const { network, book, tasks, onLearned } = this.#deps
    if (peer === network.self || !book.stated(peer, addresses)) return false
    onLearned()
    tasks.run('save address', () => book.save([peer]))
    return true
  }

  /** What an invite and an inviter say. Durable once resolved. */
  async remember(known: readonly ReadonlyMap<string, readonly string[]>[]): Promise<void> {
    const { network, book } = this.#deps
    const peers = new Set<NodeId>()
    for (const [id, addresses] of known.flatMap((each) => [...each])) {
      if (id === network.self || addresses.length === 0 || !isNodeId(id)) continue
      book.learn(id, addresses)
      peers.add(id)
    }
    await book.save([...peers])
  }
}

function isNodeId(text: string): text is NodeId {
  try {
    return checkedNodeId(text) === text
  } catch {
    return false // An inviter's answer may contain anything.
  }
}
