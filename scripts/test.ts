// Runs everything that continuous integration runs, shard after shard, and closes with one line over
// all of them: `N passed, N failed`. A shard of tests that ran none has failed, whatever its exit code.
//
//   node scripts/test.ts              every shard
//   node scripts/test.ts chaos docs   those shards

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import process, { argv, exit, kill, stderr, stdout } from 'node:process'
import { millis } from '../core/index.ts'
import { systemClock } from '../core/system.ts'
import { addTallies, EMPTY_TALLY, summaryLine, tallyOf } from './tally.ts'
import type { Tally } from './tally.ts'

interface Shard {
  readonly name: string
  readonly script: string
  /** A check has a verdict; tests have a count. */
  readonly kind: 'check' | 'tests'
  /** Long enough for a machine three times slower than CI's, short enough to end a hang. */
  readonly minutesMax: number
}

const SHARDS: readonly Shard[] = [
  { name: 'format', script: 'check:format', kind: 'check', minutesMax: 5 },
  { name: 'lint', script: 'check:lint', kind: 'check', minutesMax: 5 },
  { name: 'types', script: 'check:types', kind: 'check', minutesMax: 5 },
  { name: 'dead', script: 'check:dead', kind: 'check', minutesMax: 5 },
  { name: 'fast', script: 'test:fast', kind: 'tests', minutesMax: 10 },
  { name: 'chaos', script: 'test:chaos', kind: 'tests', minutesMax: 20 },
  { name: 'netns', script: 'test:netns', kind: 'tests', minutesMax: 15 },
  { name: 'soak', script: 'test:soak', kind: 'tests', minutesMax: 10 },
  { name: 'docs', script: 'test:docs', kind: 'tests', minutesMax: 15 },
  { name: 'pack', script: 'test:pack', kind: 'tests', minutesMax: 10 }
]

let running: ChildProcess | null = null
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    endRunning()
    exit(1)
  })
}

let total = EMPTY_TALLY
const verdicts: string[] = []
for (const shard of chosenShards(argv.slice(2))) {
  stdout.write(`\n=== ${shard.name}: npm run ${shard.script}\n`)
  const { tally, verdict } = await runShard(shard)
  total = addTallies(total, tally)
  verdicts.push(`${shard.name.padEnd(8)}${verdict}`)
}
stdout.write(`\n${verdicts.join('\n')}\n\n${summaryLine(total)}\n`)
process.exitCode = total.failed === 0 ? 0 : 1

function chosenShards(names: readonly string[]): readonly Shard[] {
  const unknown = names.find((name) => !SHARDS.some((shard) => shard.name === name))
  if (unknown !== undefined) {
    const known = SHARDS.map((shard) => shard.name).join(', ')
    stderr.write(`Cannot run shard '${unknown}': the shards are ${known}\n`)
    exit(2)
  }
  return names.length === 0 ? SHARDS : SHARDS.filter((shard) => names.includes(shard.name))
}

async function runShard(shard: Shard): Promise<{ tally: Tally; verdict: string }> {
  const startedAt = systemClock.now()
  const { code, output, isOverdue } = await run(shard)
  const seconds = `${((systemClock.now() - startedAt) / 1000).toFixed(1)} s`
  const counted = shard.kind === 'tests' ? tallyOf(output) : EMPTY_TALLY
  const isEmpty = counted === null || counted.passed + counted.failed === 0
  // A runner that exits non-zero without a failed test has failed all the same.
  const hasFailed = code !== 0 || (shard.kind === 'tests' && isEmpty)
  const tally = counted ?? EMPTY_TALLY
  const failed = Math.max(tally.failed, hasFailed ? 1 : 0)
  const kept = { ...tally, failed }
  const counts = shard.kind === 'check' ? '' : `, ${summaryLine(kept)}`
  if (isOverdue) return { tally: kept, verdict: `FAILED: ended after ${shard.minutesMax} minutes` }
  if (shard.kind === 'tests' && isEmpty) {
    return { tally: kept, verdict: `FAILED: exit ${code}, ran no test to its end` }
  }
  if (failed > 0) return { tally: kept, verdict: `FAILED: exit ${code}, ${seconds}${counts}` }
  return { tally: kept, verdict: `ok: ${seconds}${counts}` }
}

interface Run {
  readonly code: number | null
  readonly output: string
  readonly isOverdue: boolean
}

/** Streams the shard's output, and keeps it for the count. */
async function run(shard: Shard): Promise<Run> {
  // A group of its own: when its time is up, or ours, all that it started ends with it.
  const child = spawn('npm', ['run', '--silent', shard.script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true
  })
  running = child
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    stdout.write(text)
  })
  const { promise: ended, resolve } = Promise.withResolvers<number | null>()
  child.on('close', (code) => resolve(code))
  child.on('error', (error) => {
    stderr.write(`${error.message}\n`)
    resolve(null)
  })
  const watch = new AbortController()
  const overdue = endAfter(shard.minutesMax, watch.signal)
  const code = await ended
  watch.abort()
  running = null
  return { code, output, isOverdue: await overdue }
}

/** Whether the time was up, and the shard ended by us, before `signal` said that it had ended. */
async function endAfter(minutes: number, signal: AbortSignal): Promise<boolean> {
  try {
    await systemClock.sleep(millis(minutes * 60_000), signal)
  } catch {
    return false // The shard ended in time.
  }
  endRunning()
  return true
}

function endRunning(): void {
  if (running?.pid === undefined || running.exitCode !== null) return
  try {
    kill(-running.pid, 'SIGKILL')
  } catch {
    // The group ended between the look and the signal.
  }
}
