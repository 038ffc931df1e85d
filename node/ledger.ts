// This node's own lane, as the rooms that record into it see it.

import type { Chain, EntryDraft, EntryRef, LogEntry } from '../chain/index.ts'
import { WeaverError } from '../core/index.ts'
import type { Cbor, NodeId } from '../core/index.ts'

/** Fits the ledger ports of governance, mesh and scheduler. */
export interface NodeLedger {
  record(drafts: readonly EntryDraft[]): Promise<readonly EntryRef[]>
  find(
    kind: string,
    subjects: readonly string[]
  ): Promise<ReadonlyMap<string, { readonly ref: EntryRef; readonly payload: unknown }>>
}

export interface NodeLedgerDeps {
  readonly chain: Pick<Chain, 'append' | 'log'>
  readonly self: NodeId
  /** Hears of a disk that failed under the lane: this kernel can record nothing any more. */
  readonly onFailed: (error: WeaverError) => void
  /** Takes the secrets of this home out of a text: the lane is for everybody, and for good. */
  readonly redacted: (text: string) => string
}

export function nodeLedger({ chain, self, onFailed, redacted }: NodeLedgerDeps): NodeLedger {
  return {
    record: async (drafts) => {
      try {
        return await chain.append(drafts.map((draft) => redactedDraft(draft, redacted)))
      } catch (error) {
        if (isLaneFailure(error)) onFailed(error)
        throw error
      }
    },
    find: async (kind, subjects) => {
      const wanted = new Set(subjects)
      const found = new Map<string, { ref: EntryRef; payload: unknown }>()
      // In the order of the lane: a newer entry replaces an older one.
      for await (const entry of chain.log({ lane: self, kind })) {
        if (!wanted.has(entry.subject)) continue
        found.set(entry.subject, { ref: refOf(entry), payload: entry.payload })
      }
      return found
    }
  }
}

function redactedDraft(draft: EntryDraft, redacted: (text: string) => string): EntryDraft {
  const payload = redactedValue(draft.payload, redacted)
  return { ...draft, subject: redacted(draft.subject), payload }
}

/** Texts at any depth, and keys: some are names that a requester gave. */
function redactedValue(value: Cbor, redacted: (text: string) => string): Cbor {
  if (typeof value === 'string') return redacted(value)
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  if (isList(value)) return value.map((item) => redactedValue(item, redacted))
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [redacted(key), redactedValue(item, redacted)])
  )
}

function isList(value: Cbor): value is readonly Cbor[] {
  return Array.isArray(value)
}

/** After it the page cache may say anything: only a new start, which reads the disk again, helps. */
export function isLaneFailure(error: unknown): error is WeaverError {
  if (!(error instanceof WeaverError)) return false
  return error.code === 'CHAIN_LANE_FAILED' || error.code === 'CHAIN_LANE_TRUNCATED'
}

function refOf({ lane, height, index, entry }: LogEntry): EntryRef {
  return { lane, height, index, id: entry }
}
