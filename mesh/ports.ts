// What the mesh needs from outside. The real network is libp2p-host.ts; the simulator has its own.

import type { BlobId, Cbor, NodeId, WeaverError } from '../core/index.ts'

/** Who began a connection: `inbound` is one that the peer dialled. */
export type Direction = 'inbound' | 'outbound'

/** Whom to dial, and where. Addresses are multiaddrs, with or without the trailing `/p2p/<nodeId>`. */
export interface DialTarget {
  readonly nodeId: NodeId
  readonly addresses: readonly string[]
}

/**
 * Encrypted, authenticated connections between nodes. `peer` of every connection is proven by the
 * handshake, never claimed. Nothing dials, retries or remembers by itself: that is the caller's work.
 */
export interface Network {
  readonly self: NodeId

  /**
   * Listens, and answers until `stop`. To be called once.
   * @throws WeaverError `MESH_LISTEN_FAILED`, naming the address that could not be had
   */
  start(acceptor: ConnectionAcceptor): Promise<void>

  /** Concrete multiaddrs that others may dial, each with `/p2p/<self>`. Empty unless started. */
  addresses(): readonly string[]

  /**
   * Adds protocols to those that this node answers, from this call on and before `start` too. A peer
   * that opens any other protocol is refused, whatever the acceptor says.
   */
  handle(protocols: readonly string[]): void

  /** Takes protocols back. Streams that are open stay open. */
  unhandle(protocols: readonly string[]): void

  /**
   * Makes a new connection, also where one to this peer is open. The acceptor is asked, and told of it
   * by `connected`, before the promise resolves.
   * @throws WeaverError `MESH_DIAL_FAILED` (retry later): no address answered, or another node did, or
   *   either side's acceptor refused; `MESH_DIAL_ABORTED` when `signal` aborted
   */
  dial(target: DialTarget, signal: AbortSignal): Promise<Connection>

  /** Closes the listeners and all connections. Idempotent. */
  stop(): Promise<void>

  /** What a real network can do besides; a simulated one, where all paths are alike, leaves it out. */
  readonly paths?: NetworkPaths
}

/** Ways to a peer other than an address that is known. None of these throws, but for `reserve`. */
export interface NetworkPaths {
  /**
   * Looks, cheaply, at the machine's interfaces and at the host itself; to be called about once a second.
   * Restarts the host where that is the remedy: its connections then close like any others.
   * @returns whether the addresses of this machine have changed since the last call
   */
  refresh(): boolean

  /**
   * Makes this node known on the LAN under `tag`, and reports others there by `found`; null ends it.
   * The newest call counts.
   */
  announce(tag: string | null): void

  /** A member may be somewhere else on the LAN now: looks for it more often for a while. Cheap to call. */
  seek(): void
  /** Nobody is missing: no need for that any more. To be told again and again. */
  settle(): void

  /**
   * Asks the peer of `connection` to relay connections to this node for the next hour. Ends early with
   * the connection. Not retried.
   * @throws WeaverError `MESH_RELAY_FAILED` (retry later)
   */
  reserve(connection: Connection, signal: AbortSignal): Promise<void>

  /** Takes part in the members' hash table under `protocol` from now on; null ends it. */
  joinTable(protocol: string | null): void

  /** `peer`, a connected member that may take part too, says that it listens at `addresses`. */
  met(peer: NodeId, addresses: readonly string[]): void

  /**
   * Asks connected members where `peer` is: hints, as the table has them.
   * @throws WeaverError `MESH_ROUTING_UNAVAILABLE` (retry later): no member has been met yet
   */
  find(peer: NodeId, signal: AbortSignal): Promise<readonly string[]>

  /** Provider records in the same table. */
  readonly routing: ContentRouting

  /** What this machine and its LAN allow, within NETCHECK_TIMEOUT_MS. */
  survey(signal: AbortSignal): Promise<NetworkSurvey>
}

/** Who has what: provider records in the mesh's own hash table. Members only; hints, which may be stale. */
export interface ContentRouting {
  /**
   * Tells the members nearest to `key` that this node has what it names. Kept in their memory for a day or
   * so: to be repeated. Resolves when those that could be reached have it, none of them too.
   * @throws WeaverError `MESH_ROUTING_UNAVAILABLE` (retry later) where the network is not running
   */
  provide(key: Uint8Array, signal: AbortSignal): Promise<void>

  /** What `key` names is not here any more: it is not said again, and who was told of it forgets it in time. */
  withdraw(key: Uint8Array): Promise<void>

  /**
   * Members that say they have it, each once, the first known first; ends when all who were asked have
   * answered. `key` is the digest of the content, 16 to 64 bytes. Leaving the loop ends the search.
   * @throws WeaverError `MESH_ROUTING_UNAVAILABLE` (retry later)
   */
  providers(key: Uint8Array, signal: AbortSignal): AsyncIterable<NodeId>
}

export interface NetworkSurvey {
  /** Addresses of this machine that could be dialled over IPv6 from elsewhere. */
  readonly ipv6: readonly string[]
  /** Whether our own multicast comes back to us; null where it was not asked. */
  readonly multicast: boolean | null
  /** Whether a router offers to open ports (UPnP). */
  readonly upnp: boolean
  /** This node's ports that the router has opened, as addresses; and why not, where it was asked in vain. */
  readonly mapped: readonly string[]
  readonly mappingProblem: string | null
  /** Dials on the LAN that the system itself refused: macOS does so without its permission. */
  readonly lanRefusals: number
  readonly platform: string
}

/** What the mesh answers when the network asks. None of these may throw, and all are synchronous. */
export interface ConnectionAcceptor {
  /** Asked right after the handshake, for both directions, before any byte reaches anybody. */
  admits(peer: NodeId, direction: Direction): boolean

  /**
   * Whether `peer` may open `protocol` here. Asked for each incoming stream before its first byte is
   * delivered; a stranger may open the join protocol alone, and only while an invite is open.
   */
  admitsStream(peer: NodeId, protocol: string): boolean

  /**
   * A connection is up, either direction. `onStream` is to be called before this returns: a stream
   * that arrives where nobody listens is aborted.
   */
  connected(connection: Connection): void

  /** Somebody on the LAN claims that `peer` listens at `addresses`: a hint, which anybody can forge. */
  found?(peer: NodeId, addresses: readonly string[]): void
}

/** One connection to one peer. There may be several to the same peer at a time. */
export interface Connection {
  readonly peer: NodeId
  readonly direction: Direction
  /** The multiaddr at the other end, for people and for remembering; ends in `/p2p/<peer>`. */
  readonly remoteAddress: string

  /**
   * Opens a stream. Resolves when the peer has agreed to the protocol.
   * @throws WeaverError `MESH_STREAM_REFUSED`: the peer does not answer this protocol, or not for us;
   *   `MESH_CONNECTION_CLOSED` (retry later): the connection broke
   */
  openStream(protocol: string, signal: AbortSignal): Promise<ByteStream>

  /** The one listener for streams that the peer opens. A second call replaces the first. */
  onStream(listener: (protocol: string, stream: ByteStream) => void): void

  /** Ends every stream as by its `end()`, within a bounded time, then the connection. */
  close(): Promise<void>
  /** Cuts it now. Its streams fail. */
  abort(reason: WeaverError): void
  /** Resolves, never rejects, when the connection is gone for whatever reason. */
  readonly closed: Promise<void>
}

/**
 * A reliable, ordered, two-way sequence of bytes. Chunk borders mean nothing. Both sides hold a bounded
 * number of bytes: a writer waits for a reader that does not read.
 */
export interface ByteStream {
  /**
   * Sends bytes, and resolves when there is room for more, so await it before the next write. Calls
   * keep their order. `bytes` belong to the stream from here on: do not change them.
   * @throws WeaverError `MESH_STREAM_CLOSED`: ended, aborted, or the connection broke
   */
  write(bytes: Uint8Array): Promise<void>

  /**
   * What the peer writes, up to its `end()`. To be iterated once. Throws WeaverError
   * `MESH_STREAM_CLOSED` when the stream is cut before that. Leaving the loop early aborts the stream.
   */
  readonly chunks: AsyncIterable<Uint8Array>

  /** No more writes from this side; what was written still arrives. Idempotent, and never throws. */
  end(): Promise<void>

  /** Drops both directions now: the peer's reads and writes fail. Idempotent. */
  abort(reason: WeaverError): void
}

/** Where the mesh records what it does to its membership, before it does it. */
export interface MeshLedger {
  /**
   * Decides and records one act. Durable once resolved; the act follows only then. Retries nothing; calls
   * may overlap. Any rejection, `GOVERNANCE_DENIED` for one, means that the act does not happen. Kinds:
   * `mesh.created`, `mesh.joined`, `mesh.admitted`, `mesh.refused`.
   */
  record(kind: string, subject: string, payload: Cbor): Promise<void>
}

/** What the node tells every connected member once a second, and hears from each. */
export interface PulseSource {
  /** A small value (under 16 KiB): load, samples, lane heads. Never throws. */
  collect(): Cbor
  /** What `peer` collected. Not validated: it comes from a peer. Should not throw. */
  receive(peer: NodeId, value: unknown): void
}

/**
 * The folder that holds the blobs of one home. Names are flat, of `A-Z a-z 0-9 . _ -`.
 *
 * Nothing is retried. Calls may overlap; those on one file are the caller's to order. Failures are
 * `BlobDiskFullError` (`MESH_BLOB_DISK_FULL`: no room, quota) and `BlobDiskFailedError`
 * (`MESH_BLOB_DISK_FAILED`: the rest). None of the calls can be aborted.
 */
export interface BlobDisk {
  /** All file names, in any order. */
  list(): Promise<readonly string[]>
  /** Opens a file that is there, or resolves to null. May be called again while it is open. */
  open(name: string): Promise<BlobFile | null>
  /** Opens a file, made empty first if it was not there. Its name is durable once resolved. */
  create(name: string): Promise<BlobFile>
  /** Durable once resolved. A file that is not there is no failure. */
  remove(name: string): Promise<void>
  /** In one step, in place of any file called `to`. Durable once resolved. Open files stay open. */
  rename(from: string, to: string): Promise<void>
}

/** One open file. After a failed `sync` nothing is known about any write since the one before it. */
export interface BlobFile {
  size(): Promise<number>
  /** Fills `buffer` from `offset` on. Resolves to its part that was filled: less only where the file ends. */
  read(offset: number, buffer: Uint8Array): Promise<Uint8Array>
  /** Writes all of `bytes`, growing the file. Durable only after `sync`. Do not change them meanwhile. */
  write(offset: number, bytes: Uint8Array): Promise<void>
  sync(): Promise<void>
  /** Idempotent. Syncs nothing. */
  close(): Promise<void>
}

/** Whether a member gets the bytes of a blob. */
export interface BlobGate {
  /**
   * Decides and records, once for a whole fetch and before its first byte leaves. Durable once resolved; a
   * rejection, `GOVERNANCE_DENIED` for one, reaches the peer, which then gets nothing.
   */
  authorizeServe(peer: NodeId, id: BlobId): Promise<void>
}
