// Checks a file with nothing but the verifier: no kernel is asked, no home is read.

import { createReadStream } from 'node:fs'
import process from 'node:process'
import { decode, hex, nodePrimitives, verifyFile } from '../../chain/offline/index.ts'
import type { OfflineProblem, OfflineReport, Value } from '../../chain/offline/index.ts'
import type { Runner } from '../command.ts'
import { CliError, EXIT } from '../errors.ts'
import { oneLine } from '../output.ts'
import { paint } from '../paint.ts'
import { timeText } from '../quantity.ts'
import { BlockThreads } from './verify-threads.ts'

/** The fields of cli.md, and what only a file has. */
interface VerifyDocument {
  readonly ok: boolean
  readonly lanes: number
  readonly blocks: number
  readonly entries: number
  readonly signatures: number
  readonly problems: readonly {
    readonly lane: string | null
    readonly height: number | null
    readonly entry: string | null
    readonly code: string
    readonly message: string
  }[]
  readonly format: string
  readonly mesh: string | null
  readonly members: OfflineReport['members']
  readonly checkpoints: OfflineReport['checkpoints']
  readonly payloadsAbsent: number
  readonly entry: unknown
  /** The entry that took its payload back, where the file shows that. */
  readonly redaction: unknown
}

export const verify: Runner = async ({ output }, args) => {
  const [path = ''] = args.words
  const witnesses = args.count('witnesses', 0)
  const report = await checked(path)
  const wanted = demands(report, args.text('mesh'), witnesses)
  const document = documentOf(report, wanted)
  await output.document(document, textOf)
  return document.ok ? EXIT.done : EXIT.failed
}

async function checked(path: string): Promise<OfflineReport> {
  const threads = new BlockThreads()
  try {
    return await verifyFile(nodePrimitives, bytesOf(path), threads)
  } finally {
    await threads.stop()
  }
}

async function* bytesOf(path: string): AsyncGenerator<Uint8Array> {
  try {
    const stream: AsyncIterable<Uint8Array> =
      path === '-' ? process.stdin : createReadStream(path, { highWaterMark: 1024 * 1024 })
    yield* stream
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new CliError('CLI_FILE_UNREADABLE', `Cannot read '${path}': ${why}`)
  }
}

/** What the user asked for beyond what the file says of itself. */
function demands(
  { mesh, checkpoints, lanes }: OfflineReport,
  meshWanted: string | null,
  witnesses: number
): readonly OfflineProblem[] {
  const problems: OfflineProblem[] = []
  const add = (lane: string | null, code: string, message: string): void => {
    problems.push({ lane, height: null, entry: null, code, message })
  }
  if (meshWanted !== null && mesh !== meshWanted) {
    add(null, 'CHAIN_MESH_OTHER', `The file is of mesh ${mesh ?? 'unknown'}, not of ${meshWanted}`)
  }
  for (const checkpoint of checkpoints) {
    const has = checkpoint.witnesses.length
    if (has >= witnesses) continue
    const message = `The checkpoint is cosigned by ${has} members, not by ${witnesses}`
    add(checkpoint.lane, 'CHAIN_WITNESSES_MISSING', message)
  }
  if (witnesses > 0 && checkpoints.length < lanes) {
    add(
      null,
      'CHAIN_WITNESSES_MISSING',
      'A lane has no checkpoint that anybody could have cosigned'
    )
  }
  return problems
}

function documentOf(report: OfflineReport, wanted: readonly OfflineProblem[]): VerifyDocument {
  const { ok, lanes, blocks, entries, signatures, format, mesh, members, checkpoints } = report
  const problems = [...report.problems, ...wanted].map(({ entry, ...problem }) => {
    const { lane, height } = problem
    const id = entry === null || height === null ? null : `${height}.${entry}@${lane ?? ''}`
    return { lane, height, entry: id, code: problem.code, message: problem.message }
  })
  return {
    ok: ok && wanted.length === 0,
    lanes,
    blocks,
    entries,
    signatures,
    problems,
    format,
    mesh,
    members,
    checkpoints,
    payloadsAbsent: report.payloadsAbsent,
    entry: entryOf(report.entry),
    redaction: entryOf(report.redaction)
  }
}

function entryOf(entry: OfflineReport['entry']): unknown {
  if (entry === null) return null
  const { payload } = entry
  return { ...entry, payload: payload && jsonOf(decode(payload)) }
}

/** As `weaver chain show` has it: bytes as hexadecimal text, integers past 2^53 as decimal text. */
function jsonOf(value: Value): unknown {
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Uint8Array) return hex(value)
  if (value instanceof Map) {
    return Object.fromEntries(Array.from(value, ([key, inner]) => [key, jsonOf(inner)]))
  }
  return Array.isArray(value) ? value.map(jsonOf) : value
}

function textOf(document: VerifyDocument): string {
  const { ok, lanes, blocks, entries, signatures, problems, checkpoints, members } = document
  const verdict = paint(ok ? 'ok' : 'NOT OK', ok ? 'green' : 'red')
  const counts = `lanes ${lanes}, blocks ${blocks}, entries ${entries}, signatures ${signatures}`
  const names = new Map(members.map(({ node, name }) => [node, name]))
  return [
    `${verdict}: ${document.format}; ${counts}`,
    `mesh ${document.mesh ?? 'unknown'}`,
    ...entryLines('entry', document.entry, document.redaction !== null),
    ...entryLines('redacted by', document.redaction, false),
    ...checkpoints.map(({ lane, size, witnesses, hasMlDsa }) => {
      const by = witnesses.map(({ name }) => name).join(', ') || 'nobody'
      const keys = hasMlDsa ? 'Ed25519 and ML-DSA-44' : 'Ed25519'
      return `checkpoint of ${names.get(lane) ?? lane} at ${size}: ${keys}, witnessed by ${by}`
    }),
    ...problems.map(({ lane, message, code }) => {
      return `  ${lane === null ? '' : `lane ${names.get(lane) ?? lane}: `}${message} (${code})`
    })
  ]
    .map(oneLine)
    .join('\n')
}

function entryLines(what: string, entry: unknown, isRedacted: boolean): readonly string[] {
  if (typeof entry !== 'object' || entry === null) return []
  const fields = new Map<string, unknown>(Object.entries(entry))
  const time = fields.get('time')
  const payload = fields.get('payload')
  const absent = `payload ${isRedacted ? 'redacted' : 'redacted or left out'}; its hash stands`
  return [
    `${what} ${String(fields.get('id'))}`,
    `  ${typeof time === 'number' ? timeText(time) : ''}  ${String(fields.get('kind'))}`,
    `  ${String(fields.get('actor'))} -> ${String(fields.get('subject'))}`,
    `  ${payload === null ? absent : JSON.stringify(payload)}`
  ]
}
