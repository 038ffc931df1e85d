import type { Cbor } from '../core/index.ts'
import type { GateRequest } from './request.ts'

/** One entry for this node's chain lane. */
export interface EntryDraft {
  readonly kind: string
  readonly actor: string
  readonly subject: string
  readonly payload: Cbor
}

/** Where an entry lies. `id` is what people and other entries refer to it by. */
export interface EntryRef {
  readonly id: string
}

/**
 * Records what the gate decided, in this node's chain lane.
 *
 * Durable once resolved, in the given order, all drafts in one block; one reference per draft. Retries
 * nothing. Calls may overlap. Any rejection leaves the outcome unknown, and the gate then refuses the act.
 */
export interface GateLedger {
  record(drafts: readonly EntryDraft[]): Promise<readonly EntryRef[]>
}

/** Exactly what would happen, as this machine sees it now. Two that differ in anything differ in `hash`. */
export interface Sighting {
  readonly hash: string
  readonly files: readonly { readonly path: string; readonly digest: string }[]
}

export interface OpenedApproval {
  /** As people refer to it: `7@laptop`. */
  readonly reference: string
  readonly number: number
  /** `approval.requested`, to be recorded; null where this was asked before and still waits. */
  readonly entry: EntryDraft | null
}

/**
 * Where the gate takes what a policy answers with `ask`. One approval is for one hash, and is given out
 * once. Nothing outlives the kernel: what waits when it stops is denied.
 */
export interface ApprovalDesk {
  /** Looks at the machine: executables, folders. Rejects where it cannot; the act is then denied. */
  see(requests: readonly GateRequest[]): Promise<Sighting>
  /**
   * What was decided of exactly this and has not been told yet: an approval is taken by it, and a denial
   * told once. Synchronous: nobody else can have it. Null: it waits still, or was never asked.
   */
  find(
    requests: readonly GateRequest[],
    sighting: Sighting
  ): { readonly state: 'approved' | 'denied'; readonly reference: string } | null
  /** @throws WeaverError `GOVERNANCE_APPROVALS_FULL` (later) */
  open(requests: readonly GateRequest[], sighting: Sighting, why: string): OpenedApproval
  /** Its request could not be recorded: it never was. */
  drop(number: number): void
}
