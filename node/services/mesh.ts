import { millis } from '../../core/index.ts'
import type { NodeId } from '../../core/index.ts'
import { nodeIdText } from '../../mesh/index.ts'
import type { PeerView } from '../../mesh/index.ts'
import type { MeshStatus, NodeView, Peer } from '../api/index.ts'
import { netcheck, pathView, pingNode } from './paths.ts'
import { gpuView } from '../node-info.ts'
import { resolveNode } from '../resolve.ts'
import type { Rooms } from '../rooms.ts'
import type { KernelService } from '../service.ts'

type MeshOperations = Pick<
  KernelService,
  'invite' | 'join' | 'meshStatus' | 'peers' | 'node' | 'pingNode' | 'netcheck'
>

export function meshOperations(rooms: Rooms): MeshOperations {
  const { mesh, gate } = rooms
  const owner = { kind: 'owner' } as const
  return {
    invite: async ({ ttlMs, uses, role }) => {
      await gate.authorize({
        principal: owner,
        action: 'mesh.invite',
        resource: `mesh:${mesh.meshId() ?? 'none'}`,
        context: { ttlMs, uses, role }
      })
      const invite = await mesh.invite({ ttlMs: millis(ttlMs), uses, role })
      return { invite: invite.line, expiresAt: invite.expiresAt, uses: invite.uses }
    },
    join: async (invite, signal) => {
      await authorizeJoin(rooms)
      await mesh.join(invite, signal)
      return meshStatus(rooms)
    },
    meshStatus: () => meshStatus(rooms),
    pingNode: (text, signal) => pingNode(rooms, resolveNode(mesh, text), signal),
    netcheck: (signal) => netcheck(rooms, signal),
    peers: () => mesh.peers().map((peer) => peerView(rooms, peer)),
    node: (text) => nodeView(rooms, text === null ? rooms.self : resolveNode(mesh, text))
  }
}

/** Asked before every join, by the API and at kernel start. */
export async function authorizeJoin({ gate, self }: Pick<Rooms, 'gate' | 'self'>): Promise<void> {
  await gate.authorize({
    principal: { kind: 'owner' },
    action: 'mesh.join',
    resource: `node:${self}`,
    context: {}
  })
}

export function meshStatus({ mesh, network }: Pick<Rooms, 'mesh' | 'network'>): MeshStatus {
  const { meshId, members, connected, refused } = mesh.status()
  return {
    id: meshId,
    members,
    connected,
    refused,
    nodeId: mesh.nodeId,
    nodeIdText: nodeIdText(mesh.nodeId),
    signatures: mesh.acts.signatures(),
    healthScore: mesh.healthScore(),
    name: mesh.name,
    listen: network.addresses()
  }
}

function peerView({ directory, mesh }: Rooms, peer: PeerView): Peer {
  const info = directory.infoOf(peer.nodeId)
  return {
    nodeId: peer.nodeId,
    nodeIdText: nodeIdText(peer.nodeId),
    name: peer.name,
    state: peer.state,
    rttMs: peer.rttMs,
    role: peer.role,
    addresses: peer.addresses,
    gpus: (info?.gpus ?? []).map(gpuView),
    labels: info?.labels ?? {},
    lastSeen: peer.lastSeen,
    ...pathView(mesh, peer)
  }
}

function nodeView(rooms: Rooms, node: NodeId): NodeView {
  const { mesh, directory, pulses, table } = rooms
  const peer = mesh.peers().find((other) => other.nodeId === node)
  const info = directory.infoOf(node)
  const pulse = pulses.of(node)
  const running = table.of(node).filter((row) => row.state === 'running')
  return {
    nodeId: node,
    nodeIdText: nodeIdText(node),
    name: mesh.nameOf(node),
    state: peer?.state ?? 'self',
    rttMs: peer?.rttMs ?? null,
    role: peer?.role ?? 'member',
    addresses: peer?.addresses ?? [],
    gpus: (info?.gpus ?? []).map(gpuView),
    labels: info?.labels ?? {},
    lastSeen: peer?.lastSeen ?? null,
    ...pathView(mesh, peer ?? null),
    version: info?.version ?? null,
    resources:
      info === null
        ? null
        : { cpus: info.cpus, memoryBytes: info.memoryBytes, gpus: info.gpus.map(gpuView) },
    processes: running.length,
    cpuPercent: pulse === null ? null : Math.round(pulse.cpuLoad * 1000) / 10,
    memoryBytesFree: pulse?.memoryFreeBytes ?? null
  }
}
