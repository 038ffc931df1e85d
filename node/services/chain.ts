import { entryId } from '../../chain/index.ts'
import type { LogEntry } from '../../chain/index.ts'
import { toHex, unixMillis, WeaverError } from '../../core/index.ts'
import type { NodeId } from '../../core/index.ts'
import type { Mesh } from '../../mesh/index.ts'
import type { ChainEntry, ChainLane, ChainLogQuery, Json } from '../api/index.ts'
import { CLOCK_TOLERANCE_MS } from '../limits.ts'
import { laneName, resolveEntry, resolveNode, resolveProcess } from '../resolve.ts'
import type { Rooms } from '../rooms.ts'
import type { KernelService, Streamed, StreamOptions } from '../service.ts'
import { checkpointView, exportStream, proofOf } from './chain-proofs.ts'
import { Story } from './chain-story.ts'
import { keepLanes } from './chain-keep.ts'
import { rotateKey } from './chain-rotation.ts'
import { redact, repair, verify, verifySteps } from './chain-upkeep.ts'

type ChainOperations = Pick<
  KernelService,
  | 'chainStatus'
  | 'verifyChain'
  | 'verifySteps'
  | 'redactEntry'
  | 'keepLanes'
  | 'rotateKey'
  | 'repairChain'
  | 'chainLog'
  | 'chainEntry'
  | 'chainProof'
  | 'exportChain'
>

export function chainOperations(rooms: Rooms): ChainOperations {
  const { chain, mesh } = rooms
  return {
    chainStatus: () => {
      const lanes = chain
        .status()
        .map(({ lane, height, entries, head, state, heir, checkpoint, clockAheadMs, ...rest }) => ({
          node: mesh.nameOf(lane),
          nodeId: lane,
          height,
          entries,
          head: head === null ? '' : toHex(head),
          ...clockOf(rooms, lane, clockAheadMs),
          checkpoint: checkpointView(mesh, checkpoint),
          state: state === 'behind' && rest.keeping === 'none' ? ('unkept' as const) : state,
          kept: rest.keeping,
          bytes: rest.bytes,
          heir
        }))
      return { mesh: mesh.meshId(), lanes: lanes.toSorted((a, b) => (a.node < b.node ? -1 : 1)) }
    },
    verifyChain: (query, signal) => verify(rooms, query, signal),
    verifySteps: async (query, options) => verifySteps(rooms, query, options),
    keepLanes: (wish) => keepLanes(rooms, wish),
    rotateKey: () => rotateKey(rooms),
    redactEntry: (request) => redact(rooms, request),
    repairChain: (lane, signal) => repair(rooms, lane, signal),
    chainLog: async (query, options) => logStream(rooms, query, options),
    chainProof: async (entry, { payload }) => {
      return proofOf(rooms, resolveEntry(rooms, entry).id, payload)
    },
    exportChain: async (lane, options) => exportStream(rooms, lane, options),
    chainEntry: async (text) => {
      const entry = await chain.entry(resolveEntry(rooms, text).id)
      if (entry !== null) return entryView(rooms, entry)
      throw new WeaverError(
        'CHAIN_ENTRY_NOT_FOUND',
        `Cannot find chain entry ${text.slice(0, 96)}`,
        {
          detail: { hint: 'weaver chain log shows entries with their ids' }
        }
      )
    }
  }
}

/** What its entries and its cosignatures say of the clock of a lane's node; 0 within the tolerance. */
function clockOf(
  { witness }: Rooms,
  lane: NodeId,
  entriesAheadMs: number
): Pick<ChainLane, 'clockAheadMs' | 'clockBehindMs'> {
  const offset = witness.clockOffsetMs(lane) ?? 0
  const isOff = Math.abs(offset) > CLOCK_TOLERANCE_MS
  return {
    clockAheadMs: Math.max(entriesAheadMs, isOff ? offset : 0),
    clockBehindMs: isOff ? Math.max(0, -offset) : 0
  }
}

async function* logStream(
  rooms: Rooms,
  query: ChainLogQuery,
  options: StreamOptions
): AsyncGenerator<Streamed<ChainEntry>, void, void> {
  const { chain, mesh } = rooms
  // A stream that resumes begins with what came after the last entry its reader saw.
  const seen = options.after === null ? null : await chain.entry(options.after)
  const { signal } = options
  const story = query.process === null ? null : await storyOf(rooms, query.process, signal)
  const since = Math.max(query.since ?? 0, seen?.time ?? 0)
  const entries = chain.log({
    ...(query.kind === null ? {} : { kind: query.kind }),
    ...(query.actor === null ? {} : { actor: actorText(mesh, query.actor) }),
    ...(query.lane === null ? {} : { lane: resolveNode(mesh, query.lane) }),
    ...(since === 0 ? {} : { from: unixMillis(since) }),
    ...(query.until === null ? {} : { before: unixMillis(query.until) }),
    ...(story === null ? {} : { where: (entry) => story.takes(entry) }),
    ...(seen === null ? { last: query.lines } : {}),
    follow: query.follow,
    signal
  })
  for await (const entry of entries) {
    if (seen === null || isAfter(entry, seen)) {
      yield { id: entry.entry, item: entryView(rooms, entry) }
    }
  }
}

/** A pid and node name one process; a name all that ever had it, on any node, also long ended ones. */
async function storyOf(rooms: Rooms, text: string, signal: AbortSignal): Promise<Story> {
  const { mesh, table, chain } = rooms
  const [, pid, at] = /^(\d{1,15})(?:@(.+))?$/.exec(text) ?? []
  const gpid = pid === undefined ? null : `${pid}@${nodeName(mesh, at ?? mesh.name)}`
  const rows = table.all().filter((row) => (gpid === null ? row.name === text : row.gpid === gpid))
  const subjects = rows.map((row) => `process:${row.gpid}`)
  const story = new Story(
    gpid === null ? subjects : [`process:${gpid}`, ...subjects],
    gpid === null ? text : null,
    (lane) => laneName(mesh, lane)
  )
  await story.learn(chain, { signal })
  // What was never started has no story; the resolver says what there is to choose from.
  if (story.isEmpty) resolveProcess(mesh, table, text)
  return story
}

/** A node that has left keeps the name under which its processes were recorded. */
function nodeName(mesh: Mesh, text: string): string {
  const member = text === mesh.name ? null : mesh.member(text)
  return member?.name ?? text
}

/** `node:laptop` and `laptop` as entries have it, `node:<NodeId>`; anything else as it is. */
function actorText(mesh: Mesh, text: string): string {
  const [, node] = /^(?:node:)?([^:]+)$/.exec(text) ?? []
  return node === undefined ? text : `node:${resolveNode(mesh, node)}`
}

function isAfter(entry: LogEntry, seen: LogEntry): boolean {
  if (entry.time !== seen.time) return entry.time > seen.time
  if (entry.counter !== seen.counter) return entry.counter > seen.counter
  return entry.lane > seen.lane
}

function entryView({ mesh, chain }: Rooms, entry: LogEntry): ChainEntry {
  const ref = entryId(entry.entry)
  const redactedBy = entry.payload === null ? (chain.upkeep.redactionOf(ref)?.id ?? null) : null
  return {
    node: laneName(mesh, entry.lane),
    lane: entry.lane,
    height: entry.height,
    index: entry.index,
    entry: entry.entry,
    time: entry.time,
    kind: entry.kind,
    actor: entry.actor,
    subject: entry.subject,
    payload: jsonOf(entry.payload),
    redactedBy,
    isPayloadKept: entry.payload !== null || redactedBy !== null || !chain.lacksPayloads(entry.lane)
  }
}

/** Bytes show as hexadecimal text, integers past 2^53 as decimal text. */
function jsonOf(value: unknown): Json {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number') return value
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Uint8Array) return toHex(value)
  if (Array.isArray(value)) return value.map(jsonOf)
  if (typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, jsonOf(inner)]))
  }
  return null
}
