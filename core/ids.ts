// Branded identifiers. This file is the only place where a plain value becomes a branded one,
// so every brand in the program has passed the check written next to its type.

import { base58btc } from 'multiformats/bases/base58'
import { toHex } from './bytes.ts'
import type { Entropy } from './entropy.ts'
import { WeaverError } from './errors.ts'

declare const brand: unique symbol
type Brand<T, Name extends string> = T & { readonly [brand]: Name }

/**
 * A node of the mesh: the libp2p peer id of its Ed25519 key in base58btc text, `12D3KooW...`.
 * The text contains the public key itself (an identity multihash), so whoever holds a `NodeId` can
 * check that node's signatures without asking anybody.
 */
export type NodeId = Brand<string, 'NodeId'>
/** A mesh: the SHAKE-256 hash of its genesis statement, 64 hexadecimal digits. */
export type MeshId = Brand<string, 'MeshId'>
/** A blob: the SHAKE-256 hash of its list of chunks, 64 hexadecimal digits. */
export type BlobId = Brand<string, 'BlobId'>
/** A task: 16 characters of Crockford's base32 in lower case, 80 random bits. */
export type TaskId = Brand<string, 'TaskId'>
/** A process of one node: a positive integer, never used twice on that node, restarts included. */
export type Pid = Brand<number, 'Pid'>
/** A fencing token: strictly increasing per task; a lower one never overrules a higher one. */
export type Epoch = Brand<number, 'Epoch'>
/** A duration, or an instant on this node's monotonic clock, in milliseconds. */
export type Millis = Brand<number, 'Millis'>
/** A wall-clock instant in milliseconds since 1970. A claim: shown, never trusted for order. */
export type UnixMillis = Brand<number, 'UnixMillis'>

export const PUBLIC_KEY_BYTES = 32

// An identity multihash (0x00, length 36) over the libp2p key protobuf: type Ed25519 (08 01), then
// the 32 raw bytes (12 20). See the libp2p peer id specification.
const ED25519_PEER_ID_PREFIX = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)
const CROCKFORD = '0123456789abcdefghjkmnpqrstvwxyz'
const TASK_ID_LENGTH = 16
const TASK_ID_PATTERN = /^[0-9a-hjkmnp-tv-z]{16}$/
const NAME_PATTERN = /^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/

/** @throws WeaverError `CORE_INVALID_NODE_ID` unless `text` is the peer id of an Ed25519 key. */
export function nodeId(text: string): NodeId {
  publicKeyBytes(text)
  return text as NodeId
}

/** The node id that belongs to a raw Ed25519 public key of 32 bytes. */
export function nodeIdOf(publicKey: Uint8Array): NodeId {
  if (publicKey.length !== PUBLIC_KEY_BYTES) {
    throw new WeaverError(
      'CORE_INVALID_NODE_ID',
      `Cannot make a node id of a ${publicKey.length}-byte key: must be ${PUBLIC_KEY_BYTES} bytes`
    )
  }
  const bytes = new Uint8Array(ED25519_PEER_ID_PREFIX.length + PUBLIC_KEY_BYTES)
  bytes.set(ED25519_PEER_ID_PREFIX)
  bytes.set(publicKey, ED25519_PEER_ID_PREFIX.length)
  return base58btc.baseEncode(bytes) as NodeId
}

/** The raw Ed25519 public key, 32 bytes, that a node id contains. */
export function publicKeyOf(id: NodeId): Uint8Array {
  return publicKeyBytes(id)
}

function publicKeyBytes(text: string): Uint8Array {
  const bytes = text.length <= 64 ? decodeBase58(text) : null
  const isEd25519 =
    bytes?.length === ED25519_PEER_ID_PREFIX.length + PUBLIC_KEY_BYTES &&
    ED25519_PEER_ID_PREFIX.every((byte, index) => bytes[index] === byte)
  if (!isEd25519) {
    throw new WeaverError(
      'CORE_INVALID_NODE_ID',
      `Cannot use '${text.slice(0, 64)}' as a node id: must be an Ed25519 peer id, 12D3KooW...`
    )
  }
  return bytes.subarray(ED25519_PEER_ID_PREFIX.length)
}

function decodeBase58(text: string): Uint8Array | null {
  try {
    return base58btc.baseDecode(text)
  } catch {
    return null // The caller names the whole text, which says more than the one bad character.
  }
}

/** @throws WeaverError `CORE_INVALID_MESH_ID` unless `text` is 64 lower-case hexadecimal digits. */
export function meshId(text: string): MeshId {
  if (!/^[0-9a-f]{64}$/.test(text)) {
    throw new WeaverError(
      'CORE_INVALID_MESH_ID',
      `Cannot use '${text.slice(0, 64)}' as a mesh id: must be 64 hexadecimal digits`
    )
  }
  return text as MeshId
}

/** The mesh id that a 32-byte hash stands for. */
export function meshIdOf(hash: Uint8Array): MeshId {
  return meshId(toHex(hash))
}

/** @throws WeaverError `CORE_INVALID_BLOB_ID` unless `text` is 64 lower-case hexadecimal digits. */
export function blobId(text: string): BlobId {
  if (!/^[0-9a-f]{64}$/.test(text)) {
    throw new WeaverError(
      'CORE_INVALID_BLOB_ID',
      `Cannot use '${text.slice(0, 64)}' as a blob id: must be 64 hexadecimal digits`
    )
  }
  return text as BlobId
}

/** The blob id that a 32-byte hash stands for. */
export function blobIdOf(hash: Uint8Array): BlobId {
  return blobId(toHex(hash))
}

/** @throws WeaverError `CORE_INVALID_TASK_ID` unless `text` has the form of a task id. */
export function taskId(text: string): TaskId {
  if (!TASK_ID_PATTERN.test(text)) {
    throw new WeaverError(
      'CORE_INVALID_TASK_ID',
      `Cannot use '${text.slice(0, 64)}' as a task id: must be ${TASK_ID_LENGTH} base32 characters`
    )
  }
  return text as TaskId
}

/** A new task id: 80 bits of entropy, one chance in 10^12 of a collision among 10^6 tasks. */
export function newTaskId(entropy: Entropy): TaskId {
  const characters = Array.from(entropy.bytes(TASK_ID_LENGTH), (byte) => CROCKFORD[byte % 32])
  return taskId(characters.join(''))
}

/** @throws WeaverError `CORE_INVALID_PID` unless `value` is a positive safe integer. */
export function pid(value: number): Pid {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new WeaverError(
      'CORE_INVALID_PID',
      `Cannot use ${value} as a pid: must be an integer >= 1`
    )
  }
  return value as Pid
}

/** @throws WeaverError `CORE_INVALID_EPOCH` unless `value` is a positive safe integer. */
export function epoch(value: number): Epoch {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new WeaverError(
      'CORE_INVALID_EPOCH',
      `Cannot use ${value} as an epoch: must be an integer >= 1`
    )
  }
  return value as Epoch
}

/** @throws WeaverError `CORE_INVALID_MILLIS` unless `value` is finite and not negative. */
export function millis(value: number): Millis {
  if (!Number.isFinite(value) || value < 0) {
    throw new WeaverError(
      'CORE_INVALID_MILLIS',
      `Cannot use ${value} as milliseconds: must be finite and >= 0`
    )
  }
  return value as Millis
}

/** @throws WeaverError `CORE_INVALID_MILLIS` unless `value` is a safe integer and not negative. */
export function unixMillis(value: number): UnixMillis {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new WeaverError(
      'CORE_INVALID_MILLIS',
      `Cannot use ${value} as a wall-clock time: must be whole milliseconds since 1970`
    )
  }
  return value as UnixMillis
}

/**
 * Checks the name of a node, an agent or a tool: 1 to 63 of `a-z 0-9 . _ -`, starting and ending
 * with a letter or digit.
 * @throws WeaverError `CORE_INVALID_NAME`
 */
export function checkedName(text: string): string {
  if (!NAME_PATTERN.test(text)) {
    throw new WeaverError(
      'CORE_INVALID_NAME',
      `Cannot use '${text.slice(0, 64)}' as a name: use 1 to 63 of a-z 0-9 . _ -, ` +
        'starting and ending with a letter or digit'
    )
  }
  return text
}
