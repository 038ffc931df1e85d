// Benches of the membership: five kernels against five serf agents on loopback, and the failure detector
// alone in fleets of up to ten thousand.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import process from 'node:process'
import { Fleet } from '../test/sim/world/fleet.ts'
import { Lab, resultOf, until } from '../test/chaos/kernel/lab.ts'
import type { KernelHandle } from '../test/chaos/kernel/lab.ts'
import type { Bench, Print } from './stats.ts'

const COUNT = 5
const REST_MS = 20_000
const LOAD_MS = Number(process.env['BENCH_LOAD_MS'] ?? 60_000)
const TICKS_PER_SECOND = 100
const SERF_PORT = 7950

export const benches: readonly Bench[] = [
  {
    name: 'mesh-membership',
    title: `${COUNT} kernels against ${COUNT} serf agents on loopback`,
    notMeasured:
      'a real network; more than five; a machine that falls silent (its packets dropped). Loopback bytes ' +
      'are of the whole machine while one of the two runs; each is polled, serf by a process of its own',
    run: benchMembership
  },
  {
    name: 'mesh-scale',
    title: 'the failure detector alone in virtual time, at 1 % loss',
    notMeasured:
      'connections, signatures, pulses and documents: messages of SWIM only, 52 bytes each and 183 for a ' +
      'rumour, without frames and encryption',
    run: benchScale
  }
]

/** What both kinds of five can do. */
interface Five {
  readonly name: string
  /** A fifth comes in; resolves when all five see five. */
  join(): Promise<void>
  /** Whether all that are left see `count` alive. */
  allSee(count: number): Promise<boolean>
  /** Whether all that are left are sure that one is gone. */
  allSure(): Promise<boolean>
  killOne(): Promise<void>
  pids(): Promise<readonly number[]>
  falseDeaths(): Promise<number>
  stop(): Promise<void>
}

async function benchMembership(print: Print): Promise<void> {
  const rows: string[][] = [
    ['', 'join seen', 'kill seen', 'kill sure', 'CPU at rest', 'lo at rest', 'false deaths']
  ]
  for (const open of [fiveKernels, fiveSerfs]) {
    const five = await open()
    try {
      const joined = await timed(() => five.join())
      const { cpuPercent, bytesPerSecond } = await atRest(five)
      const wrong = await underLoad(five)
      const killedAt = performance.now()
      await five.killOne()
      await until(() => five.allSee(COUNT - 1))
      const seen = performance.now() - killedAt
      await until(() => five.allSure(), 60_000)
      const sure = performance.now() - killedAt
      rows.push([
        five.name,
        `${Math.round(joined)} ms`,
        `${Math.round(seen)} ms`,
        `${Math.round(sure)} ms`,
        `${cpuPercent.toFixed(2)} %`,
        `${Math.round(bytesPerSecond)} B/s`,
        `${wrong} in ${LOAD_MS / 1000} s`
      ])
    } finally {
      await five.stop()
    }
  }
  for (const row of rows) print(`  ${row.map((cell) => cell.padEnd(15)).join('')}`)
  print(
    '  goal: join 300 ms, kill 1000 ms, CPU 1 % of a core, no false death; CPU and bytes are per node'
  )
}

async function timed(act: () => Promise<void>): Promise<number> {
  const start = performance.now()
  await act()
  return performance.now() - start
}

async function atRest(five: Five): Promise<{ cpuPercent: number; bytesPerSecond: number }> {
  const pids = await five.pids()
  await pause(5000) // What a join brings about has settled.
  const [cpu, bytes] = [await cpuTicks(pids), await loopbackBytes()]
  await pause(REST_MS)
  const seconds = REST_MS / 1000
  const ticks = (await cpuTicks(pids)) - cpu
  return {
    cpuPercent: (100 * ticks) / TICKS_PER_SECOND / seconds / COUNT,
    bytesPerSecond: ((await loopbackBytes()) - bytes) / seconds / COUNT
  }
}

async function underLoad(five: Five): Promise<number> {
  const before = await five.falseDeaths()
  const args = ['--cpu', '4', '--timeout', `${Math.ceil(LOAD_MS / 1000)}s`, '--quiet']
  const stress = spawn('stress-ng', args, { stdio: 'ignore' })
  const ended = Promise.withResolvers<void>()
  stress.once('close', () => ended.resolve())
  stress.once('error', (error) => ended.reject(error))
  const watch = setInterval(() => void five.falseDeaths(), 500)
  try {
    await ended.promise
  } finally {
    clearInterval(watch)
  }
  return (await five.falseDeaths()) - before
}

async function cpuTicks(pids: readonly number[]): Promise<number> {
  let ticks = 0
  for (const pid of pids) {
    const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? []
    ticks += Number(fields[11]) + Number(fields[12])
  }
  return ticks
}

async function loopbackBytes(): Promise<number> {
  const line = /lo:\s*(\d+)/.exec(await readFile('/proc/net/dev', 'utf8'))
  return Number(line?.[1])
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

async function fiveKernels(): Promise<Five> {
  const lab = await Lab.open()
  const kernels: KernelHandle[] = [await lab.start('k0')]
  for (let index = 1; index < COUNT - 1; index++) {
    kernels.push(await lab.start(`k${index}`, '--join', await lab.invite('k0')))
  }
  const last = await lab.start(`k${COUNT - 1}`)
  const line = await lab.invite('k0') // A command of its own, which serf does not have.
  const alive = async ({ client }: KernelHandle): Promise<number> =>
    (await client.peers()).filter(({ state }) => state === 'self' || state === 'alive').length
  const dead = new Set<string>()
  const five: Five = {
    name: 'weaver',
    join: async () => {
      await last.client.join(line)
      kernels.push(last)
      await until(() => five.allSee(COUNT))
    },
    allSee: async (count) => {
      const seen = await Promise.all(kernels.map(alive))
      return seen.every((each) => each === count)
    },
    allSure: async () => {
      const views = await Promise.all(kernels.map(({ client }) => client.peers()))
      return views.every((peers) => peers.some(({ state }) => state === 'dead'))
    },
    killOne: async () => {
      const [victim] = kernels.splice(2, 1)
      process.kill(await lab.pidOf(victim?.name ?? ''), 'SIGKILL')
    },
    pids: () => Promise.all(kernels.map(({ name }) => lab.pidOf(name))),
    falseDeaths: async () => {
      for (const { name, client } of kernels) {
        for (const each of await deadSeenBy(client)) dead.add(`${name} ${each}`)
      }
      return dead.size
    },
    stop: () => lab.close()
  }
  return five
}

/** None where the kernel does not answer: it has just been killed. */
async function deadSeenBy(client: KernelHandle['client']): Promise<readonly string[]> {
  try {
    const peers = await client.peers()
    return peers.filter(({ state }) => state === 'dead').map(({ name }) => name)
  } catch {
    return []
  }
}

async function fiveSerfs(): Promise<Five> {
  const agents: { readonly child: ChildProcess; readonly rpc: string; log: string }[] = []
  for (let index = 0; index < COUNT; index++) {
    const rpc = `127.0.0.1:${SERF_PORT + 100 + index}`
    const bind = `127.0.0.1:${SERF_PORT + index}`
    const args = ['agent', `-node=s${index}`, `-bind=${bind}`, `-rpc-addr=${rpc}`]
    const join = index === 0 || index === COUNT - 1 ? [] : [`-join=127.0.0.1:${SERF_PORT}`]
    const child = spawn('serf', [...args, ...join], { stdio: ['ignore', 'pipe', 'pipe'] })
    const agent = { child, rpc, log: '' }
    child.stdout?.on('data', (bytes: Buffer) => (agent.log += bytes.toString()))
    agents.push(agent)
    await until(
      () => agent.log.includes('Serf agent starting') || agent.log.includes('serf: Event')
    )
  }
  const last = agents.pop()
  if (last === undefined) throw new Error('no agents')
  const serf = async (...args: readonly string[]): Promise<string> =>
    (await resultOf(spawn('serf', args))).stdout
  const count = async (rpc: string, status: string): Promise<number> => {
    const text = await serf('members', `-rpc-addr=${rpc}`, `-status=${status}`)
    return text.split('\n').filter((line) => line !== '').length
  }
  const five: Five = {
    name: 'serf',
    join: async () => {
      await serf('join', `-rpc-addr=${last.rpc}`, `127.0.0.1:${SERF_PORT}`)
      agents.push(last)
      await until(() => five.allSee(COUNT))
    },
    allSee: async (wanted) => {
      const seen = await Promise.all(agents.map(({ rpc }) => count(rpc, 'alive')))
      return seen.every((each) => each === wanted)
    },
    allSure: async () => {
      const failed = await Promise.all(agents.map(({ rpc }) => count(rpc, 'failed')))
      return failed.every((each) => each === 1)
    },
    killOne: async () => {
      const [victim] = agents.splice(2, 1)
      victim?.child.kill('SIGKILL')
    },
    pids: async () => agents.flatMap(({ child }) => child.pid ?? []),
    falseDeaths: async () =>
      agents.reduce((sum, { log }) => sum + log.split('EventMemberFailed').length - 1, 0),
    stop: async () => {
      for (const { child } of [...agents, last]) child.kill('SIGTERM')
    }
  }
  await until(() => five.allSee(COUNT - 1))
  return five
}

async function benchScale(print: Print): Promise<void> {
  print(
    '  nodes    messages/s  bytes/s  first suspect  all suspect  first dead  all dead   false deaths'
  )
  for (const count of [10, 100, 1000, 10_000]) {
    const fleet = new Fleet({ count, seed: 1, lossPercent: 1 })
    fleet.pass(5000)
    fleet.messages = 0
    fleet.bytes = 0
    fleet.pass(10_000)
    const [messages, bytes] = [fleet.messages / count / 10, fleet.bytes / count / 10]
    const killedAt = fleet.clock.now()
    fleet.kill('n3', false)
    fleet.pass(40_000)
    const about = fleet.observations.filter((each) => each.node === 'n3' && each.at >= killedAt)
    const first = (state: string): number =>
      Math.min(...about.filter((each) => each.state === state).map((each) => each.at)) - killedAt
    const wrong = fleet.observations.filter((each) => each.state === 'dead' && each.node !== 'n3')
    const cells = [
      first('suspect'),
      fleet.seenByAll('n3', 'suspect', killedAt) ?? NaN,
      first('dead'),
      fleet.seenByAll('n3', 'dead', killedAt) ?? NaN
    ].map((ms) => `${(ms / 1000).toFixed(1)} s`.padEnd(12))
    print(
      `  ${String(count).padEnd(9)}${messages.toFixed(2).padEnd(12)}${bytes.toFixed(0).padEnd(9)}` +
        `${cells.join('')} ${wrong.length}`
    )
  }
}
