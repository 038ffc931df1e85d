// A machine that falls silent: kernels and serf agents side by side on the same machines, whose cable is
// taken out. Needs the right to make network namespaces.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { Lab, until } from '../test/chaos/kernel/lab.ts'
import type { KernelHandle } from '../test/chaos/kernel/lab.ts'
import { missingRight, Net } from '../test/netns/net.ts'
import type { Place } from '../test/netns/net.ts'
import { median, ratio } from './stats.ts'
import type { Bench, Print } from './stats.ts'

const COUNT = 5
const ROUNDS = 3
const BOUND_MS = 60_000
const LOOK_MS = 20
const SERF_PORT = 7946
/** What a start brings about has settled. */
const SETTLE_MS = 4000

export const benches: readonly Bench[] = [
  {
    name: 'mesh-silence',
    title: `a machine of ${COUNT} falls silent: until all others are sure, kernels against serf on the same machines`,
    notMeasured:
      'loss short of silence; more machines; serf by its events, the kernels polled by their API',
    run
  }
]

async function run(print: Print): Promise<void> {
  const missing = missingRight()
  if (missing !== null) return print(`  Skipped: ${missing}`)
  const [ours, theirs]: [number[], number[]] = [[], []]
  for (let round = 0; round < ROUNDS; round++) {
    const { weaver, serf } = await oneRound()
    print(`  round ${round + 1}: kernels ${Math.round(weaver)} ms, serf ${Math.round(serf)} ms`)
    ours.push(weaver)
    theirs.push(serf)
  }
  const [weaver, serf] = [median(ours), median(theirs)]
  print(
    `  median: kernels ${Math.round(weaver)} ms, serf ${Math.round(serf)} ms, ratio ` +
      `${ratio(weaver, serf)} (goal: <= 1: ${weaver <= serf ? 'met' : 'missed'})`
  )
}

async function oneRound(): Promise<{ readonly weaver: number; readonly serf: number }> {
  const net = new Net()
  const lab = await Lab.open()
  const agents: Agent[] = []
  try {
    const places = Array.from({ length: COUNT }, (_, index) => net.machine(`m${index}`))
    const kernels = await startKernels(lab, places)
    for (const [index, place] of places.entries()) {
      agents.push(await startAgent(`s${index}`, place, places[0]?.address ?? ''))
    }
    await until(() => agents.every(({ log }) => log.joined === COUNT), BOUND_MS)
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
    const victim = places[COUNT - 1]
    if (victim === undefined) throw new Error('no machines')
    const at = performance.now()
    net.unplug(victim)
    const others = agents.slice(0, -1)
    const [weaver, serf] = await Promise.all([
      allSure(kernels.slice(0, -1), `k${COUNT - 1}`),
      Promise.all(others.map(({ log }) => log.failed.promise)).then(() => performance.now())
    ])
    return { weaver: weaver - at, serf: serf - at }
  } finally {
    for (const { child } of agents) child.kill('SIGKILL')
    await lab.close()
    net.close()
  }
}

async function startKernels(lab: Lab, places: readonly Place[]): Promise<readonly KernelHandle[]> {
  const kernels: KernelHandle[] = []
  for (const [index, place] of places.entries()) {
    const name = `k${index}`
    lab.runBehind(name, place.words)
    const flags = ['--listen', '/ip4/0.0.0.0/tcp/0', '--no-mdns']
    const join = index === 0 ? [] : ['--join', await lab.invite('k0')]
    kernels.push(await lab.start(name, ...flags, ...join))
  }
  const alive = async ({ client }: KernelHandle): Promise<number> =>
    (await client.peers()).filter(({ state }) => state === 'alive').length
  await until(async () => {
    const counts = await Promise.all(kernels.map(alive))
    return counts.every((count) => count === COUNT - 1)
  }, BOUND_MS)
  return kernels
}

async function allSure(kernels: readonly KernelHandle[], name: string): Promise<number> {
  const isSure = async ({ client }: KernelHandle): Promise<boolean> =>
    (await client.peers()).some((peer) => peer.name === name && peer.state === 'dead')
  const end = performance.now() + BOUND_MS
  while (performance.now() < end) {
    const sure = await Promise.all(kernels.map(isSure))
    if (sure.every(Boolean)) return performance.now()
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
  throw new Error(`not all kernels were sure of ${name} within ${BOUND_MS} ms`)
}

interface Agent {
  readonly child: ChildProcess
  readonly log: { joined: number; readonly failed: PromiseWithResolvers<void> }
}

async function startAgent(name: string, place: Place, first: string): Promise<Agent> {
  const bind = `${place.address}:${SERF_PORT}`
  const args = ['agent', `-node=${name}`, `-bind=${bind}`, '-rpc-addr=127.0.0.1:7373']
  const join = place.address === first ? [] : [`-join=${first}:${SERF_PORT}`]
  const [command = '', ...words] = [...place.words, 'serf', ...args, ...join]
  const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'ignore'] })
  const log = { joined: 0, failed: Promise.withResolvers<void>() }
  let rest = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line.includes('EventMemberJoin')) log.joined += 1
      if (line.includes('EventMemberFailed')) log.failed.resolve()
    }
  })
  await until(() => log.joined > 0, BOUND_MS)
  return { child, log }
}
