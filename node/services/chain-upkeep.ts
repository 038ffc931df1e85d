// Redaction, repair, and verification with progress.

import { REDACTED_KIND, redactionSubject } from '../../chain/index.ts'
import type { Problem, VerifyProgress, VerifyReport } from '../../chain/index.ts'
import { WeaverError } from '../../core/index.ts'
import type { Mesh } from '../../mesh/index.ts'
import type {
  ChainProblem,
  ChainRedaction,
  ChainRedactionRequest,
  ChainRepair,
  ChainReport,
  ChainVerifyQuery,
  ChainVerifyStep
} from '../api/index.ts'
import { repairSource } from '../chain-repair.ts'
import { noteFilled } from './chain-keep.ts'
import { Feed } from '../feed.ts'
import { resolveEntry, resolveNode } from '../resolve.ts'
import type { Rooms } from '../rooms.ts'
import type { Streamed, StreamOptions } from '../service.ts'

/** Steps of one verification that its reader has not yet taken: of older ones nobody needs to know. */
const STEPS_KEPT = 16

export async function verify(
  rooms: Rooms,
  query: ChainVerifyQuery,
  signal: AbortSignal,
  onProgress?: (progress: VerifyProgress) => void
): Promise<ChainReport> {
  const { chain, mesh } = rooms
  const report = await chain.verify({
    ...(query.lane === null ? {} : { lane: resolveNode(mesh, query.lane) }),
    ...(onProgress === undefined ? {} : { onProgress }),
    isFull: query.full,
    signal
  })
  return reportView(mesh, report)
}

/** How far it is, and at last the report. */
export async function* verifySteps(
  rooms: Rooms,
  query: ChainVerifyQuery,
  { signal }: StreamOptions
): AsyncGenerator<Streamed<ChainVerifyStep>, void, void> {
  const steps = new Feed<ChainVerifyStep>('verify', STEPS_KEPT)
  const leaving = new AbortController()
  const ended = AbortSignal.any([signal, leaving.signal])
  const none = { lane: null, height: 0, heightMax: 0, blocks: 0, entries: 0 }
  const verifying = verify(rooms, query, ended, ({ lane, ...progress }) => {
    steps.publish({ ...progress, lane: rooms.mesh.nameOf(lane), report: null })
  })
    .then((report) => steps.publish({ ...none, report }))
    .finally(() => steps.close())
  verifying.catch(() => undefined) // Awaited below, unless the reader leaves.
  try {
    yield* steps.stream('verify.0', ended)
    if (!signal.aborted) await verifying
  } finally {
    leaving.abort()
  }
}

function reportView(mesh: Mesh, report: VerifyReport): ChainReport {
  const { ok, lanes, blocks, entries, signatures, unchanged, unread } = report
  const headersOnly = report.headersOnly.map((lane) => mesh.nameOf(lane))
  const problems = report.problems.map((problem) => problemView(mesh, problem))
  const totals = { ok, lanes, blocks, entries, signatures, unchanged, unread }
  return { ...totals, headersOnly, problems }
}

function problemView(mesh: Mesh, problem: Problem): ChainProblem {
  const { lane, height, entry, code, message } = problem
  const id = entry === null ? null : `${height}.${entry}@${lane}`
  return { lane: mesh.nameOf(lane), height, entry: id, code, message }
}

/**
 * Records who takes back what and why, then takes it back here; the others follow as the entry reaches
 * them.
 * @throws RedactionDeniedError `CHAIN_REDACTION_DENIED`; WeaverError `CHAIN_ENTRY_NOT_FOUND`, `CHAIN_REDACTED_TWICE`
 */
export async function redact(
  rooms: Rooms,
  request: ChainRedactionRequest
): Promise<ChainRedaction> {
  const { chain, gate } = rooms
  const target = resolveEntry(rooms, request.entry)
  chain.upkeep.checkMayRedact(target.lane)
  if ((await chain.entry(target.id)) === null) {
    throw new WeaverError('CHAIN_ENTRY_NOT_FOUND', `Cannot find chain entry ${target.id}`, {
      detail: { hint: 'weaver chain log shows entries with their ids' }
    })
  }
  const known = chain.upkeep.redactionOf(target)
  if (known !== null) {
    throw new WeaverError(
      'CHAIN_REDACTED_TWICE',
      `Cannot redact entry ${target.id}: entry ${known.id} has done so already`
    )
  }
  const resource = redactionSubject(target)
  const { reason } = request
  const permit = await gate.authorizeWith(
    { principal: { kind: 'owner' }, action: 'chain.redact', resource, context: { reason } },
    [{ kind: REDACTED_KIND, actor: 'user:local', subject: resource, payload: { reason } }]
  )
  const [by] = permit.entries
  return { entry: target.id, by: by?.id ?? '', reason }
}

export async function repair(
  rooms: Rooms,
  lane: string | null,
  signal: AbortSignal
): Promise<ChainRepair> {
  const { chain, mesh, self, ledger } = rooms
  const options = lane === null ? {} : { lane: resolveNode(mesh, lane) }
  const repairs = await chain.repair(repairSource(rooms), { ...options, signal })
  await noteFilled(rooms, repairs)
  const done = repairs.filter(({ repaired }) => repaired > 0)
  await ledger.record(
    done.map(({ lane: id, damaged, repaired }) => ({
      kind: 'chain.repaired',
      actor: 'user:local',
      subject: `node:${id}`,
      payload: { by: self, damaged, repaired }
    }))
  )
  const lanes = repairs.map(({ lane: id, damaged, repaired, missing }) => {
    return { lane: mesh.nameOf(id), damaged, repaired, missing: [...missing] }
  })
  return { ok: repairs.every(({ missing }) => missing.length === 0), lanes }
}
