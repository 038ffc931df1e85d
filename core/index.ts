/**
 * The vocabulary that every room shares. Imports no other room.
 *
 * @module
 */

export { concatBytes, equalBytes, fromHex, toHex, utf8 } from './bytes.ts'
export { decodeCbor, encodeCbor } from './cbor.ts'
export type { Cbor } from './cbor.ts'
export type { Clock } from './clock.ts'
export type { Entropy } from './entropy.ts'
export { WeaverError, invariant, unreachable } from './errors.ts'
export type { Retry, WeaverErrorOptions } from './errors.ts'
export { channelPair, FrameQueue } from './frame-channel.ts'
export type { FrameChannel } from './frame-channel.ts'
export { areGrantsWithin, formatGrant, isGrantWithin, isPathWithin, parseGrant } from './grant.ts'
export type { Grant } from './grant.ts'
export { domainPrefix, HASH_BYTES, shake256 } from './hash.ts'
export {
  blobId,
  blobIdOf,
  checkedName,
  epoch,
  meshId,
  meshIdOf,
  millis,
  newTaskId,
  nodeId,
  nodeIdOf,
  pid,
  PUBLIC_KEY_BYTES,
  publicKeyOf,
  taskId,
  unixMillis
} from './ids.ts'
export type { BlobId, Epoch, MeshId, Millis, NodeId, Pid, TaskId, UnixMillis } from './ids.ts'
export type { LogFields, Logger } from './log.ts'
export type { Prng } from './prng.ts'
export { firstMistake, mistakeText, mistakeWords } from './mistake.ts'
export { formatBytes, formatDuration, parseBytes, parseDuration } from './quantity.ts'
export {
  confinementName,
  DEFAULT_SANDBOX,
  LIMIT_RANGES,
  parseSandbox,
  sandboxCbor
} from './sandbox.ts'
export type { Containment, Limits, Sandbox } from './sandbox.ts'
export { shake256All, shake256Slices } from './shake-pair.ts'
export type { Message, Slices } from './shake-pair.ts'
export { seal, SEAL_KEY_BYTES, unseal } from './sealing.ts'
export { readRotation, signRotation } from './rotation.ts'
export type { Rotation } from './rotation.ts'
export { underEither } from './signals.ts'
export { isSignedBy, SEED_BYTES, SIGNATURE_BYTES, signerFromSeed } from './signing.ts'
export type { Signer } from './signing.ts'
export type { KeyValueStore, StoreWrite } from './store.ts'
