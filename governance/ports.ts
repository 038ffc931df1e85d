import type { Cbor } from '../core/index.ts'

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
