// Reading entries back for people: filtered, merged across lanes in the order of their clocks, and
// followed as new blocks arrive. Shows what can be read; whether it is sound is for `verify` to say.

import { decodeCbor, unixMillis } from '../core/index.ts'
import type { Logger, NodeId, UnixMillis } from '../core/index.ts'
import { decodeEntry, entryRef } from './entry.ts'
import { ChainQueryError, FormatError } from './errors.ts'
import { compareHlc } from './hlc.ts'
import type { Lane } from './lane.ts'
import { LOG_LAST_MAX, SALT_BYTES } from './limits.ts'
import { parseFrameHead, rowsOf } from './record.ts'
import type { Row } from './record.ts'

export interface LogEntry {
  readonly lane: NodeId
  readonly height: number
  readonly index: number
  /** The entry's id, `<height>.<index>@<lane>`. */
  readonly entry: string
  readonly time: UnixMillis
  /** Tells apart the entries of one millisecond. */
  readonly counter: number
  readonly kind: string
  readonly actor: string
  readonly subject: string
  /** Decoded CBOR, or null where the payload is not held. */
  readonly payload: unknown
}

export interface LogQuery {
  readonly lane?: NodeId
  readonly kind?: string
  readonly actor?: string
  readonly subject?: string
  /** A gpid: entries by that process or about it. */
  readonly process?: string
  /** From and before, by the claimed times of the entries. */
  readonly from?: UnixMillis
  readonly before?: UnixMillis
  /** Asked last, in the order of the log; may learn from what it sees. */
  readonly where?: (entry: LogEntry) => boolean
  /** Only the last so many that match. */
  readonly last?: number
  /** Go on with new entries, as their blocks arrive, until `signal` aborts or the chain stops. */
  readonly follow?: boolean
  readonly signal?: AbortSignal
}

export interface LogDeps {
  readonly log: Logger
  readonly lanes: () => readonly Lane[]
  readonly onAdvance: (listener: () => void) => () => void
  readonly stopping: AbortSignal
}

interface Span {
  readonly from: number
  readonly to: number
}

/** Ends, without an error, when the query's signal aborts. */
export async function* readLog(deps: LogDeps, query: LogQuery): AsyncGenerator<LogEntry> {
  const { last } = query
  if (last !== undefined && !(Number.isSafeInteger(last) && last >= 0 && last <= LOG_LAST_MAX)) {
    throw new ChainQueryError(`Cannot show the last ${last} entries: must be 0 to ${LOG_LAST_MAX}`)
  }
  const signals = query.signal === undefined ? [deps.stopping] : [query.signal, deps.stopping]
  const signal = AbortSignal.any(signals)
  const seen = new Map<NodeId, number>()
  const streams: AsyncGenerator<LogEntry>[] = []
  for (const lane of chosen(deps, query)) {
    const { tip } = lane.store
    seen.set(lane.store.lane, tip.height)
    streams.push(matching(deps, lane, query))
  }
  const merged = merge(streams)
  for await (const entry of last === undefined ? merged : await lastOf(merged, last)) {
    if (signal.aborted) return
    yield entry
  }
  if (query.follow === true) yield* follow(deps, query, { seen, signal })
}

interface FollowState {
  readonly seen: Map<NodeId, number>
  readonly signal: AbortSignal
}

/** Holds cursors, not entries: a slow reader costs no memory. */
async function* follow(
  deps: LogDeps,
  query: LogQuery,
  { seen, signal }: FollowState
): AsyncGenerator<LogEntry> {
  let news = Promise.withResolvers<void>()
  const wake = (): void => news.resolve()
  const unsubscribe = deps.onAdvance(wake)
  signal.addEventListener('abort', wake, { once: true })
  try {
    while (!signal.aborted) {
      news = Promise.withResolvers<void>() // Before the look at the heads, so that no advance is missed.
      for (const lane of chosen(deps, query)) {
        const from = (seen.get(lane.store.lane) ?? 0) + 1
        const to = lane.store.tip.height
        seen.set(lane.store.lane, to)
        if (from > to) continue
        news.resolve() // While this is read more may arrive: look once more.
        for await (const entry of entriesOf(deps, lane, { from, to })) {
          if (signal.aborted) return
          if (matches(entry, query)) yield entry
        }
      }
      await news.promise
    }
  } finally {
    unsubscribe()
    signal.removeEventListener('abort', wake)
  }
}

function chosen(deps: LogDeps, query: LogQuery): readonly Lane[] {
  const lanes = deps.lanes()
  return query.lane === undefined
    ? lanes
    : lanes.filter((candidate) => candidate.store.lane === query.lane)
}

/** The entries of one lane that match: all, or enough of the last that `last` of them are among these. */
async function* matching(deps: LogDeps, lane: Lane, query: LogQuery): AsyncGenerator<LogEntry> {
  const to = lane.store.tip.height
  if (query.last === undefined) {
    for await (const entry of entriesOf(deps, lane, { from: 1, to })) {
      if (matches(entry, query)) yield entry
    }
    return
  }
  // The last blocks are tried first, then four times as many: a block holds from one entry to a thousand.
  let found: LogEntry[] = []
  for (let count = 4; ; count *= 4) {
    const from = Math.max(1, to - count + 1)
    found = []
    for await (const entry of entriesOf(deps, lane, { from, to })) {
      if (matches(entry, query)) keepLast(found, entry, query.last)
    }
    if (found.length >= query.last || from === 1) break
  }
  yield* found
}

async function lastOf(entries: AsyncIterable<LogEntry>, count: number): Promise<LogEntry[]> {
  const kept: LogEntry[] = []
  for await (const entry of entries) keepLast(kept, entry, count)
  return kept
}

function keepLast(kept: LogEntry[], entry: LogEntry, count: number): void {
  kept.push(entry)
  if (kept.length > count) kept.shift()
}

function matches(entry: LogEntry, query: LogQuery): boolean {
  const process = query.process === undefined ? undefined : `process:${query.process}`
  return (
    (query.kind === undefined || entry.kind === query.kind) &&
    (query.actor === undefined || entry.actor === query.actor) &&
    (query.subject === undefined || entry.subject === query.subject) &&
    (process === undefined || entry.subject === process || entry.actor === process) &&
    (query.from === undefined || entry.time >= query.from) &&
    (query.before === undefined || entry.time < query.before) &&
    (query.where === undefined || query.where(entry))
  )
}

/** Merges streams that are each in the order of their clocks. */
async function* merge(streams: readonly AsyncGenerator<LogEntry>[]): AsyncGenerator<LogEntry> {
  const fronts = await Promise.all(
    streams.map(async (stream) => ({ stream, next: await stream.next() }))
  )
  try {
    for (;;) {
      let first: { stream: AsyncGenerator<LogEntry>; entry: LogEntry } | null = null
      for (const { stream, next } of fronts) {
        if (next.done === true) continue
        if (first === null || isBefore(next.value, first.entry))
          first = { stream, entry: next.value }
      }
      if (first === null) return
      yield first.entry
      const front = fronts.find((candidate) => candidate.stream === first.stream)
      if (front !== undefined) front.next = await front.stream.next()
    }
  } finally {
    for (const { stream } of fronts) await stream.return(undefined)
  }
}

function isBefore(a: LogEntry, b: LogEntry): boolean {
  const order = compareHlc({ ms: a.time, counter: a.counter }, { ms: b.time, counter: b.counter })
  return order === 0 ? a.lane < b.lane : order < 0
}

async function* entriesOf(deps: LogDeps, lane: Lane, span: Span): AsyncGenerator<LogEntry> {
  if (span.from > span.to) return
  for await (const item of lane.store.scan(span.from)) {
    if (item.kind === 'damage') continue
    if (item.head.height > span.to) return
    try {
      yield* entriesIn(lane.store.lane, item.bytes)
    } catch (error) {
      if (!(error instanceof FormatError)) throw error
      const { height } = item.head
      deps.log.warn('Cannot show a damaged block', { lane: lane.store.lane, height })
    }
  }
}

/** The entries of one stored record. @throws FormatError `CHAIN_FORMAT_INVALID` */
export function entriesIn(lane: NodeId, record: Uint8Array): readonly LogEntry[] {
  const head = parseFrameHead(record)
  if (head === null) throw new FormatError('a record has no valid frame')
  const { height } = head
  return rowsOf(record, head).map((row, index) => {
    const { kind, actor, subject, time } = decodeEntry(row.entry)
    const { id } = entryRef(lane, height, index)
    const place = { lane, height, index, entry: id }
    const when = { time: unixMillis(time.ms), counter: time.counter }
    return { ...place, ...when, kind, actor, subject, payload: payloadOf(row) }
  })
}

function payloadOf(row: Row): unknown {
  if (row.payload.length === 0) return null
  try {
    return decodeCbor(row.payload.subarray(SALT_BYTES))
  } catch {
    return null // Damaged: `verify` names it.
  }
}
