// How nodes are connected, for people who ask.

import { WeaverError } from '../../core/index.ts'
import type { NodeId } from '../../core/index.ts'
import { pathOf } from '../../mesh/index.ts'
import type { Mesh, NetcheckReport, PeerView } from '../../mesh/index.ts'
import type { Netcheck, PathPing, Peer } from '../api/index.ts'
import type { Rooms } from '../rooms.ts'

type PathView = Pick<Peer, 'connection' | 'path' | 'relay'>

export function pathView(mesh: Mesh, peer: PeerView | null): PathView {
  if (peer?.connection == null) return { connection: null, path: null, relay: null }
  const { kind, isDirect, relay } = pathOf(peer.connection)
  return {
    connection: isDirect ? 'direct' : 'relayed',
    path: kind,
    relay: relay === null ? null : mesh.nameOf(relay)
  }
}

/** @throws WeaverError `NODE_IS_SELF`, `MESH_PEER_UNREACHABLE`, `MESH_CALL_TIMED_OUT` */
export async function pingNode(
  { mesh, self }: Rooms,
  node: NodeId,
  signal: AbortSignal
): Promise<PathPing> {
  if (node === self) {
    throw new WeaverError('NODE_IS_SELF', 'Cannot ping this node itself: name another one', {
      detail: { hint: 'weaver mesh peers shows all members' }
    })
  }
  const { rttMs, isDirect, kind, address, relay } = await mesh.paths.ping(node, signal)
  return {
    node: mesh.nameOf(node),
    nodeId: node,
    rttMs,
    connection: isDirect ? 'direct' : 'relayed',
    path: kind,
    address,
    relay: relay === null ? null : mesh.nameOf(relay)
  }
}

export async function netcheck({ mesh, network }: Rooms, signal: AbortSignal): Promise<Netcheck> {
  const report = await mesh.paths.netcheck(signal)
  const { survey, relays, direct, relayed } = report
  return {
    ipv6: survey?.ipv6 ?? [],
    multicast: survey?.multicast ?? false,
    upnp: survey?.upnp ?? false,
    mapped: survey?.mapped ?? [],
    relays: relays.map(({ nodeId, rttMs }) => ({ node: mesh.nameOf(nodeId), nodeId, rttMs })),
    direct,
    relayed,
    listen: network.addresses(),
    advice: adviceFor(report, network.addresses())
  }
}

function adviceFor(report: NetcheckReport, listen: readonly string[]): readonly string[] {
  const { survey, relays, direct, relayed } = report
  const advice: string[] = []
  if (listen.every((address) => /^\/ip(4\/127\.|6\/::1\/)/.test(address))) {
    advice.push(
      'Other machines cannot dial this node: it listens on loopback only; start it with ' +
        '--listen /ip4/0.0.0.0/tcp/0'
    )
  }
  if (survey?.platform === 'darwin' && survey.lanRefusals > 0) {
    advice.push(
      'macOS refuses connections on the LAN: allow it in System Settings > Privacy & Security > ' +
        'Local Network for the terminal or for node'
    )
  }
  if (survey?.multicast === false) {
    advice.push(
      'Multicast does not work here, so members on the LAN are not found by themselves: let UDP port ' +
        '5353 pass the firewall, or put their addresses under peers in config.json'
    )
  }
  if (survey?.mappingProblem != null) {
    advice.push(
      `The router has not opened a port: ${survey.mappingProblem}; forward the listen port there by hand`
    )
  }
  if (relayed > 0 && survey?.ipv6.length === 0) {
    advice.push('No IPv6 here: with it on both sides, relayed members can connect directly')
  }
  if (direct + relayed > 0 && relays.length === 0) {
    advice.push('No member relays for this node: connect one that both sides can dial')
  }
  return advice
}
