// What the way out of a contained process costs: curl inside, through the proxy, beside curl outside, straight to the
// same server on loopback.

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { DEFAULT_SANDBOX, millis, parseGrant, pid } from '../core/index.ts'
import { systemClock } from '../core/system.ts'
import { detectContainment } from '../node/containment/detect.ts'
import { openContainment } from '../node/containment/index.ts'
import { EgressProxies } from '../node/egress/index.ts'
import { RealProcessHost } from '../node/processes/host.ts'
import { systemProcesses } from '../node/processes/system-processes.ts'
import { silentLog } from '../test/doubles/silent-log.ts'
import { startHttpServer } from './peers/http-server.ts'
import { goalLine, median, percentile, printTable, ratio } from './stats.ts'
import type { Bench, Print } from './stats.ts'

const BYTES = 1024 * 1024 * 1024
const SMALL_BYTES = 200
const ROUNDS = 5
const REQUESTS = 300

export const benches: readonly Bench[] = [
  {
    name: 'egress',
    title: `an HTTP download of 1 GiB, and requests of ${SMALL_BYTES} bytes`,
    notMeasured: 'TLS, name resolution, the durable entry about a destination that is new',
    run: egressBench
  }
]

/** Runs curl with these arguments, and resolves with what it says. */
type Curl = (args: readonly string[]) => Promise<string>

async function egressBench(print: Print): Promise<void> {
  const detected = await detectContainment(process.platform, process.arch)
  if (detected.name !== 'bubblewrap' || !existsSync('/usr/bin/curl')) {
    print('  skipped: needs bubblewrap and curl')
    return
  }
  const server = await startHttpServer()
  const inside = await openInside(server.port)
  try {
    const contenders = [inside.curl, outside]
    const bulk = await inTurns(contenders, (curl) => downloaded(curl, server.port))
    const kept = await inTurns(contenders, (curl) => latencies(curl, server.port, 'kept'))
    const fresh = await inTurns(contenders, (curl) => latencies(curl, server.port, 'fresh'))
    printAll(print, { bulk, kept, fresh })
  } finally {
    await inside.stop()
    await server.stop()
  }
}

/** For each contender what it measured, all rounds; the first is warm-up. */
async function inTurns(
  contenders: readonly Curl[],
  measure: (curl: Curl) => Promise<readonly number[]>
): Promise<readonly (readonly number[])[]> {
  const taken = contenders.map((): number[] => [])
  for (let round = -1; round < ROUNDS; round += 1) {
    for (const [index, curl] of contenders.entries()) {
      const figures = await measure(curl)
      if (round >= 0) taken[index]?.push(...figures)
    }
  }
  return taken
}

/** MB a second. */
async function downloaded(curl: Curl, port: number): Promise<readonly number[]> {
  const url = `http://127.0.0.1:${port}/${BYTES}`
  const said = await curl(['-o', '/dev/null', '-w', '%{speed_download}\\n', url])
  return [Number(said) / 1e6]
}

/** Milliseconds of each request: over one connection, through the proxy as a tunnel, or each over its own. */
async function latencies(
  curl: Curl,
  port: number,
  how: 'kept' | 'fresh'
): Promise<readonly number[]> {
  const urls = `http://127.0.0.1:${port}/${SMALL_BYTES}?[1-${REQUESTS}]`
  const flags = how === 'kept' ? ['-p'] : ['-H', 'Connection: close']
  const said = await curl([...flags, '-o', '/dev/null', '-w', '%{time_total}\\n', urls])
  const times = said
    .trim()
    .split('\n')
    .map((line) => Number(line) * 1000)
  return how === 'kept' ? times.slice(1) : times
}

type Taken = readonly (readonly number[])[]

function printAll(
  print: Print,
  { bulk, kept, fresh }: { readonly bulk: Taken; readonly kept: Taken; readonly fresh: Taken }
): void {
  const names = ['contained, through the proxy', 'direct loopback']
  const [ownRate = Number.NaN, directRate = Number.NaN] = bulk.map((each) => median(each))
  printTable(print, [
    ['', 'MB/s', 'kept p50', 'p99', 'fresh p50', 'p99'],
    ...names.map((name, at) => [
      name,
      median(bulk[at] ?? []).toFixed(0),
      ...[kept, fresh].flatMap((taken) => [
        `${median(taken[at] ?? []).toFixed(3)} ms`,
        `${percentile(taken[at] ?? [], 0.99).toFixed(3)} ms`
      ])
    ])
  ])
  const [ownKept = Number.NaN, directKept = Number.NaN] = kept.map((each) => median(each))
  const [ownFresh = Number.NaN, directFresh = Number.NaN] = fresh.map((each) => median(each))
  print(
    `  p50 over direct: ${ratio(ownKept, directKept)} kept, ${ratio(ownFresh, directFresh)} fresh`
  )
  const isMet = ownRate >= 0.7 * directRate
  print(goalLine('throughput over direct loopback', ratio(ownRate, directRate), '>= 0.7', isMet))
}

const FLAGS = ['-sS']

async function outside(args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('/usr/bin/curl', [...FLAGS, ...args], {
    env: {},
    maxBuffer: 1 << 24
  })
  return stdout
}

/** A process host with a way out, as a kernel has, and a lane that takes everything. */
async function openInside(port: number): Promise<{
  readonly curl: Curl
  readonly stop: () => Promise<void>
}> {
  const directory = await mkdtemp(join(tmpdir(), 'weaver-bench-'))
  const runDirectory = join(directory, 'run')
  await mkdir(runDirectory)
  const ledger = { record: (): Promise<void> => Promise.resolve() }
  const base = { clock: systemClock, log: silentLog }
  const egress = new EgressProxies({ ...base, ledger, resolve: null }, { runDirectory })
  const home = Buffer.from(directory).toString('hex').slice(-32)
  const { platform, arch, execPath, env: environment } = process
  const containment = await openContainment(
    { ...base, egress },
    { home, boot: 'b', runDirectory, closedPaths: [], environment, platform, arch, execPath }
  )
  const host = new RealProcessHost(
    { ...base, os: systemProcesses, containment, onSamples: () => {}, onTraps: () => {} },
    {
      runDirectory,
      spoolDirectory: join(directory, 'spool'),
      homeId: home,
      bootId: 'b',
      directory,
      environment,
      platform
    }
  )
  await host.start()
  let last = 0
  const sandbox = { ...DEFAULT_SANDBOX, grants: [parseGrant(`net:127.0.0.1:${port}`)] }
  const curl = async (args: readonly string[]): Promise<string> => {
    last += 1
    const work = join(directory, `w${last}`)
    await mkdir(work)
    const script = 'exec curl "$@" >out'
    const command = ['sh', '-c', script, 'sh', ...FLAGS, ...args] as const
    const request = { pid: pid(last), command, env: {}, io: null, cwd: work, isOwnFolder: true }
    const child = await host.spawn({ ...request, sandbox })
    const { code } = await child.exited
    if (code !== 0) throw new Error(`curl inside ended with ${code}`)
    return await readFile(join(work, 'out'), 'utf8')
  }
  return {
    curl,
    stop: async () => {
      await host.stop(millis(1000))
      await egress.stop()
      await rm(directory, { recursive: true, force: true })
    }
  }
}
