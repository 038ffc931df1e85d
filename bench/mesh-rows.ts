// Rows on sixteen members at once: a change made on one, until all others show it.

import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { goalLine, ms, percentile, ratio } from './stats.ts'
import type { Bench, Print } from './stats.ts'

export const ROWS_MEMBERS: number = Number(process.env['WEAVER_BENCH_MEMBERS'] ?? 16)
/** By all of them together. */
export const ROWS_CHANGES_PER_SECOND = 200
const ROUNDS = 3
const ROUND_MS = 8000
/** For the last changes to arrive, and for the next round to begin at rest. */
const DRAIN_MS = 2000

/** What the members say to the bench. Times are of the monotonic clock that all processes share. */
export type RowsReport =
  | { readonly kind: 'ready'; readonly invites: readonly string[] }
  | { readonly kind: 'connected' }
  | {
      readonly kind: 'seen'
      /** How many changes this one has made since its last report, and what it has computed. */
      readonly made: number
      readonly cpuMs: number
      readonly seen: readonly (readonly [key: string, latencyMs: number])[]
    }

export type RowsOrder = 'rows' | 'bare' | 'report' | 'connect'

export const benches: readonly Bench[] = [
  {
    name: 'mesh-rows',
    title:
      `${ROWS_MEMBERS} members in processes of their own, ${ROWS_CHANGES_PER_SECOND} row changes a ` +
      'second by all together: until a change is visible on all',
    notMeasured:
      'whole kernels (it is the mesh of each, over libp2p); a real network; the way to a screen. ' +
      'The peer sends the same texts at the same rate as bare notifications, unsigned and unmerged',
    run
  }
]

interface Figures {
  readonly latencies: number[]
  made: number
  cpuMs: number
}

async function run(print: Print): Promise<void> {
  const members: ChildProcess[] = []
  try {
    await startMembers(members)
    const figures = { rows: noFigures(), bare: noFigures() }
    for (let round = -1; round < ROUNDS; round++) {
      for (const kind of ['rows', 'bare'] as const) {
        for (const member of members) member.send(kind)
        await delay(ROUND_MS + DRAIN_MS)
        const taken = await collect(members)
        if (round < 0) continue // Warm-up.
        figures[kind].latencies.push(...taken.latencies)
        figures[kind].made += taken.made
        figures[kind].cpuMs += taken.cpuMs
      }
    }
    printFigures(print, figures)
  } finally {
    for (const member of members) if (member.connected) member.disconnect()
  }
}

function noFigures(): Figures {
  return { latencies: [], made: 0, cpuMs: 0 }
}

function printFigures(print: Print, { rows, bare }: Record<'rows' | 'bare', Figures>): void {
  const p99 = { rows: percentile(rows.latencies, 0.99), bare: percentile(bare.latencies, 0.99) }
  for (const [name, each] of Object.entries({ rows, 'bare notifications': bare })) {
    const { latencies, made, cpuMs } = each
    const cores = cpuMs / (ROUNDS * (ROUND_MS + DRAIN_MS))
    print(
      `  ${name}: p50 ${ms(percentile(latencies, 0.5))}, p99 ${ms(percentile(latencies, 0.99))}, ` +
        `${latencies.length} of ${made} seen by all; all members together took ` +
        `${cores.toFixed(2)} cores, ${((1000 * cpuMs) / made / (ROWS_MEMBERS - 1)).toFixed(0)} us ` +
        'a change and receiver'
    )
  }
  print(`  ratio of the p99: ${ratio(p99.rows, p99.bare)}`)
  const lost = rows.made - rows.latencies.length
  print(goalLine('p99 on all', ms(p99.rows), '<= 250 ms', p99.rows <= 250 && lost === 0))
}

async function startMembers(members: ChildProcess[]): Promise<void> {
  const main = fileURLToPath(new URL('mesh-rows-member.ts', import.meta.url))
  let invites: readonly string[] = []
  for (let index = 0; index < ROWS_MEMBERS; index++) {
    const invite = invites[index - 1]
    const member = fork(main, [`m${index}`, ...(invite === undefined ? [] : [invite])])
    members.push(member)
    const report = await reportOf(member, 'ready')
    if (index === 0 && report.kind === 'ready') ({ invites } = report)
  }
  const connected = members.map((member) => reportOf(member, 'connected'))
  for (const member of members) member.send('connect')
  await Promise.all(connected)
}

/** For each change that all others have seen, how long the last of them took. */
async function collect(members: readonly ChildProcess[]): Promise<Figures> {
  const slowest = new Map<string, { count: number; latencyMs: number }>()
  const reports = members.map((member) => reportOf(member, 'seen'))
  for (const member of members) member.send('report')
  const figures = noFigures()
  for (const report of await Promise.all(reports)) {
    if (report.kind !== 'seen') continue
    figures.made += report.made
    figures.cpuMs += report.cpuMs
    for (const [key, latencyMs] of report.seen) {
      const known = slowest.get(key) ?? { count: 0, latencyMs: 0 }
      known.count += 1
      known.latencyMs = Math.max(known.latencyMs, latencyMs)
      slowest.set(key, known)
    }
  }
  for (const { count, latencyMs } of slowest.values()) {
    if (count === ROWS_MEMBERS - 1) figures.latencies.push(latencyMs)
  }
  return figures
}

function reportOf(member: ChildProcess, kind: RowsReport['kind']): Promise<RowsReport> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null): void => reject(new Error(`a member ended with ${code}`))
    const onMessage = (report: RowsReport): void => {
      if (report.kind !== kind) return
      member.off('message', onMessage)
      member.off('exit', onExit)
      resolve(report)
    }
    member.on('message', onMessage)
    member.on('exit', onExit)
  })
}

function delay(duration: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration))
}

export const ROWS_ROUND_MS: number = ROUND_MS
