/**
 * Provenance: what happened, in signed, linked blocks that anybody can check.
 *
 * @module
 */

export type { Problem } from './block.ts'
export { openChain } from './chain.ts'
export type { Chain, LaneState, LaneStatus, ServedRecords } from './chain.ts'
export { checkBatch, checkRun } from './check-batch.ts'
export { entryId } from './entry.ts'
export type { EntryDraft, EntryRef } from './entry.ts'
export {
  DiskFailedError,
  DiskFullError,
  LaneTruncatedError,
  PayloadsNotHeldError
} from './errors.ts'
export type { Keeping } from './keeping.ts'
export type { AcceptOutcome } from './lane.ts'
export type { ChainDeps, ChainOptions } from './lanes.ts'
export type { LogEntry, LogQuery } from './log.ts'
export { planWants } from './plan.ts'
export type { LaneHead, Want } from './plan.ts'
export type { OwnRepair, Upkeep } from './upkeep.ts'
export { withoutAnyPayload } from './redact.ts'
export { REDACTED_KIND, redactionSubject } from './redaction-entry.ts'
export { rotationDraft, rotationEntry } from './rotation-entry.ts'
export type { HeightRange, LaneRepair, RepairSource } from './repair.ts'
export { RunCutter } from './run.ts'
export type { LentRun } from './run.ts'
export type {
  CheckBatch,
  CheckedRun,
  LaneDisk,
  FileMark,
  LaneFile,
  RecordChecker,
  RecordRun,
  RecordVerdict
} from './ports.ts'
export { slotIn } from './proofs/bundle.ts'
export type { BundleMesh } from './proofs/bundle.ts'
export type { SentCheckpoint } from './proofs/notary.ts'
export type { BundleOptions, LaneCheckpoint, Proofs } from './proofs/proofs.ts'
export type { CosignAnswer, CosignRequest } from './proofs/witnessing.ts'
export type { VerifyOptions, VerifyProgress, VerifyReport } from './verify.ts'
