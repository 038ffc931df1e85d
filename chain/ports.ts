import type { NodeId, UnixMillis } from '../core/index.ts'
import type { SignedBlock, Tip } from './block.ts'
import type { BlockCheck } from './check.ts'

/**
 * The folder that holds the lanes of one home. Names are flat, of `A-Z a-z 0-9 . _ -`.
 *
 * Nothing is retried. Calls may overlap; those on one file are the caller's to order. Failures are
 * `DiskFullError` (`CHAIN_DISK_FULL`: no room, quota) and `DiskFailedError` (`CHAIN_DISK_FAILED`: the rest).
 * None of the calls can be aborted.
 */
export interface LaneDisk {
  /** All file names, in any order. */
  list(): Promise<readonly string[]>
  /** Opens a file that is there, or resolves to null. May be called again while it is open. */
  open(name: string): Promise<LaneFile | null>
  /**
   * Opens a file, made empty first if it was not there. Its name is durable once resolved; nobody but
   * the owner of the home may read it.
   */
  create(name: string): Promise<LaneFile>
  /** Durable once resolved. A file that is not there is no failure. */
  remove(name: string): Promise<void>
  /**
   * Gives a file another name in one step, in place of any file of that name: after a crash the name is
   * one of the two whole files. Durable once resolved. Open files stay with what they had opened.
   */
  rename(from: string, to: string): Promise<void>
}

/** What the file system tells of the last change of a file. */
export interface FileMark {
  /**
   * Another one after each change made through the file system later than `changedAt` and the grain of its clock,
   * which is two seconds at most. Empty where nothing is known. Bytes that rot on the disk change nothing here.
   */
  readonly text: string
  /** By the wall clock of the machine. */
  readonly changedAt: UnixMillis
}

/** One open file. After a failed `sync` nothing is known about any write since the one before it. */
export interface LaneFile {
  size(): Promise<number>
  mark(): Promise<FileMark>
  /** The bytes in [offset, offset + length), fewer only where the file ends. */
  read(offset: number, length: number): Promise<Uint8Array>
  /**
   * Writes all of `bytes` at `offset`, growing the file. Durable only after `sync`. A rejection may leave
   * any part of it written: truncate, or write again.
   */
  write(offset: number, bytes: Uint8Array): Promise<void>
  /** All writes and truncations before it are durable, size included, once resolved. */
  sync(): Promise<void>
  truncate(size: number): Promise<void>
  /** Idempotent. Syncs nothing. */
  close(): Promise<void>
}

/** Records of one lane, as they travel and lie on disk. */
export interface RecordRun {
  /** Whole records, one behind another. */
  readonly bytes: Uint8Array
  readonly records: readonly { readonly height: number; readonly size: number }[]
}

export interface CheckBatch extends RecordRun {
  readonly lane: NodeId
}

/** For each record, in order. */
export type RecordVerdict = BlockCheck

/** What a run came to. */
export interface CheckedRun {
  /** The bytes that were given, handed back. */
  readonly bytes: Uint8Array
  /**
   * The first block and the end of the last one, where every record is sound, each follows the one before it,
   * and none takes back a payload, lacks one or changes a key. Null: look at each by itself.
   */
  readonly plain: { readonly first: SignedBlock; readonly tip: Tip } | null
}

/**
 * Does the work of `checkBatch` and `checkRun`, for instance on other cores. Nothing is retried; calls may
 * overlap, and `width` of them are worth while. Takes the bytes over. Rejects when it cannot work any more.
 */
export interface RecordChecker {
  readonly width: number
  /** So many bytes are about to come, as far as anybody says: other cores may get ready for them. */
  expect(bytes: number): void
  check(batch: CheckBatch): Promise<readonly RecordVerdict[]>
  checkRun(batch: CheckBatch): Promise<CheckedRun>
}
