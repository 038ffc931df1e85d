// libp2p's peers as ours, and the question whether one may open a protocol.

import type { PeerId } from '@libp2p/interface'
import { nodeId } from '../core/index.ts'
import type { NodeId } from '../core/index.ts'
import type { ConnectionAcceptor } from './ports.ts'

export function mayUse(acceptor: ConnectionAcceptor, remote: PeerId, protocol: string): boolean {
  const peer = nodeIdOrNull(remote)
  return peer !== null && acceptor.admitsStream(peer, protocol)
}

export function nodeIdOrNull(peer: PeerId): NodeId | null {
  try {
    return nodeId(peer.toString())
  } catch {
    return null // A key of another kind than Ed25519: never one of ours.
  }
}
