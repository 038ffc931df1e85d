// Checking what a peer sends on all cores, before it is judged record by record.

import { concatBytes } from '../core/index.ts'
import type { NodeId } from '../core/index.ts'
import { CHECK_AHEAD_BYTES } from './limits.ts'
import type { RecordChecker, RecordVerdict } from './ports.ts'
import { parseFrameHead } from './record.ts'

/**
 * A verdict for each record, in order; none at all where it is not worth while, or some record is not
 * even framed: then each is checked when its turn comes.
 */
export async function checkAhead(
  checker: RecordChecker,
  lane: NodeId,
  records: readonly Uint8Array[]
): Promise<readonly RecordVerdict[]> {
  if (checker.width < 2) return []
  const sizes: { height: number; size: number }[] = []
  let bytes = 0
  for (const record of records) {
    const head = parseFrameHead(record)
    if (head === null || head.recordBytes !== record.length) return []
    sizes.push({ height: head.height, size: record.length })
    bytes += record.length
  }
  if (bytes < CHECK_AHEAD_BYTES) return []
  const share = Math.ceil(records.length / checker.width)
  const shares: Promise<readonly RecordVerdict[]>[] = []
  for (let from = 0; from < records.length; from += share) {
    const part = records.slice(from, from + share)
    const batch = { lane, bytes: concatBytes(...part), records: sizes.slice(from, from + share) }
    shares.push(checker.check(batch))
  }
  return (await Promise.all(shares)).flat()
}
