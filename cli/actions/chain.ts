import { LOG_LINES_MAX } from '../../node/api/index.ts'
import type { ChainEntry, ChainLane } from '../../node/api/index.ts'
import type { Context, Runner } from '../command.ts'
import { EXIT, usageError } from '../errors.ts'
import { pairs } from '../output.ts'
import type { Column } from '../output.ts'
import { paint, stateColour } from '../paint.ts'
import { durationText, sizeText, timeText } from '../quantity.ts'
import { counted } from './chain-report.ts'

const LANE_COLUMNS: readonly Column<ChainLane>[] = [
  { title: 'NODE', text: ({ node }) => node },
  { title: 'STATE', text: ({ state }) => state, colour: ({ state }) => stateColour(state) },
  { title: 'HEIGHT', text: ({ height }) => String(height), isRight: true },
  { title: 'ENTRIES', text: ({ entries }) => String(entries), isRight: true },
  {
    title: 'KEPT',
    text: ({ kept }) => kept,
    colour: ({ kept }) => (kept === 'whole' ? null : 'yellow')
  },
  { title: 'SIZE', text: ({ bytes }) => sizeText(bytes), isRight: true },
  {
    title: 'CLOCK',
    text: ({ clockAheadMs, clockBehindMs }) => {
      if (clockBehindMs > 0) return `${durationText(clockBehindMs)} behind`
      return clockAheadMs === 0 ? 'ok' : `${durationText(clockAheadMs)} ahead`
    },
    colour: ({ clockAheadMs, clockBehindMs }) =>
      clockAheadMs + clockBehindMs === 0 ? null : 'yellow'
  },
  {
    title: 'CHECKPOINT',
    text: ({ checkpoint }) =>
      checkpoint === null ? '-' : `${checkpoint.size} by ${witnessText(checkpoint.witnesses)}`
  },
  {
    title: 'GOES ON AS',
    text: ({ heir }) => heir ?? '-'
  },
  { title: 'HEAD', text: ({ head }) => head.slice(0, 16) },
  { title: 'ID', text: ({ nodeId }) => nodeId }
]

/** By name, as far as they fit on a line. */
function witnessText(witnesses: readonly string[]): string {
  if (witnesses.length === 0) return 'no witness'
  const shown = witnesses.slice(0, WITNESSES_SHOWN).join(', ')
  const rest = witnesses.length - WITNESSES_SHOWN
  return rest > 0 ? `${shown} and ${counted(rest, 'more witness', 'more witnesses')}` : shown
}

const WITNESSES_SHOWN = 3

export const status: Runner = async ({ client, output }) => {
  const document = await client.chainStatus()
  if (output.isJson) await output.document(document, String)
  else await output.rows(document.lanes, LANE_COLUMNS, 'no lanes')
  return EXIT.done
}

/** Under `--json` always one entry a line, followed or not. */
export const log: Runner = async ({ client, output }, args) => {
  const entries = client.chainLog({
    lines: args.count('lines', 20, [0, LOG_LINES_MAX]),
    kind: args.text('kind'),
    process: args.text('process'),
    actor: args.text('actor'),
    lane: laneOf(args.text('node'), args.text('lane')),
    since: await timeOf('since', args.text('since')),
    until: await timeOf('until', args.text('until')),
    follow: args.flag('follow')
  })
  const names = output.isJson ? new Map<string, string>() : await namesOf(client)
  for await (const { item } of entries) await output.item(item, (entry) => lineText(entry, names))
  return EXIT.done
}

function laneOf(node: string | null, lane: string | null): string | null {
  if (node !== null && lane !== null && node !== lane) {
    throw usageError('--node and --lane both say whose entries to show: give one of them')
  }
  return node ?? lane
}

/** `2h` ago, or a date as `2026-11-21` or `2026-11-21T02:30` in local time. */
async function timeOf(name: string, text: string | null): Promise<number | null> {
  if (text === null) return null
  const [, amount, unit] = /^(\d{1,6})(ms|s|m|h|d)$/.exec(text) ?? []
  if (amount !== undefined && unit !== undefined) {
    return Math.max(0, (await wallMs()) - Number(amount) * (UNIT_MS[unit] ?? 0))
  }
  // Without an hour a date would be read as UTC, with one as local time: be local in both.
  const time = await parsedTime(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00` : text)
  if (/^\d{4}-/.test(text) && time >= 0) return time
  throw usageError(`--${name} '${text}' is neither a duration (2h) nor a date (2026-11-21T02:30)`)
}

async function parsedTime(text: string): Promise<number> {
  return (await import('../clock.ts')).parsedTime(text)
}

async function wallMs(): Promise<number> {
  return (await import('../clock.ts')).wallMs()
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000
}

/** Nodes by what people call them: an auditor reads `node:laptop`, a file says the key. */
async function namesOf(client: Context['client']): Promise<ReadonlyMap<string, string>> {
  const { lanes } = await client.chainStatus()
  return new Map(lanes.map(({ node, nodeId }) => [`node:${nodeId}`, `node:${node}`]))
}

function lineText(entry: ChainEntry, names: ReadonlyMap<string, string>): string {
  const { time, node, lane, height, index, kind, payload, redactedBy, isPayloadKept } = entry
  // Shown where it says more than the lane does.
  const actor = entry.actor === `node:${lane}` ? '' : `${names.get(entry.actor) ?? entry.actor} -> `
  const subject = names.get(entry.subject) ?? entry.subject
  return (
    `${paint(timeText(time), 'dim')}  ${height}.${index}@${node}  ${kind}  ${actor}${subject}` +
    (redactedBy === null ? '' : paint(`  payload redacted by ${redactedBy}`, 'yellow')) +
    (isPayloadKept ? '' : paint('  payload not kept here', 'dim')) +
    (payload === null ? '' : paint(`  ${JSON.stringify(payload)}`, 'dim'))
  )
}
export const show: Runner = async ({ client, output }, args) => {
  await output.document(await client.chainEntry(args.words[0] ?? ''), entryText)
  return EXIT.done
}

function payloadText({
  payload,
  redactedBy,
  isPayloadKept
}: ChainEntry): string | readonly string[] {
  if (redactedBy !== null) return `redacted by ${redactedBy}`
  return isPayloadKept
    ? JSON.stringify(payload, null, 2).split('\n')
    : 'not kept here: headers only'
}

function entryText(entry: ChainEntry): string {
  return pairs([
    ['entry', entry.entry],
    ['node', entry.node],
    ['lane', entry.lane],
    ['height', `${entry.height}, index ${entry.index}`],
    ['time', timeText(entry.time)],
    ['kind', entry.kind],
    ['actor', entry.actor],
    ['subject', entry.subject],
    ['payload', payloadText(entry)]
  ])
}
