// The signed steps of one document with several writers that a node keeps: a base, and each writer's changes
// on top of it. Pure.
//
// Invariants
//   L1. Of any two bases one supersedes the other, for everybody: the higher epoch, then the lower id. Whoever
//       has seen the same steps therefore stands on the same base. Only a void base gives way to any other: one whose
//       epoch leaves no room to count on, of an author who may not write any more.
//   L2. The changes of a stream that are kept are all that it made on this base, up to some point.
//   L3. Whoever holds a log can bring anybody to it, with the authors' own signatures.
//   L4. A log holds at most DOCUMENT_BYTES_MAX and 2 x SHARED_DELTAS_PER_BASE_MAX changes.

import { encodeCbor, shake256 } from '../../core/index.ts'
import type { Cbor, NodeId } from '../../core/index.ts'
import { fieldsOf } from '../exchange.ts'
import {
  DELTA_BYTES_PER_BASE_FACTOR,
  DELTA_BYTES_PER_BASE_MIN,
  DOCUMENT_BYTES_MAX,
  SHARED_DELTAS_PER_BASE_MAX,
  SHARED_EPOCH_COUNTED_MAX
} from '../limits.ts'
import { isCount } from './envelope.ts'
import { NO_BASE } from './shared-step.ts'
import type { SharedBase, SharedDelta, SharedStep } from './shared-step.ts'

export interface SharedLog {
  readonly base: SharedBase | null
  /** In the order in which they were taken in. What one builds on may come later: it waits for that. */
  readonly deltas: readonly SharedDelta[]
  readonly deltaBytes: number
}

export const EMPTY_LOG: SharedLog = { base: null, deltas: [], deltaBytes: 0 }

/** How far a log has come. */
export interface SharedPosition {
  readonly epoch: number
  /** The base's id, or NO_BASE. */
  readonly base: string
  /** Stream key -> the last sequence on this base. */
  readonly streams: ReadonlyMap<string, number>
}

/** Of whoever has nothing. */
export const NO_POSITION: SharedPosition = { epoch: 0, base: NO_BASE, streams: new Map() }

export type SharedAcceptance =
  /** Begin anew with this base. */
  | { readonly kind: 'replaced'; readonly log: SharedLog }
  | { readonly kind: 'extended'; readonly log: SharedLog }
  | { readonly kind: 'known' }
  /** It is on a base that is not ours, or something before it is missing: pull. */
  | { readonly kind: 'gap' }
  | { readonly kind: 'over-budget' }

export function streamKey({ author, stream }: Pick<SharedDelta, 'author' | 'stream'>): string {
  return `${author}/${stream}`
}

/** L1. */
export function isVoid({ base }: SharedLog, mayWrite: (author: NodeId) => boolean): boolean {
  return base !== null && base.epoch > SHARED_EPOCH_COUNTED_MAX && !mayWrite(base.author)
}

/** `mayWrite` says who may write now; the author of `step` may. */
export function acceptStep(
  log: SharedLog,
  step: SharedStep,
  mayWrite: (author: NodeId) => boolean
): SharedAcceptance {
  if (step.kind === 'base') {
    const isNext = supersedes(step, positionOf(log)) || isVoid(log, mayWrite)
    if (!isNext) return { kind: 'known' }
    return { kind: 'replaced', log: { base: step, deltas: [], deltaBytes: 0 } }
  }
  if (step.base !== baseIdOf(log)) return { kind: 'gap' }
  const last = lastOf(log, streamKey(step))
  if (step.sequence <= last) return { kind: 'known' }
  if (step.previous !== last) return { kind: 'gap' }
  const deltaBytes = log.deltaBytes + step.bytes.length
  const baseBytes = log.base?.bytes.length ?? 0
  if (
    baseBytes + deltaBytes > DOCUMENT_BYTES_MAX ||
    log.deltas.length >= 2 * SHARED_DELTAS_PER_BASE_MAX
  ) {
    return { kind: 'over-budget' }
  }
  const deltas = [...log.deltas, step]
  return { kind: 'extended', log: { base: log.base, deltas, deltaBytes } }
}

export function baseIdOf({ base }: SharedLog): string {
  return base?.id ?? NO_BASE
}

/** The last sequence of a stream on this base, or 0. */
export function lastOf({ deltas }: SharedLog, stream: string): number {
  return deltas.findLast((delta) => streamKey(delta) === stream)?.sequence ?? 0
}

export function positionOf(log: SharedLog): SharedPosition {
  const streams = new Map(log.deltas.map((delta) => [streamKey(delta), delta.sequence]))
  return { epoch: log.base?.epoch ?? 0, base: baseIdOf(log), streams }
}

/** L1. */
function supersedes(
  base: { readonly epoch: number; readonly id: string },
  over: SharedPosition
): boolean {
  return base.epoch > over.epoch || (base.epoch === over.epoch && base.id < over.base)
}

/** The next steps for somebody at `position`: at least one if any is missing, else up to `bytesMax`. */
export function stepsSince(
  log: SharedLog,
  position: SharedPosition,
  bytesMax: number
): readonly SharedStep[] {
  const { base, deltas } = log
  const isSameBase = position.base === baseIdOf(log)
  if (!isSameBase && (base === null || !supersedes(base, position))) return []
  const missing: SharedStep[] = isSameBase
    ? deltas.filter((delta) => delta.sequence > (position.streams.get(streamKey(delta)) ?? 0))
    : [...(base === null ? [] : [base]), ...deltas]
  let bytes = 0
  const end = missing.findIndex((each, index) => {
    bytes += each.bytes.length
    return index > 0 && bytes > bytesMax
  })
  return end === -1 ? missing : missing.slice(0, end)
}

/** Whether the whole state should take the place of the history. */
export function isLong({ base, deltas, deltaBytes }: SharedLog): boolean {
  const factor = DELTA_BYTES_PER_BASE_FACTOR * (base?.bytes.length ?? 0)
  return (
    deltas.length >= SHARED_DELTAS_PER_BASE_MAX ||
    deltaBytes > Math.max(DELTA_BYTES_PER_BASE_MIN, factor)
  )
}

/** On the wire: [epoch, base, {stream key: sequence}]. */
export function encodePosition({ epoch, base, streams }: SharedPosition): readonly Cbor[] {
  return [epoch, base, Object.fromEntries(streams)]
}

/** Where nothing of it can be read, the beginning: everything is then sent. */
export function parsePosition(value: unknown): SharedPosition {
  const [epoch, base, streams]: unknown[] = Array.isArray(value) ? value : []
  const known = new Map<string, number>()
  if (!isCount(epoch) || typeof base !== 'string') return NO_POSITION
  const entries = Object.entries(fieldsOf(streams)).slice(0, 2 * SHARED_DELTAS_PER_BASE_MAX)
  for (const [stream, sequence] of entries) if (isCount(sequence)) known.set(stream, sequence)
  return { epoch, base, streams: known }
}

/** Equal on two nodes exactly if both are at the same position. */
export function digestOf(log: SharedLog): Uint8Array {
  const bytes = encodeCbor([...encodePosition(positionOf(log))])
  return shake256('weft/shared-position/1', bytes).slice(0, 16)
}
