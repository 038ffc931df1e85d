/**
 * The verifier that needs no home, no kernel and no network: it imports nothing but this folder, and runs in a
 * browser too. A door of its own, so that the command reaches it without loading the chain.
 *
 * @module
 */

export { checkBlocks } from './block-check.ts'
export type { BlockBatch, BlockChecker, BlockFacts } from './block-check.ts'
export { hex } from './bytes.ts'
export { decode } from './cbor.ts'
export type { Value } from './cbor.ts'
export { nodePrimitives } from './node-primitives.ts'
export type { Primitives } from './primitives.ts'
export type { CheckedCheckpoint, OfflineProblem, OfflineReport, ProvenEntry } from './report.ts'
export { verifyFile } from './verify-file.ts'
