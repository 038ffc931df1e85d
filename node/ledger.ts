// This node's own lane, as the rooms that record into it see it.

import type { Chain, EntryDraft, EntryRef, LogEntry } from '../chain/index.ts'
import { WeaverError } from '../core/index.ts'
import type { NodeId } from '../core/index.ts'

/** Fits the ledger ports of governance, mesh and scheduler. */
export interface NodeLedger {
  record(drafts: readonly EntryDraft[]): Promise<readonly EntryRef[]>
  find(
    kind: string,
    subjects: readonly string[]
  ): Promise<ReadonlyMap<string, { readonly ref: EntryRef; readonly payload: unknown }>>
}

/** `onFailed` hears of a disk that failed under the lane: this kernel can record nothing any more. */
export function nodeLedger(
  chain: Chain,
  self: NodeId,
  onFailed: (error: WeaverError) => void
): NodeLedger {
  return {
    record: async (drafts) => {
      try {
        return await chain.append(drafts)
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

/** After it the page cache may say anything: only a new start, which reads the disk again, helps. */
export function isLaneFailure(error: unknown): error is WeaverError {
  if (!(error instanceof WeaverError)) return false
  return error.code === 'CHAIN_LANE_FAILED' || error.code === 'CHAIN_LANE_TRUNCATED'
}

function refOf({ lane, height, index, entry }: LogEntry): EntryRef {
  return { lane, height, index, id: entry }
}
