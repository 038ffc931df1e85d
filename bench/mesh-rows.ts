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
  | { readonly kind: 'seen'; readonly seen: readonly (readonly [key: string, latencyMs: number])[] }

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

async function run(print: Print): Promise<void> {
  const members: ChildProcess[] = []
  try {
    await startMembers(members)
    const latencies = { rows: [] as number[], bare: [] as number[] }
    let lost = 0
    for (let round = -1; round < ROUNDS; round++) {
      for (const kind of ['rows', 'bare'] as const) {
        for (const member of members) member.send(kind)
        await delay(ROUND_MS + DRAIN_MS)
        const { all, missing } = await collect(members)
        if (round < 0) continue // Warm-up.
        latencies[kind].push(...all)
        if (kind === 'rows') lost += missing
      }
    }
    const [rows, bare] = [summary(latencies.rows), summary(latencies.bare)]
    print(`  rows:               p50 ${ms(rows.p50)}, p99 ${ms(rows.p99)}, ${rows.count} changes`)
    print(`  bare notifications: p50 ${ms(bare.p50)}, p99 ${ms(bare.p99)}, ${bare.count} texts`)
    print(`  ratio of the p99: ${ratio(rows.p99, bare.p99)}; changes not seen by all: ${lost}`)
    print(goalLine('p99 on all', ms(rows.p99), '<= 250 ms', rows.p99 <= 250 && lost === 0))
  } finally {
    for (const member of members) if (member.connected) member.disconnect()
  }
}

function summary(all: readonly number[]): { p50: number; p99: number; count: number } {
  return { p50: percentile(all, 0.5), p99: percentile(all, 0.99), count: all.length }
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
async function collect(
  members: readonly ChildProcess[]
): Promise<{ readonly all: readonly number[]; readonly missing: number }> {
  const slowest = new Map<string, { count: number; latencyMs: number }>()
  const reports = members.map((member) => reportOf(member, 'seen'))
  for (const member of members) member.send('report')
  for (const report of await Promise.all(reports)) {
    if (report.kind !== 'seen') continue
    for (const [key, latencyMs] of report.seen) {
      const known = slowest.get(key) ?? { count: 0, latencyMs: 0 }
      known.count += 1
      known.latencyMs = Math.max(known.latencyMs, latencyMs)
      slowest.set(key, known)
    }
  }
  const changes = [...slowest.values()]
  const whole = changes.filter(({ count }) => count === ROWS_MEMBERS - 1)
  return { all: whole.map(({ latencyMs }) => latencyMs), missing: changes.length - whole.length }
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
