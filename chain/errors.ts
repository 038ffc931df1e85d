import { WeaverError } from '../core/index.ts'
import type { NodeId } from '../core/index.ts'

/** The disk has no room. Nothing was acknowledged; the lane goes on when there is space again. */
export class DiskFullError extends WeaverError {
  constructor(file: string, cause?: unknown) {
    super('CHAIN_DISK_FULL', `Cannot write ${file}: the disk is full, free some space`, {
      retry: 'later',
      detail: { file },
      cause
    })
  }
}

/** The disk failed in a way that says nothing about what it has stored. */
export class DiskFailedError extends WeaverError {
  constructor(action: string, file: string, cause?: unknown) {
    super('CHAIN_DISK_FAILED', `Cannot ${action} ${file}: ${reasonOf(cause)}`, {
      detail: { file, action },
      cause
    })
  }
}

/** The lane may not be written any more until the kernel has started again and recovered it. Fatal. */
export class LaneFailedError extends WeaverError {
  constructor(lane: NodeId, cause: unknown) {
    super(
      'CHAIN_LANE_FAILED',
      `Cannot write lane ${lane}: the disk failed (${reasonOf(cause)}), so what it holds is unknown. ` +
        'Check the disk, then restart the kernel',
      { detail: { lane }, cause }
    )
  }
}

/** Acknowledged blocks are missing from the end of a lane. */
export class LaneTruncatedError extends WeaverError {
  constructor(lane: NodeId, found: number, expected: number) {
    super(
      'CHAIN_LANE_TRUNCATED',
      `Cannot open lane ${lane}: it ends at height ${found}, but height ${expected} was acknowledged. ` +
        'Run `weaver chain repair`: it fetches what is missing from other members and checks it. ' +
        'Or put the files back from a backup; do not delete the folder',
      { detail: { lane, found, expected } }
    )
  }
}

/** More is unreadable at the end of the own lane than one torn write explains. */
export class LaneDamagedError extends WeaverError {
  constructor(lane: NodeId, height: number, bytes: number) {
    super(
      'CHAIN_LANE_DAMAGED',
      `Cannot open lane ${lane}: ${bytes} bytes behind block ${height} cannot be read. ` +
        'Run `weaver chain repair`: it fetches what is missing from other members and checks it. ' +
        'Or put the files back from a backup; do not delete the folder',
      { detail: { lane, height, bytes } }
    )
  }
}

/** The lane on disk is not the one that was acknowledged: another block stands at the known height. */
export class LaneReplacedError extends WeaverError {
  constructor(lane: NodeId, height: number) {
    super(
      'CHAIN_LANE_REPLACED',
      `Cannot open lane ${lane}: block ${height} is not the one that was acknowledged. ` +
        'Put the right files back into the chain folder (from a backup, or the copy that any other ' +
        'member keeps of this lane), then start again',
      { detail: { lane, height } }
    )
  }
}

/** More appends wait than the disk can take. */
export class QueueFullError extends WeaverError {
  constructor(entries: number, bytes: number) {
    super(
      'CHAIN_QUEUE_FULL',
      `Cannot append: ${entries} entries (${bytes} bytes) already wait for the disk, try again later`,
      { retry: 'later', detail: { entries, bytes } }
    )
  }
}

/** The lane's key has handed over to another one: the lane is complete. */
export class LaneEndedError extends WeaverError {
  constructor(lane: NodeId, heir: NodeId) {
    super('CHAIN_LANE_ENDED', `Cannot append to lane ${lane}: its key has handed over to ${heir}`, {
      detail: { lane, heir, hint: 'restart the kernel: it goes on under the new key' }
    })
  }
}

/** What was to be appended is not an entry of this format. */
export class InvalidDraftError extends WeaverError {
  constructor(what: string) {
    super('CHAIN_DRAFT_INVALID', `Cannot append entry: ${what}`)
  }
}

/** One append does not fit in one block. */
export class AppendTooLargeError extends WeaverError {
  constructor(what: string) {
    super('CHAIN_APPEND_TOO_LARGE', `Cannot append: ${what}`)
  }
}

/** The own lane takes back lost blocks: until it has them, nothing can be recorded, and so nothing done. */
export class InRepairError extends WeaverError {
  constructor(lane: NodeId) {
    super(
      'CHAIN_IN_REPAIR',
      `Cannot append to lane ${lane}: it is being repaired from the copies that other members hold`,
      { retry: 'later', detail: { lane } }
    )
  }
}

/** Nobody who could be asked has what the own lane has lost. */
export class RepairIncompleteError extends WeaverError {
  constructor(lane: NodeId, found: number, expected: number) {
    super(
      'CHAIN_REPAIR_INCOMPLETE',
      `Cannot repair lane ${lane}: blocks ${found + 1} to ${expected} were acknowledged, and no member ` +
        'that can be reached holds them',
      {
        retry: 'later',
        detail: {
          lane,
          found,
          expected,
          hint:
            'start the other members and repair again, put the files back from a backup, or go on ' +
            'without these blocks, for all to see: weaver chain repair --accept-loss'
        }
      }
    )
  }
}

/** Not an owner of the lane, nor an admin. */
export class RedactionDeniedError extends WeaverError {
  constructor(lane: NodeId) {
    super(
      'CHAIN_REDACTION_DENIED',
      `Cannot redact an entry of lane ${lane}: only its owner and admins of the mesh may`,
      { detail: { lane, hint: 'run the command on the node that owns the lane, or on an admin' } }
    )
  }
}

export class ChainStoppedError extends WeaverError {
  constructor() {
    super('CHAIN_STOPPED', 'Cannot use the chain: it has been stopped', { retry: 'later' })
  }
}

/** Text that is not an entry id, a lane that is not stored, and other wrong questions. */
export class ChainQueryError extends WeaverError {
  constructor(message: string) {
    super('CHAIN_QUERY_INVALID', message)
  }
}

/** This node was told to keep only the headers of a lane, and what was asked needs its payloads. */
export class PayloadsNotHeldError extends WeaverError {
  constructor(what: string, hint?: string) {
    super(
      'CHAIN_PAYLOADS_NOT_HELD',
      `Cannot ${what}: only its headers are kept here, without payloads`,
      {
        retry: 'elsewhere',
        detail: { hint: hint ?? 'ask a node that keeps it whole, or: weaver chain keep --all' }
      }
    )
  }
}

/** No checkpoint that this node holds covers the block yet. */
export class NotProvableError extends WeaverError {
  constructor(what: string) {
    super(
      'CHAIN_NOT_PROVABLE',
      `Cannot prove anything about ${what}: no checkpoint that its owner has signed covers it yet`,
      { retry: 'later', detail: { hint: 'try again in some seconds, or on the node of that lane' } }
    )
  }
}

/** Two stored or received versions of one thing contradict each other, or bytes have another form. */
export class FormatError extends WeaverError {
  constructor(what: string) {
    super('CHAIN_FORMAT_INVALID', `Cannot accept bytes: ${what}`)
  }
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
