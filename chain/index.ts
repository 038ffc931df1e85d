/**
 * Provenance: what happened, in signed, linked blocks that anybody can check.
 *
 * @module
 */

export type { Problem } from './block.ts'
export { openChain } from './chain.ts'
export type { Chain, LaneState, LaneStatus, ServedRecords } from './chain.ts'
export { entryId } from './entry.ts'
export type { EntryDraft, EntryRef } from './entry.ts'
export { DiskFailedError, DiskFullError } from './errors.ts'
export type { AcceptOutcome } from './lane.ts'
export type { ChainDeps, ChainOptions } from './lanes.ts'
export type { LogEntry, LogQuery } from './log.ts'
export { planWants } from './plan.ts'
export type { LaneHead, Want } from './plan.ts'
export type { LaneDisk, LaneFile } from './ports.ts'
export type { VerifyOptions, VerifyProgress, VerifyReport } from './verify.ts'
