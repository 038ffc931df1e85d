// The gater's answers: whom this node shakes hands with, and what each may open (X1 of mesh.ts).

import type { NodeId } from '../core/index.ts'
import type { Door } from './membership/door.ts'
import type { Entrance } from './membership/entrance.ts'
import type { Gatehouse } from './membership/gatehouse.ts'
import { JOIN_PROTOCOL } from './membership/join-messages.ts'
import { KNOCK_PROTOCOL } from './membership/knock.ts'
import type { Links } from './peers/links.ts'
import type { ConnectionAcceptor } from './ports.ts'

export interface GaterDeps {
  readonly self: NodeId
  readonly isRunning: () => boolean
  /** Whether it is a member whom we talk to. */
  readonly isPeer: (peer: NodeId) => boolean
  readonly door: Pick<Door, 'isOpen'>
  readonly gatehouse: Pick<Gatehouse, 'isOpen'>
  readonly entrance: Pick<Entrance, 'targets'>
  readonly links: Pick<Links, 'hasRoomForStranger' | 'connected'>
  readonly found: (peer: NodeId, addresses: readonly string[]) => void
}

export function gaterOf(deps: GaterDeps): ConnectionAcceptor {
  const { self, isRunning, isPeer, door, gatehouse, entrance, links, found } = deps
  const isOpen = (): boolean => door.isOpen() || gatehouse.isOpen()
  return {
    admits: (peer, direction) => {
      if (!isRunning() || peer === self) return false
      if (isPeer(peer)) return true
      if (direction === 'outbound') return entrance.targets.has(peer)
      return isOpen() && links.hasRoomForStranger()
    },
    admitsStream: (peer, protocol) => {
      if (isPeer(peer)) return true // Unknown protocols are refused by the network itself.
      if (protocol === KNOCK_PROTOCOL) return gatehouse.isOpen()
      return protocol === JOIN_PROTOCOL && door.isOpen()
    },
    connected: (connection) => links.connected(connection),
    found
  }
}
