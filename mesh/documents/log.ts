// The signed steps of one document that a node keeps: a base, and the deltas since. Pure.
//
// Invariants
//   S1. Within a generation the steps kept are contiguous: base b, then b+1, b+2, ... up to the head.
//   S2. A position only grows: a higher generation, or a higher sequence within it.
//   S3. Whoever holds a log can bring anybody to its head, from any position, with the owner's own
//       signatures: members forward, and cannot forge.
//   S4. A log holds at most DOCUMENT_BYTES_MAX; the owner re-bases long before that.

import type { NodeId } from '../../core/index.ts'
import { fieldsOf } from '../exchange.ts'
import {
  DELTA_BYTES_PER_BASE_FACTOR,
  DELTA_BYTES_PER_BASE_MIN,
  DELTAS_PER_BASE_MAX,
  DOCUMENT_BYTES_MAX,
  MEMBERS_MAX
} from '../limits.ts'
import { isCount } from './envelope.ts'
import type { Envelope } from './envelope.ts'

export interface DocumentLog {
  readonly base: Envelope
  readonly deltas: readonly Envelope[]
  readonly deltaBytes: number
}

/** How far a log has come. */
export interface Position {
  readonly generation: number
  readonly sequence: number
}

export type Vector = ReadonlyMap<NodeId, Position>

export type Acceptance =
  /** Begin anew with this base. */
  | { readonly kind: 'replaced'; readonly log: DocumentLog }
  | { readonly kind: 'extended'; readonly log: DocumentLog }
  | { readonly kind: 'known' }
  /** Something between our position and this step is missing: pull it. */
  | { readonly kind: 'gap' }
  | { readonly kind: 'over-budget' }

export function acceptEnvelope(log: DocumentLog | null, envelope: Envelope): Acceptance {
  const isNewer = isBehind(log === null ? null : positionOf(log), envelope)
  if (!isNewer) return { kind: 'known' }
  if (envelope.kind === 'base') {
    return { kind: 'replaced', log: { base: envelope, deltas: [], deltaBytes: 0 } }
  }
  if (log === null || log.base.generation !== envelope.generation) return { kind: 'gap' }
  if (envelope.sequence !== positionOf(log).sequence + 1) return { kind: 'gap' }
  const deltaBytes = log.deltaBytes + envelope.bytes.length
  if (
    log.base.bytes.length + deltaBytes > DOCUMENT_BYTES_MAX ||
    log.deltas.length >= 2 * DELTAS_PER_BASE_MAX
  ) {
    return { kind: 'over-budget' }
  }
  return {
    kind: 'extended',
    log: { base: log.base, deltas: [...log.deltas, envelope], deltaBytes }
  }
}

export function positionOf(log: DocumentLog): Position {
  const { generation, sequence } = log.deltas.at(-1) ?? log.base
  return { generation, sequence }
}

/** Whether `mine` lacks what `theirs` has. */
export function isBehind(mine: Position | null, theirs: Position): boolean {
  if (mine === null || mine.generation < theirs.generation) return true
  return mine.generation === theirs.generation && mine.sequence < theirs.sequence
}

/** The next steps for somebody at `position`, at least one if any is missing, else up to `bytesMax`. */
export function envelopesSince(
  log: DocumentLog,
  position: Position | null,
  bytesMax: number
): readonly Envelope[] {
  if (!isBehind(position, positionOf(log))) return []
  const { base, deltas } = log
  const knowsBase =
    position !== null &&
    position.generation === base.generation &&
    position.sequence >= base.sequence
  const missing = knowsBase ? deltas.slice(position.sequence - base.sequence) : [base, ...deltas]
  let bytes = 0
  const end = missing.findIndex((each, index) => {
    bytes += each.bytes.length
    return index > 0 && bytes > bytesMax
  })
  return end === -1 ? missing : missing.slice(0, end)
}

/**
 * Whether the owner should put the whole state in place of the history. Members that change their rows alike do so
 * at different times: each base costs every member more than a step, and sixteen at once held up all for half a
 * second.
 */
export function needsRebase(log: DocumentLog): boolean {
  const factor = DELTA_BYTES_PER_BASE_FACTOR * log.base.bytes.length
  const share = shareOf(log.base)
  return (
    log.deltas.length >= share * DELTAS_PER_BASE_MAX ||
    log.deltaBytes > share * Math.max(DELTA_BYTES_PER_BASE_MIN, factor)
  )
}

/** From a half to the whole of what may be on a base, drawn by a byte of its signature (of the last, few bits are). */
function shareOf({ bytes }: Envelope): number {
  return (1 + (bytes.at(-2) ?? 0) / 255) / 2
}

/** On the wire: node id -> [generation, sequence]. */
export function encodeVector(vector: Vector): { readonly [owner: string]: readonly number[] } {
  return Object.fromEntries(
    [...vector].map(([owner, { generation, sequence }]) => [owner, [generation, sequence]])
  )
}

/** What of `value` is a vector over `owners`; the rest is left out. */
export function parseVector(value: unknown, isOwner: (id: string) => id is NodeId): Vector {
  const found = new Map<NodeId, Position>()
  for (const [owner, position] of Object.entries(fieldsOf(value)).slice(0, MEMBERS_MAX)) {
    if (!isOwner(owner) || !Array.isArray(position)) continue
    const [generation, sequence]: unknown[] = position
    if (isCount(generation) && isCount(sequence)) found.set(owner, { generation, sequence })
  }
  return found
}
