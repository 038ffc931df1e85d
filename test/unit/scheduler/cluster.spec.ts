// Goal: whatever crashes, disconnects and arrives late, each task is committed at most once, each epoch is
// started at most once, nothing runs for a task that is over, and when the faults stop every task ends.
// Method: three nodes, each with the real origin and executor over its own lane and store, a network that
// delays and breaks, fake processes, virtual time; every choice from one seed, which a failure prints.

import assert from 'node:assert/strict'
import { millis, pid, WeaverError } from '../../../core/index.ts'
import type { Clock, NodeId, TaskId } from '../../../core/index.ts'
import { createGate, ownerAndMembers } from '../../../governance/index.ts'
import {
  createExecutor,
  createOrigin,
  executionStore,
  originStore,
  Resources,
  routeExecutors,
  routeOrigins
} from '../../../scheduler/index.ts'
import type {
  Candidate,
  Executor,
  ExecutorClient,
  Ledger,
  Origin,
  OriginClient,
  PeerDirectory
} from '../../../scheduler/index.ts'
import { FakeProcessHost } from '../../doubles/fake-process-host.ts'
import { MemoryLedger } from '../../doubles/ledger.ts'
import { MemoryStore } from '../../doubles/memory-store.ts'
import { testGpu, testNode } from '../../doubles/peer-directory.ts'
import { silentLog } from '../../doubles/silent-log.ts'
import { SeededPrng } from '../../sim/world/seeded-prng.ts'
import { VirtualClock } from '../../sim/world/virtual-clock.ts'
import { countingEntropy, settle, testSpec } from './fixtures.ts'

const never = new Promise<never>(() => {})

/** One machine: what outlives its kernel, and the kernel that runs on it now. */
class Machine {
  readonly id: NodeId
  readonly ledger = new MemoryLedger()
  readonly kv = new MemoryStore()
  readonly started: string[] = []
  kernel: Kernel
  isConnected = true
  pids = 0

  constructor(cluster: Cluster, n: number) {
    this.id = testNode(n)
    this.kernel = new Kernel(cluster, this)
  }
}

class Kernel {
  isDead = false
  readonly processes = new FakeProcessHost()
  readonly executor: Executor
  readonly origin: Origin
  readonly listeners = new Set<() => void>()

  constructor(cluster: Cluster, machine: Machine) {
    const { ledger, kv, id } = machine
    const whileAlive = async <T>(work: Promise<T>): Promise<T> => {
      const result = await work.catch(async (error: unknown) => {
        if (this.isDead) await never
        throw error
      })
      return this.isDead ? never : result
    }
    // A disk does one thing after the other, takes its time, and may have done what nobody hears of.
    const pause = (): Promise<void> =>
      whileAlive(cluster.clock.sleep(millis(cluster.prng.below(40))))
    const disk = (): (<T>(work: () => Promise<T>) => Promise<T>) => {
      let last: Promise<unknown> = Promise.resolve()
      return (work) => {
        const done = last.then(pause).then(() => whileAlive(work()))
        last = done.then(pause, pause)
        return done.then(async (result) => {
          await pause()
          return result
        })
      }
    }
    const [laneDisk, storeDisk] = [disk(), disk()]
    const lane: Ledger = {
      record: (drafts) => laneDisk(() => ledger.record(drafts)),
      find: (kind, subjects) => ledger.find(kind, subjects)
    }
    const clock: Clock = {
      now: () => cluster.clock.now(),
      wall: () => cluster.clock.wall(),
      sleep: (delay, signal) => whileAlive(cluster.clock.sleep(delay, signal))
    }
    const store = {
      get: (key: string) => kv.get(key),
      list: (prefix: string) => kv.list(prefix),
      write: (writes: Parameters<MemoryStore['write']>[0]) => storeDisk(() => kv.write(writes))
    }
    const peers: PeerDirectory = {
      candidates: () => cluster.candidatesFor(machine),
      onChange: (listener) => {
        this.listeners.add(listener)
        return () => this.listeners.delete(listener)
      }
    }
    const gate = createGate({ ledger: lane, policy: ownerAndMembers })
    const shared = { ledger: lane, gate, peers, clock, log: silentLog }
    const pids = {
      next: async () => {
        machine.pids += 1
        return pid(machine.pids)
      }
    }
    const remote = cluster.clientsOf(machine, this)
    const routes = { self: id, log: silentLog }
    this.executor = createExecutor(
      {
        ...shared,
        pids,
        store: executionStore({ store, log: silentLog }),
        resources: new Resources({ gpus: [testGpu(0)], tasksMax: 2 }, clock.wall()),
        processes: {
          spawn: (request) => {
            const { env } = request
            machine.started.push(`${env['WEAVER_TASK_ID']}/${env['WEAVER_EPOCH']}`)
            return this.processes.spawn(request)
          }
        },
        origins: routeOrigins({ ...routes, local: () => this.origin, remote: remote.origins })
      },
      { self: id, name: id.slice(-4) }
    )
    this.origin = createOrigin(
      {
        ...shared,
        store: originStore({ store, log: silentLog }),
        executors: routeExecutors({
          ...routes,
          local: () => this.executor,
          remote: remote.executors
        }),
        ioFrames: { note: () => new Uint8Array(0), signalOf: () => null },
        entropy: cluster.entropy
      },
      { self: id }
    )
    this.executor.onLoadChange(() => cluster.changed())
  }
}

class Cluster {
  readonly clock = new VirtualClock()
  readonly entropy = countingEntropy()
  readonly prng: SeededPrng
  readonly machines: readonly Machine[]
  readonly acknowledged: TaskId[] = []

  constructor(seed: number) {
    this.prng = new SeededPrng(seed)
    this.machines = [1, 2, 3].map((n) => new Machine(this, n))
  }

  candidatesFor(from: Machine): readonly Candidate[] {
    return (this.machines ?? []).map((machine) => ({
      ...machine.kernel.executor.load(),
      nodeId: machine.id,
      name: machine.id.slice(-4),
      isReachable: machine === from || this.canReach(from, machine),
      labels: {},
      cpus: 4,
      cpuLoad: 0,
      canContain: true
    }))
  }

  canReach(from: Machine, to: Machine): boolean {
    return from.isConnected && to.isConnected && !to.kernel.isDead
  }

  changed(): void {
    for (const { kernel } of this.machines ?? []) {
      if (!kernel.isDead) for (const listener of kernel.listeners) listener()
    }
  }

  clientsOf(
    from: Machine,
    kernel: Kernel
  ): { readonly executors: ExecutorClient; readonly origins: OriginClient } {
    const call = async <T>(node: NodeId, serve: (to: Kernel) => T | Promise<T>): Promise<T> => {
      const to = this.machines.find((machine) => machine.id === node)
      assert.ok(to)
      const gone = new WeaverError('MESH_PEER_UNREACHABLE', 'gone', { retry: 'later' })
      const hop = async (): Promise<void> => {
        await this.clock.sleep(millis(this.prng.below(40)))
        if (kernel.isDead) await never
        // One call in thirty is lost on an otherwise healthy connection.
        if (!this.canReach(from, to) || this.prng.below(30) === 0) throw gone
      }
      await hop()
      // A kernel that dies meanwhile never answers: the connection then breaks, at the latest by a deadline.
      const deadline = this.clock.sleep(millis(10_000)).then(() => {
        throw gone
      })
      const answer = await Promise.race([serve(to.kernel), deadline])
      await hop()
      return answer
    }
    const { id } = from
    return {
      executors: {
        offer: (node, offer) => call(node, (to) => to.executor.offer(id, offer)),
        attach: () => assert.fail('nothing is attached here'),
        status: (node, run) => call(node, (to) => to.executor.status(id, run)),
        cancel: (node, run) => call(node, (to) => to.executor.cancel(id, run)),
        signal: (node, run, name) => call(node, (to) => to.executor.signal(id, run, name)),
        acknowledge: (node, run) => call(node, (to) => to.executor.acknowledge(id, run))
      },
      origins: {
        started: (node, report) => {
          call(node, (to) => to.origin.started(id, report)).catch(() => {})
        },
        finished: (node, report) => call(node, (to) => to.origin.finished(id, report))
      }
    }
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items[this.prng.below(Math.max(1, items.length))]
  }

  async advance(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 20) {
      this.clock.advanceTo(millis(this.clock.now() + 20))
      await settle()
    }
  }

  submit(machine: Machine): void {
    const gpu = this.prng.below(2) === 0 ? { vendor: null, count: 1, memoryBytes: null } : null
    const timeoutMs = this.prng.below(3) === 0 ? millis(3000) : null
    machine.kernel.origin
      .submit(testSpec({ gpu, timeoutMs }), null)
      .then(({ task }) => this.acknowledged.push(task.taskId))
      .catch(() => {})
  }

  endOne(machine: Machine): void {
    this.pick(machine.kernel.processes.live)?.end({ code: this.prng.below(2), signal: null })
  }

  cancelOne(machine: Machine): void {
    const task = this.pick(machine.kernel.origin.list())
    if (task !== undefined) machine.kernel.origin.cancel(task.taskId).catch(() => {})
  }

  async restart(machine: Machine): Promise<void> {
    const { kernel } = machine
    kernel.isDead = true
    for (const process of kernel.processes.live) process.end({ code: null, signal: 'SIGKILL' })
    this.changed()
    await this.advance(this.prng.below(4) * 4000)
    machine.kernel = new Kernel(this, machine)
    const { executor, origin } = machine.kernel
    const progress = { isResumed: false }
    const resuming = executor
      .resume()
      .then(() => origin.resume())
      .then(() => {
        progress.isResumed = true
        return null
      })
    for (let round = 0; round < 500 && !progress.isResumed; round += 1) await this.advance(20)
    assert.ok(progress.isResumed, 'resume() never ended')
    await resuming
    this.changed()
  }

  async step(): Promise<void> {
    const machine = this.pick(this.machines)
    assert.ok(machine)
    const dice = this.prng.below(20)
    if (dice < 7) this.submit(machine)
    else if (dice < 12) this.endOne(machine)
    else if (dice < 14) this.cancelOne(machine)
    else if (dice < 15) await this.restart(machine)
    else if (dice < 18) {
      machine.isConnected = !machine.isConnected
      this.changed()
    }
    await this.advance(this.prng.below(60) * 10)
  }

  /** No more faults: everything that was acknowledged ends, and nothing runs on. */
  async heal(): Promise<void> {
    for (const machine of this.machines) machine.isConnected = true
    this.changed()
    let quietRounds = 0 // What is being submitted or reported is not seen: quiet has to last.
    for (let round = 0; round < 500 && quietRounds < 80; round += 1) {
      for (const machine of this.machines) this.endOne(machine)
      await this.advance(200)
      quietRounds = this.isQuiet() ? quietRounds + 1 : 0
    }
  }

  isQuiet(): boolean {
    return this.machines.every(
      ({ kernel }) =>
        kernel.processes.live.length === 0 &&
        kernel.origin.list().every((task) => task.receipt !== null)
    )
  }

  /** From outside: on what is stored, not on what the drivers say. */
  async check(): Promise<void> {
    for (const machine of this.machines) {
      const committed = machine.ledger.of('task.committed').map((entry) => entry.subject)
      assert.equal(new Set(committed).size, committed.length, 'a task was committed twice')
      const runs = machine.started
      assert.equal(new Set(runs).size, runs.length, 'an epoch was started twice on one node')
    }
    const everywhere = this.machines.flatMap((machine) => machine.started)
    assert.equal(new Set(everywhere).size, everywhere.length, 'an epoch was started on two nodes')
  }

  async checkHealed(): Promise<void> {
    for (const taskId of this.acknowledged) {
      const ends = this.machines.flatMap((machine) =>
        machine.ledger.of('task.committed').filter((entry) => entry.subject === `task:${taskId}`)
      )
      assert.equal(ends.length, 1, `task ${taskId} has ${ends.length} ends`)
    }
    for (const { kernel, kv } of this.machines) {
      assert.equal(kernel.processes.live.length, 0, 'something runs for a task that is over')
      assert.equal(kernel.executor.load().runningTasks, 0, 'a slot was never freed')
      assert.ok(
        kernel.executor.load().gpus.every((gpu) => gpu.isFree),
        'a GPU was never freed'
      )
      assert.deepEqual(await kv.list('execution/'), [], 'a result was never collected')
    }
  }
}

describe('scheduler, three nodes under faults', () => {
  const seen = new Map<string, number>()
  const count = (what: string): void => {
    seen.set(what, (seen.get(what) ?? 0) + 1)
  }

  after(() => {
    // A run without faults proves nothing: all of these must have happened.
    const ends = ['succeeded', 'failed', 'cancelled', 'timed-out', 'lost']
    for (const what of [...ends, 'fenced', 'offered twice']) {
      assert.ok((seen.get(what) ?? 0) > 5, `${what}: ${seen.get(what) ?? 0} times only`)
    }
  })

  for (let seed = 1; seed <= 60; seed += 1) {
    it(`commits each task at most once, starts each epoch at most once, and ends (seed ${seed})`, async () => {
      const cluster = new Cluster(seed)
      for (const { kernel } of cluster.machines) {
        await kernel.executor.resume()
        await kernel.origin.resume()
      }
      for (let step = 0; step < 40; step += 1) {
        await cluster.step()
        await cluster.check()
      }
      await cluster.heal()
      await cluster.check()
      await cluster.checkHealed()
      for (const { ledger, kernel } of cluster.machines) {
        for (const task of kernel.origin.list()) {
          count(task.state)
          if (task.epoch > 1) count('offered twice')
        }
        for (const _ of ledger.of('task.fenced')) count('fenced')
      }
    })
  }
})
