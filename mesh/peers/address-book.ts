// Where members may be found: learned from invites, hellos, documents and our own successes, and
// remembered across restarts. Hints only: the handshake proves who answers.
//
// Invariants
//   E1. What a peer says of itself takes the place of what was known, but for the address where we got
//       through last, the configured ones, and the STALE_ADDRESSES_MAX known before: what it said last may
//       reach us before what it said earlier, and a machine without a network says nothing of use.
//   E2. Hints from the LAN, which anybody can forge, are few, never stored, and crowd out nothing.

import { encodeCbor, nodeId, unixMillis } from '../../core/index.ts'
import type { KeyValueStore, NodeId, UnixMillis } from '../../core/index.ts'
import { ADDRESSES_PER_PEER_MAX } from '../limits.ts'
import { readAddressList } from '../membership/joiner.ts'
import { HINTS_PER_PEER_MAX, STALE_ADDRESSES_MAX } from '../paths/limits.ts'
import { pathKind } from '../paths/path.ts'
import { readStored } from '../stored.ts'

const PREFIX = 'mesh/peer/'

export interface PeerMemory {
  /** Best first: where we last got through, then what was learned last. */
  readonly addresses: readonly string[]
  readonly lastSeen: UnixMillis | null
  /** Its last word was that it goes. */
  readonly hasLeft: boolean
}

const NOTHING: PeerMemory = { addresses: [], lastSeen: null, hasLeft: false }

export class AddressBook {
  readonly #store: KeyValueStore
  readonly #peers = new Map<NodeId, PeerMemory>()
  readonly #hints = new Map<NodeId, readonly string[]>()
  readonly #fixed: ReadonlyMap<string, readonly string[]>

  /** `fixed` are addresses from the configuration, by node id: always kept, never stored. */
  constructor(store: KeyValueStore, fixed: ReadonlyMap<string, readonly string[]>) {
    this.#store = store
    this.#fixed = fixed
  }

  async load(): Promise<void> {
    for (const [key, bytes] of await this.#store.list(PREFIX)) {
      const peer = nodeId(key.slice(PREFIX.length))
      this.#peers.set(peer, decodeMemory(bytes))
    }
  }

  of(peer: NodeId): PeerMemory {
    const memory = this.#peers.get(peer) ?? NOTHING
    const fixed = this.#fixed.get(peer) ?? []
    const hints = this.#hints.get(peer) ?? []
    return { ...memory, addresses: [...new Set([...memory.addresses, ...fixed, ...hints])] }
  }

  /** For a new member: node id -> addresses. */
  all(): { readonly [node: string]: readonly string[] } {
    return Object.fromEntries([...this.#peers].map(([peer, { addresses }]) => [peer, addresses]))
  }

  /** @returns whether any of `addresses` was new */
  learn(peer: NodeId, addresses: readonly string[]): boolean {
    const memory = this.#peers.get(peer) ?? NOTHING
    const bare = addresses.map(withoutPeer)
    const isNew = bare.some((each) => !memory.addresses.includes(each))
    // What a peer says now outranks what it said before; the best known one stays first.
    const [best, ...others] = memory.addresses
    const all = [...(best === undefined ? [] : [best]), ...bare, ...others]
    if (isNew) this.#set(peer, { ...memory, addresses: all })
    return isNew
  }

  /** The peer's own word: all its addresses now (E1). @returns whether any of them was new */
  stated(peer: NodeId, addresses: readonly string[]): boolean {
    const memory = this.#peers.get(peer) ?? NOTHING
    const bare = addresses.map(withoutPeer)
    const isNew = bare.some((each) => !memory.addresses.includes(each))
    const [best, ...others] = memory.addresses
    const stale = others.filter((each) => !bare.includes(each))
    if (bare.length === 0 || (!isNew && stale.length <= STALE_ADDRESSES_MAX)) return false
    const kept = [...bare, ...stale.slice(0, STALE_ADDRESSES_MAX)]
    this.#set(peer, { ...memory, addresses: [...(best === undefined ? [] : [best]), ...kept] })
    return isNew
  }

  /** Somebody on the LAN says so (E2). @returns whether any of `addresses` was new */
  hinted(peer: NodeId, addresses: readonly string[]): boolean {
    const known = this.of(peer).addresses
    const fresh = addresses.map(withoutPeer).filter((each) => !known.includes(each))
    if (fresh.length === 0) return false
    const kept = [...new Set([...fresh, ...(this.#hints.get(peer) ?? [])])]
    this.#hints.set(peer, kept.slice(0, HINTS_PER_PEER_MAX))
    return true
  }

  /** We got through at `address`: it is tried first from now on. */
  reached(peer: NodeId, address: string): void {
    if (pathKind(address) === 'relay') return // Made from who is connected, each time.
    const memory = this.#peers.get(peer) ?? NOTHING
    this.#set(peer, { ...memory, addresses: [withoutPeer(address), ...memory.addresses] })
  }

  seen(peer: NodeId, wall: UnixMillis): void {
    this.#set(peer, { ...(this.#peers.get(peer) ?? NOTHING), lastSeen: wall })
  }

  /** Whether it has said that it goes, and nothing since. @returns whether that is new */
  left(peer: NodeId, hasLeft: boolean): boolean {
    const memory = this.#peers.get(peer) ?? NOTHING
    if (memory.hasLeft === hasLeft) return false
    this.#set(peer, { ...memory, hasLeft })
    return true
  }

  /** Forgets whom `isKept` does not know (any more), on disk too. */
  async retain(isKept: (peer: NodeId) => boolean): Promise<void> {
    const gone = [...this.#peers.keys()].filter((peer) => !isKept(peer))
    for (const peer of gone) {
      this.#peers.delete(peer)
      this.#hints.delete(peer)
    }
    if (gone.length === 0) return
    await this.#store.write(gone.map((peer) => ({ key: PREFIX + peer, value: null })))
  }

  /** Writes what is known of `peers`. Durable once resolved. */
  async save(peers: readonly NodeId[]): Promise<void> {
    await this.#store.write(
      peers.map((peer) => {
        const memory = this.#peers.get(peer) // Forgotten meanwhile: it stays so.
        const value = memory === undefined ? null : encodeCbor({ v: 1, ...memory })
        return { key: PREFIX + peer, value }
      })
    )
  }

  #set(peer: NodeId, memory: PeerMemory): void {
    const addresses = [...new Set(memory.addresses)].slice(0, ADDRESSES_PER_PEER_MAX)
    this.#peers.set(peer, { ...memory, addresses })
  }
}

/** `/ip4/10.0.0.7/tcp/4001/p2p/12D3...` without its last two parts. */
export function withoutPeer(address: string): string {
  return address.replace(/\/p2p\/[^/]+$/, '')
}

/** Configured multiaddrs by the node id at their end; one without is of no use. */
export function addressesByNode(
  multiaddrs: readonly string[]
): ReadonlyMap<string, readonly string[]> {
  const usable = multiaddrs.filter((each) => /\/p2p\/[^/]+$/.test(each))
  const groups = Map.groupBy(usable, (each) => each.slice(each.lastIndexOf('/') + 1))
  return new Map([...groups].map(([id, list]) => [id, list.map(withoutPeer)]))
}

/** Bytes that are damaged, or of another version, are forgotten: it is only a memory. */
function decodeMemory(bytes: Uint8Array): PeerMemory {
  try {
    const { addresses, lastSeen, hasLeft } = readStored(bytes, 'addresses')
    const seen = typeof lastSeen === 'number' ? unixMillis(lastSeen) : null
    return { addresses: readAddressList(addresses), lastSeen: seen, hasLeft: hasLeft === true }
  } catch {
    return NOTHING
  }
}
