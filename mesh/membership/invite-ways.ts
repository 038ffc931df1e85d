// The ways to an inviter that an invite names: its own addresses, and members through which a joiner can
// reach it where it cannot be dialled (behind a NAT, say). Pure.

import { nodeId } from '../../core/index.ts'
import type { NodeId } from '../../core/index.ts'
import { INVITE_ADDRESSES_MAX, INVITE_RELAY_ADDRESSES_MAX, INVITE_RELAYS_MAX } from '../limits.ts'
import { isLoopback, pathKind, relayOf } from '../paths/path.ts'
import type { Connection } from '../ports.ts'

const CIRCUIT_END = '/p2p-circuit'

/** A member that may let joiners through, and where it can be dialled, the likeliest first. */
export interface Gateway {
  readonly nodeId: NodeId
  readonly addresses: readonly string[]
}

/**
 * Members to ask: those with an address that may mean something elsewhere, first those that this node
 * has dialled itself, for an address that works from behind our NAT works from outside too.
 */
export function gatewaysAmong(
  connections: readonly Connection[],
  addressesOf: (peer: NodeId) => readonly string[]
): readonly Gateway[] {
  const direct = connections.filter(({ remoteAddress }) => pathKind(remoteAddress) !== 'relay')
  const found = direct.flatMap(({ peer, direction, remoteAddress }) => {
    const dialled = direction === 'outbound' ? [remoteAddress.replace(/\/p2p\/[^/]+$/, '')] : []
    const stated = addressesOf(peer).toSorted((a, b) => reach(a) - reach(b))
    const usable = [...new Set([...dialled, ...stated])].filter(isForOthers)
    const [best] = usable
    if (best === undefined) return []
    const addresses = usable.slice(0, INVITE_RELAY_ADDRESSES_MAX)
    return [{ nodeId: peer, addresses, rank: 2 * reach(best) + (dialled.length > 0 ? 0 : 1) }]
  })
  const ranked = found.toSorted((a, b) => a.rank - b.rank || (a.nodeId < b.nodeId ? -1 : 1))
  return ranked.slice(0, INVITE_RELAYS_MAX).map(({ nodeId: relay, addresses }) => ({
    nodeId: relay,
    addresses
  }))
}

/** What an invite says: each gateway once before any twice, and own addresses in the room that is left. */
export function inviteAddresses(
  own: readonly string[],
  gateways: readonly Gateway[]
): readonly string[] {
  const circuits = Array.from({ length: INVITE_RELAY_ADDRESSES_MAX }, (_, at) =>
    gateways.flatMap(({ nodeId: relay, addresses }) => {
      const address = addresses[at]
      return address === undefined ? [] : [`${address}/p2p/${relay}${CIRCUIT_END}`]
    })
  ).flat()
  const room = INVITE_ADDRESSES_MAX - Math.min(circuits.length, INVITE_ADDRESSES_MAX / 2)
  const direct = own.slice(0, room)
  return [...direct, ...circuits.slice(0, INVITE_ADDRESSES_MAX - direct.length)]
}

/** What an invite's addresses mean: where to dial the inviter itself, and through whom. */
export function waysIn(addresses: readonly string[]): {
  readonly direct: readonly string[]
  readonly gateways: readonly Gateway[]
} {
  const direct = addresses.filter((each) => !each.endsWith(CIRCUIT_END))
  const through = new Map<NodeId, string[]>()
  for (const address of addresses) {
    const relay = address.endsWith(CIRCUIT_END) ? nodeIdOrNull(relayOf(address)) : null
    if (relay === null) continue
    const dialled = address.slice(0, -`/p2p/${relay}${CIRCUIT_END}`.length)
    through.set(relay, [...(through.get(relay) ?? []), dialled])
  }
  const gateways = [...through].map(([relay, list]) => ({ nodeId: relay, addresses: list }))
  return { direct, gateways: gateways.slice(0, INVITE_RELAYS_MAX) }
}

/** The farther an address means the same machine, the lower. */
function reach(address: string): number {
  return ['public', 'overlay', 'lan'].indexOf(pathKind(address))
}

function isForOthers(address: string): boolean {
  return !isLoopback(address) && !/^\/ip6\/fe[89ab]|^\/ip4\/169\.254\./i.test(address)
}

function nodeIdOrNull(text: string | null): NodeId | null {
  try {
    return text === null ? null : nodeId(text)
  } catch {
    return null // The line was made by somebody else's program.
  }
}
