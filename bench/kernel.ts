// Benches of the kernel as a user meets it: the command, the start, what it costs while idle, and one task
// on its way to another machine and back.

import { containedSpec } from '../test/doubles/sandboxes.ts'
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { Queue, QueueEvents } from 'bullmq'
import { nodeId } from '../core/index.ts'
import type { ControlClient } from '../node/api/index.ts'
import {
  cpuTicks,
  isAlive,
  Lab,
  LOOPBACK,
  residentBytes,
  resultOf,
  until
} from '../test/chaos/kernel/lab.ts'
import { startPeer } from './peers/child.ts'
import { bareMesh, inviteLine } from './peers/meshes.ts'
import { startRedis } from './peers/redis.ts'
import { openSpawner } from './peers/spawner.ts'
import { goalLine, median, ms, printMeasured, ratio, takeTurns, timed } from './stats.ts'
import type { Bench, Contender, Print } from './stats.ts'

const weaver = fileURLToPath(new URL('../bin/weaver.js', import.meta.url))
const TICKS_PER_SECOND = 100
/** Tasks whose leftovers the memory bench looks for. */
const MEMORY_TASKS = 2000
/** Longer than the kernel takes to find that it rests. */
const REST_MS = 15_000
const IDLE_MS = 20_000

export const benches: readonly Bench[] = [
  {
    name: 'kernel-ps',
    title: '`weaver kernel ps` as a whole process, against `node -e 0`',
    notMeasured: 'npx or a shell around it; a table of more than a few rows; a cold disk cache',
    run: benchPs
  },
  {
    name: 'kernel-start',
    title: '`weaver kernel start` to ready, against `node -e 0` and a Node that imports libp2p',
    notMeasured:
      'the first start after a checkout (nothing compiled yet); a long lane; joining a mesh',
    run: benchStart
  },
  {
    name: 'kernel-idle',
    title: `two connected kernels that do nothing for ${IDLE_MS / 1000} s, against an idle Node`,
    notMeasured:
      'more members, agents or rows than none; growth over hours; the guardian is printed apart',
    run: benchIdle
  },
  {
    name: 'kernel-memory',
    title: `memory of two kernels after ${MEMORY_TASKS} tasks, when they rest again, against an idle Node`,
    notMeasured: 'large streams (a chaos test has those); agents; days',
    run: benchMemory
  },
  {
    name: 'kernel-delegation',
    title: 'one `true` on another kernel, submit to committed result, both lanes fsynced',
    notMeasured:
      'a real network; output and input; placement (the node is named); a mesh of more than two; ' +
      'bare RPC and BullMQ run in two processes (and Redis), two kernels and their client in three',
    run: benchDelegation
  },
  {
    name: 'kernel-rows',
    title: "a row's change to visible in another process, against one bare RPC on its way there",
    notMeasured:
      'two whole kernels: it is two meshes over libp2p in two processes; a large document; many rows a ' +
      'tick; the way from the listener to a screen',
    run: benchRows
  }
]

async function withLab<T>(use: (lab: Lab) => Promise<T>): Promise<T> {
  const lab = await Lab.open()
  try {
    return await use(lab)
  } finally {
    await lab.close()
  }
}

async function runToEnd(
  args: readonly string[],
  env: Readonly<Record<string, string>>
): Promise<void> {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe']
  })
  const { code, stderr } = await resultOf(child)
  if (code !== 0) throw new Error(`node ${args.join(' ')} ended with ${code}: ${stderr}`)
}

async function benchPs(print: Print): Promise<void> {
  await withLab(async (lab) => {
    const { home } = await lab.start('laptop')
    const contenders: readonly Contender[] = [
      {
        name: 'weaver kernel ps',
        once: () => runToEnd([weaver, 'kernel', 'ps'], { WEAVER_HOME: home })
      },
      { name: 'node -e 0', once: () => runToEnd(['-e', '0'], {}) }
    ]
    const measured = await takeTurns(contenders, { rounds: 5, operations: 12, inFlight: 1 })
    printMeasured(print, measured, false)
    const [own = Number.NaN, peer = Number.NaN] = measured.map((each) => median(each.latencies))
    print(goalLine('ratio of the p50', ratio(own, peer), '<= 2.5x', own <= 2.5 * peer))
  })
}

async function benchStart(print: Print): Promise<void> {
  await withLab(async (lab) => {
    let homes = 0
    const start = (name: string): Promise<void> =>
      runToEnd([weaver, 'kernel', 'start', '--name', name, '--listen', LOOPBACK], {
        WEAVER_HOME: lab.homeOf(name)
      })
    const stop = async (name: string): Promise<void> => {
      const pid = await lab.pidOf(name)
      process.kill(pid, 'SIGTERM')
      await until(() => !isAlive(pid))
    }
    await lab.start('again')
    await stop('again')
    const firsts: number[] = []
    const agains: number[] = []
    const bare: number[] = []
    const imports: number[] = []
    const importing = "await import('libp2p'); await import('@automerge/automerge')"
    const cwd = fileURLToPath(new URL('..', import.meta.url))
    process.chdir(cwd)
    for (let round = 0; round < 6; round++) {
      homes += 1
      const fresh = `fresh${homes}`
      const first = await timed(() => start(fresh))
      await stop(fresh)
      const again = await timed(() => start('again'))
      await stop('again')
      const none = await timed(() => runToEnd(['-e', '0'], {}))
      const imported = await timed(() => runToEnd(['--input-type=module', '-e', importing], {}))
      if (round === 0) continue // Warm-up.
      firsts.push(first)
      agains.push(again)
      bare.push(none)
      imports.push(imported)
    }
    printMeasured(
      print,
      [
        { name: 'kernel start, an existing home', latencies: agains, rates: [] },
        { name: 'kernel start, a new home', latencies: firsts, rates: [] },
        { name: 'node importing libp2p and Automerge', latencies: imports, rates: [] },
        { name: 'node -e 0', latencies: bare, rates: [] }
      ],
      false
    )
    const worst = Math.max(...firsts, ...agains)
    print(goalLine('slowest start to ready', ms(worst), '<= 1500 ms', worst <= 1500))
  })
}

async function benchIdle(print: Print): Promise<void> {
  await withLab(async (lab) => {
    await lab.pair()
    const bare = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
    try {
      const pids = [await lab.pidOf('laptop'), await lab.pidOf('server'), bare.pid ?? 0]
      const guardian = await childOf(pids[0] ?? 0)
      await delay(10_000) // What the start left to do is done.
      const names = ['kernel laptop', 'kernel server', 'node that waits for a timer', 'guardian']
      const before = await Promise.all(pids.map(cpuTicks))
      await delay(IDLE_MS)
      const after = await Promise.all(pids.map(cpuTicks))
      const memory = await Promise.all(pids.map(residentBytes))
      const shares = pids.map(
        (_, index) =>
          (((after[index] ?? 0) - (before[index] ?? 0)) * 100_000) / (IDLE_MS * TICKS_PER_SECOND)
      )
      for (const index of pids.keys()) {
        const bytes = memory[index] ?? Number.NaN
        print(`  ${names[index]}: ${mebibytes(bytes)}, ${shares[index]?.toFixed(2)} % of one core`)
      }
      if (guardian !== null) {
        print(`  laptop's guardian: ${mebibytes(await residentBytes(guardian))}`)
      }
      const [laptop = 0, server = 0, plain = 0] = memory
      const most = Math.max(laptop, server)
      const share = Math.max(shares[0] ?? 0, shares[1] ?? 0)
      print(`  memory of a kernel over that of an idle Node: ${ratio(most, plain)}`)
      print(goalLine('most resident', mebibytes(most), '<= 160 MB', most <= 160_000_000))
      print(goalLine('most of a core', `${share.toFixed(2)} %`, '<= 1 %', share <= 1))
    } finally {
      bare.kill('SIGKILL')
    }
  })
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}

function delay(duration: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration))
}

/** The first child of a process, or null. */
async function childOf(pid: number): Promise<number | null> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')
  const [first] = text.trim().split(' ')
  return first === undefined || first === '' ? null : Number(first)
}

/** Memory after work: what 2,000 tasks leave behind, and what of it the kernel gives back when it rests. */
async function benchMemory(print: Print): Promise<void> {
  await withLab(async (lab) => {
    const [laptop] = await lab.pair()
    const pids = [await lab.pidOf('laptop'), await lab.pidOf('server')]
    const bare = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
    try {
      const resident = async (): Promise<readonly number[]> =>
        await Promise.all([...pids, bare.pid ?? 0].map(residentBytes))
      await delay(REST_MS)
      const before = await resident()
      const delegation = delegating(laptop.client)
      await delegation.connected()
      let left = MEMORY_TASKS
      const worker = async (): Promise<void> => {
        while (left-- > 0) await delegation.once()
      }
      await Promise.all(Array.from({ length: 32 }, worker))
      const busy = await resident()
      await delegation.close()
      await delay(REST_MS)
      const after = await resident()
      const names = ['origin', 'executor', 'node that waits for a timer']
      for (const [index, name] of names.entries()) {
        const [first, most, last] = [before, busy, after].map((all) => all[index] ?? Number.NaN)
        print(
          `  ${name}: ${mebibytes(first ?? 0)} at rest, ${mebibytes(most ?? 0)} after ${MEMORY_TASKS} ` +
            `tasks, ${mebibytes(last ?? 0)} when it has rested`
        )
      }
      const most = Math.max(after[0] ?? 0, after[1] ?? 0)
      print(goalLine('most resident, rested', mebibytes(most), '<= 160 MB', most <= 160_000_000))
    } finally {
      bare.kill('SIGKILL')
    }
  })
}

async function benchDelegation(print: Print): Promise<void> {
  await withLab(async (lab) => {
    const closers: (() => Promise<void>)[] = []
    try {
      const [laptop] = await lab.pair()
      const delegation = delegating(laptop.client)
      closers.push(delegation.close)
      await delegation.connected()

      const { mesh, stop } = bareMesh('laptop')
      closers.push(stop)
      await mesh.start()
      await mesh.found()
      const remote = await startPeer('mesh', await inviteLine(mesh))
      closers.push(remote.stop)
      const server = nodeId(remote.nodeId)

      const spawner = await openSpawner()
      closers.push(spawner.stop)
      const contenders: Contender[] = [
        { name: 'delegation', once: delegation.once },
        {
          name: 'bare RPC + spawn',
          once: async () => {
            await mesh.rpc.call(server, 'bench', 'spawn', null)
          }
        }
      ]
      const redis = await startRedis(join(lab.folder, 'redis'))
      if (redis === null) {
        print('  Skipped: BullMQ (no redis-server here: apt-get install redis-server)')
      } else {
        closers.push(redis.stop)
        const queue = await bullmq(redis.port)
        closers.push(queue.close)
        contenders.push({ name: 'BullMQ, appendfsync always + spawn', once: queue.once })
      }
      contenders.push({ name: 'spawn alone', once: spawner.run })
      for (const [inFlight, operations] of [
        [1, 40],
        [32, 256]
      ] as const) {
        print(`  ${inFlight} in flight`)
        const measured = await takeTurns(contenders, { rounds: 5, operations, inFlight })
        printMeasured(print, measured, true)
      }
    } finally {
      for (const close of closers.toReversed()) await close()
    }
  })
}

interface Delegating {
  readonly connected: () => Promise<void>
  readonly once: () => Promise<void>
  readonly close: () => Promise<void>
}

/** Submits by the control API, and hears of the commit by its one stream of events. */
function delegating(client: ControlClient): Delegating {
  const stopping = new AbortController()
  const waiting = new Map<string, PromiseWithResolvers<void>>()
  const opened = Promise.withResolvers<void>()
  const of = (task: string): PromiseWithResolvers<void> => {
    let entry = waiting.get(task)
    if (entry === undefined) {
      entry = Promise.withResolvers<void>()
      waiting.set(task, entry)
    }
    return entry
  }
  const listening = (async () => {
    try {
      for await (const { item } of client.events({ signal: stopping.signal })) {
        opened.resolve()
        if (item.kind === 'task.succeeded') of(item.subject.slice('task:'.length)).resolve()
        else if (/^task\.(failed|lost|cancelled)$/.test(item.kind)) {
          of(item.subject.slice('task:'.length)).reject(new Error(item.message))
        }
      }
    } catch (error) {
      if (!stopping.signal.aborted) throw error
    }
  })()
  const submit = async (): Promise<string> => {
    const accepted = await client.submitTask({
      command: ['true'],
      env: {},
      cwd: null,
      gpu: null,
      labels: {},
      sandbox: containedSpec,
      node: 'server',
      timeoutMs: null
    })
    return accepted.taskId
  }
  return {
    // The stream is open when it tells of a task; one that ends unheard is tried again.
    connected: async () => {
      while ((await Promise.race([opened.promise.then(() => true), delay(200)])) !== true) {
        await submit()
      }
    },
    once: async () => {
      const task = await submit()
      await of(task).promise
      waiting.delete(task)
    },
    close: async () => {
      stopping.abort()
      await listening
    }
  }
}

async function bullmq(port: number): Promise<Pick<Delegating, 'once' | 'close'>> {
  const connection = { host: '127.0.0.1', port, maxRetriesPerRequest: null }
  const queue = new Queue('bench', { connection })
  const events = new QueueEvents('bench', { connection })
  await Promise.all([queue.waitUntilReady(), events.waitUntilReady()])
  queue.setMaxListeners(0) // Each job that is waited for listens.
  events.setMaxListeners(0)
  const worker = await startPeer('bullmq', String(port))
  return {
    once: async () => {
      const job = await queue.add('true', {}, { removeOnComplete: { count: 1000 } })
      await job.waitUntilFinished(events)
    },
    close: async () => {
      await worker.stop()
      await Promise.all([queue.close(), events.close()])
    }
  }
}

async function benchRows(print: Print): Promise<void> {
  const { mesh, stop } = bareMesh('laptop')
  try {
    await mesh.start()
    await mesh.found()
    const remote = await startPeer('mesh', await inviteLine(mesh))
    try {
      const server = nodeId(remote.nodeId)
      const rows: number[] = []
      const calls: number[] = []
      let seen = Promise.withResolvers<bigint>()
      let wanted = 0
      remote.onMessage((message) => {
        if (message.kind === 'row' && message.value === wanted) seen.resolve(BigInt(message.atNs))
      })
      for (let index = -50; index < 1000; index++) {
        wanted += 1
        seen = Promise.withResolvers<bigint>()
        const put = process.hrtime.bigint()
        mesh.rows.put('bench', 'row', wanted)
        const row = Number((await seen.promise) - put) / 1e6
        const called = process.hrtime.bigint()
        const arrived = await mesh.rpc.call(server, 'bench', 'now', null)
        const call = Number(BigInt(String(arrived)) - called) / 1e6
        if (index < 0) continue // Warm-up.
        rows.push(row)
        calls.push(call)
      }
      printMeasured(
        print,
        [
          { name: 'row changed to visible', latencies: rows, rates: [] },
          { name: 'bare RPC, one way', latencies: calls, rates: [] }
        ],
        false
      )
    } finally {
      await remote.stop()
    }
  } finally {
    await stop()
  }
}
