// Members, their paths and the membership in the control API.

import type { Gpu, Labels, Resources } from './basics.ts'

export interface MeshSummary {
  readonly id: string | null
  readonly members: number
  readonly connected: number
  /** Why the mesh refuses this node (a copied home, for one), or null. */
  readonly refused: string | null
}

export type Role = 'member' | 'admin'

export interface InviteRequest {
  readonly ttlMs: number
  readonly uses: number
  readonly role: Role
}

export interface Invite {
  readonly invite: string
  readonly expiresAt: number
  readonly uses: number
}

export interface MeshStatus extends MeshSummary {
  readonly nodeId: string
  /** The node id with its three check digits, as people should read and type it. */
  readonly nodeIdText: string
  /** How many admins must sign what changes the membership. */
  readonly signatures: number
  /** 0: this machine answers in time; higher: it is too busy, up to 8. */
  readonly healthScore: number
  readonly name: string
  readonly listen: readonly string[]
}

export type PeerState = 'self' | 'alive' | 'suspect' | 'dead' | 'left'

/** What became of a change of the membership. */
export interface MembershipAct {
  /** Null where nothing had to be said. */
  readonly statement: string | null
  /** False while signatures of other admins are missing. */
  readonly inForce: boolean
  readonly signers: readonly string[]
  readonly needed: number
  /** Members, by name, that have it on their disks, and those that get it when they are reachable. */
  readonly confirmed: readonly string[]
  readonly outstanding: readonly string[]
}

/** A change of the membership that waits for signatures. */
export interface PendingChange {
  readonly statement: string
  readonly what: string
  readonly signers: readonly string[]
  readonly needed: number
}

export interface Peer {
  readonly nodeId: string
  readonly nodeIdText: string
  readonly name: string
  readonly state: PeerState
  readonly rttMs: number | null
  readonly role: Role
  readonly addresses: readonly string[]
  readonly gpus: readonly Gpu[]
  readonly labels: Labels
  readonly lastSeen: number | null
  /** How it is connected now; null while it is not, and for this node itself. */
  readonly connection: 'direct' | 'relayed' | null
  readonly path: PathKind | null
  /** The name of the node that relays; null on a direct path. */
  readonly relay: string | null
}

/** Best first; `public` is IPv6, a mapped port or any other address of the Internet. */
export type PathKind = 'lan' | 'overlay' | 'public' | 'relay'

/** One round trip to a connected node. */
export interface PathPing {
  readonly node: string
  readonly nodeId: string
  readonly rttMs: number
  readonly connection: 'direct' | 'relayed'
  readonly path: PathKind
  readonly address: string
  readonly relay: string | null
}

/** What this network allows. */
export interface Netcheck {
  /** Addresses that could be dialled from anywhere over IPv6. */
  readonly ipv6: readonly string[]
  /** Whether multicast works here, which finds members on the LAN. */
  readonly multicast: boolean
  /** Whether a router offers to open ports. */
  readonly upnp: boolean
  /** Ports of this node that it has opened, as addresses. */
  readonly mapped: readonly string[]
  /** Members that relay for this node when it cannot be dialled. */
  readonly relays: readonly {
    readonly node: string
    readonly nodeId: string
    readonly rttMs: number | null
  }[]
  readonly direct: number
  readonly relayed: number
  readonly listen: readonly string[]
  /** What to do about the rest, each a sentence. */
  readonly advice: readonly string[]
}

/** One node as its peers see it. */
export interface NodeView extends Peer {
  readonly version: string | null
  readonly resources: Resources | null
  /** Processes that run there now. */
  readonly processes: number
  /** Share of the machine's cores in use, 0 to 100; null when nothing has been heard yet. */
  readonly cpuPercent: number | null
  readonly memoryBytesFree: number | null
}
