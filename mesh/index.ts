/**
 * The private network of one owner's machines: membership, connections, RPC, replicated rows.
 *
 * @module
 */

export { createMesh, Mesh } from './mesh.ts'
export type { IssuedInvite, MeshDeps, MeshOptions, MeshStatus } from './mesh.ts'
export { libp2pNetwork } from './libp2p-host.ts'
export type { Libp2pNetworkDeps, Libp2pNetworkOptions } from './libp2p-host.ts'
export { Blobs } from './blobs/blobs.ts'
export type { BlobsDeps, BlobsOptions, GetOptions, PutOptions, PutOutcome } from './blobs/blobs.ts'
export { BlobDiskFailedError, BlobDiskFullError } from './blobs/errors.ts'
export type { FetchProgress } from './blobs/fetch.ts'
export type { BlobRecord } from './blobs/shelf.ts'
export type { MeshErrorCode } from './errors.ts'
export type { ActOutcome, MembershipActs } from './membership/acts.ts'
export type { InviteTerms } from './membership/door.ts'
export type { JoinOutcome } from './membership/entrance.ts'
export type { Member, Pending } from './membership/fold.ts'
export { nodeIdText } from './membership/node-id-text.ts'
export type { Incarnation } from './membership/incarnation.ts'
export type { Role } from './membership/statement.ts'
export { pathOf } from './paths/paths.ts'
export type { NetcheckReport, Path, PathPing, Paths, RelayReport } from './paths/paths.ts'
export type { PathKind } from './paths/path.ts'
export type { JsonValue, Rows, Sections } from './documents/rows.ts'
export type { SharedName, SharedRows, SharedTable } from './documents/shared-rows.ts'
export type { PeerState, PeerView } from './peers/peer-table.ts'
export type {
  BlobDisk,
  BlobFile,
  BlobGate,
  ByteStream,
  Connection,
  ConnectionAcceptor,
  ContentRouting,
  DialTarget,
  Direction,
  MeshLedger,
  Network,
  NetworkPaths,
  NetworkSurvey,
  PulseSource
} from './ports.ts'
export type { RpcCall, RpcCallOptions, RpcClient, RpcRequest, RpcService } from './rpc/index.ts'
