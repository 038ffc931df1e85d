// Fetching the blocks of one lane from one peer, several calls at a time, in their order.
//
// Invariants
//   L1. Records come out by ascending heights, without a gap; where the peer lacks one, they end.
//   L2. At most CHAIN_ASKS_MAX answers are under way or wait here.

import type { Want } from '../chain/index.ts'
import type { NodeId } from '../core/index.ts'
import { CHAIN_ASKS_MAX, CHAIN_BATCH_BYTES } from './limits.ts'

/** Asks for the records of these heights; the answer may hold fewer of them, or none. */
export type AskRecords = (
  lane: NodeId,
  range: { readonly from: number; readonly to: number }
) => Promise<readonly Uint8Array[]>

interface Asked {
  readonly from: number
  readonly to: number
  readonly answer: Promise<readonly Uint8Array[]>
}

const FULL_SHARE = 0.9 // Blocks differ in size: a little less than fits, so that few answers are short.

/** Yields answer by answer. Throws what a call throws; those under way are then left to themselves. */
export async function* pullRecords(
  { lane, fromHeight, toHeight }: Want,
  askRecords: AskRecords
): AsyncGenerator<readonly Uint8Array[]> {
  const ask = (from: number, to: number): Asked => {
    const answer = askRecords(lane, { from, to })
    answer.catch(() => undefined) // Thrown where it is awaited, if that is ever reached.
    return { from, to, answer }
  }
  // The first answer shows how many blocks fit in one.
  const asked = [ask(fromHeight, toHeight)]
  let next = toHeight + 1
  let perAnswer = 0
  for (let first = asked.shift(); first !== undefined; first = asked.shift()) {
    const { from, to } = first
    // A peer of an older version may send more than was asked for.
    const records = (await first.answer).slice(0, to - from + 1)
    if (records.length === 0) return
    const rest = from + records.length
    if (rest <= to) {
      if (perAnswer === 0) next = rest
      else asked.unshift(ask(rest, to))
    }
    perAnswer = fittingIn(records)
    while (asked.length < CHAIN_ASKS_MAX && next <= toHeight) {
      const last = Math.min(toHeight, next + perAnswer - 1)
      asked.push(ask(next, last))
      next = last + 1
    }
    yield records
  }
}

/** How many blocks like these fit in one answer. */
function fittingIn(records: readonly Uint8Array[]): number {
  const bytes = records.reduce((sum, record) => sum + record.length, 0)
  return Math.max(1, Math.floor((records.length * CHAIN_BATCH_BYTES * FULL_SHARE) / bytes))
}
