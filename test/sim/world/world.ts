// The simulated world: machines with their networks, disks and clocks, run event by event from one seed.
//
// Invariants
//   W1. All chance comes from the seed, each consumer from a stream of its own, so that one that draws more
//       does not change what the others get.
//   W2. Time moves from event to event only, and only when nothing can go on without it.
//   W3. Two runs of one seed have one trace, bit for bit.

import { createHash } from 'node:crypto'
import { signerFromSeed, SEED_BYTES } from '../../../core/index.ts'
import type { Clock, Entropy, KeyValueStore, Logger, Prng, Signer } from '../../../core/index.ts'
import type { LaneDisk } from '../../../chain/ports.ts'
import type { BlobDisk, Network } from '../../../mesh/ports.ts'
import { blobDisk } from '../../../node/blob-disk.ts'
import type { ProcessHost } from '../../../scheduler/ports.ts'
import { CapturedLog } from './captured-log.ts'
import { describeFault, drawQuality } from './faults.ts'
import type { Fault, FaultKind } from './faults.ts'
import { drawClockFaults, Life, NodeClock } from './life.ts'
import type { ClockFaults, Ending } from './life.ts'
import { untilQuiet } from './quiet.ts'
import { SeededEntropy } from './seeded-entropy.ts'
import { SeededPrng } from './seeded-prng.ts'
import { SimDisk } from './sim-disk.ts'
import { SimNetwork } from './sim-network.ts'
import { SimProcessHost } from './sim-process-host.ts'
import type { Effect } from './sim-process-host.ts'
import { SimStore } from './sim-store.ts'
import { StorageTiming } from './storage-timing.ts'
import type { StorageCounts } from './storage-timing.ts'
import { Trace } from './trace.ts'
import { VirtualClock } from './virtual-clock.ts'

/** All that a kernel is given: ports of one life on one machine. */
export interface NodePorts {
  readonly name: string
  readonly signer: Signer
  readonly clock: Clock
  readonly prng: Prng
  readonly entropy: Entropy
  readonly log: Logger
  readonly network: Network
  readonly disk: LaneDisk
  readonly blobDisk: BlobDisk
  readonly store: KeyValueStore
  readonly processes: ProcessHost
  /** To be called when this kernel cannot go on: its machine then starts a new one. */
  fail(why: unknown): void
}

export interface SimKernel {
  stop(): Promise<void>
}

/** A machine outlives its kernels. */
export interface Machine<K extends SimKernel> {
  readonly name: string
  readonly signer: Signer
  readonly disk: SimDisk
  readonly blobDisk: SimDisk
  readonly store: SimStore
  readonly storage: StorageTiming
  readonly clockFaults: ClockFaults
  life: Life | null
  /** Null while it starts, and while it is down. */
  kernel: K | null
  lives: number
}

export interface WorldOptions {
  readonly seed: number
  readonly machines: readonly string[]
  /** The command line that runs this spec, without the seed. */
  readonly replay: string
}

const RESTART_DELAY_MS = 500 // As a service manager does.
const REPORT_LINES = 40
const CALM = { latencyMs: 5, jitterMs: 1, lossPercent: 0, bytesPerMs: 10_000 }

export class World<K extends SimKernel> {
  readonly clock: VirtualClock = new VirtualClock()
  readonly trace: Trace = new Trace()
  readonly log: CapturedLog
  readonly network: SimNetwork
  readonly storageCounts: StorageCounts = {
    tornWrites: 0,
    lostWrites: 0,
    refused: 0,
    failed: 0,
    misreported: 0
  }
  readonly machines: readonly Machine<K>[]
  readonly effects: Effect[] = []
  /** Checked after every event: safety, whatever the faults. */
  readonly oracles: (() => void)[] = []
  /** Called at the moment a simulated command starts, before anything else can happen. */
  readonly onEffect: ((effect: Effect) => void)[] = []
  readonly #boot: (ports: NodePorts) => Promise<K>
  readonly #options: WorldOptions
  readonly #faults: Fault[] = []
  readonly #pending: (() => void)[] = []
  readonly #happened = new Map<FaultKind, number>()
  readonly #enders: ((machine: Machine<K>) => void)[] = []
  #failure: { readonly error: unknown } | null = null

  constructor(deps: { boot: (ports: NodePorts) => Promise<K> }, options: WorldOptions) {
    this.#boot = deps.boot
    this.#options = options
    this.log = new CapturedLog(this.clock)
    const { clock, trace } = this
    this.network = new SimNetwork(
      { clock, trace, prng: this.prng('network') },
      { quality: drawQuality(this.prng('quality')), dialFailPercent: this.prng('dial').below(20) }
    )
    this.machines = options.machines.map((name) => this.#addMachine(name))
  }

  /** A stream of chance of its own for each purpose (W1). */
  prng(purpose: string): Prng {
    const digest = createHash('sha256').update(`${this.#options.seed} ${purpose}`).digest()
    return new SeededPrng(digest.readUInt32LE())
  }

  machine(name: string): Machine<K> {
    const machine = this.machines.find((other) => other.name === name)
    if (machine === undefined) throw new Error(`There is no machine '${name}'`)
    return machine
  }

  /** The kernel of a machine that is up. */
  kernel(name: string): K {
    const { kernel } = this.machine(name)
    if (kernel === null) throw new Error(`'${name}' is not up`)
    return kernel
  }

  happened(kind: FaultKind): number {
    return this.#happened.get(kind) ?? 0
  }

  /** Switches a machine on. Its kernel is there when `kernel` is. */
  start(name: string): void {
    const machine = this.machine(name)
    if (machine.life !== null) return
    const life = new Life()
    machine.life = life
    machine.lives += 1
    this.network.powerOn(machine.signer.nodeId)
    void this.#run(machine, life)
  }

  crash(name: string, ending: 'killed' | 'power-lost'): void {
    const machine = this.machine(name)
    this.#end(machine, ending)
    if (ending === 'power-lost') this.network.powerOff(machine.signer.nodeId)
  }

  async stop(name: string): Promise<void> {
    const machine = this.machine(name)
    await machine.kernel?.stop()
    this.#end(machine, 'stopped')
  }

  /** Calls `listener` whenever a life has ended, with the disk as the next one will find it. */
  onEnd(listener: (machine: Machine<K>) => void): void {
    this.#enders.push(listener)
  }

  /** Fails the scenario at its next step: for what runs beside it. */
  fail(error: unknown): void {
    this.#failure ??= { error }
  }

  /** Puts `faults` on the calendar. Their instants count from now. */
  inject(faults: readonly Fault[]): void {
    for (const fault of faults) {
      this.#faults.push({ ...fault, atMs: Math.round(this.clock.now()) + fault.atMs })
      this.#pending.push(this.clock.after(fault.atMs, () => this.#strike(fault)))
    }
  }

  /** No more faults: links carry, storage works, dials get through. What is down comes up as planned. */
  heal(): void {
    for (const cancel of this.#pending.splice(0)) cancel()
    for (const { storage } of this.machines) {
      storage.fault = null
      storage.duringNext = null
    }
    this.network.heal(CALM)
  }

  /** Lets time run until `isDone`, or fails after `limitMs`. */
  async until(what: string, isDone: () => boolean, limitMs: number): Promise<void> {
    const deadline = this.clock.now() + limitMs
    await untilQuiet()
    for (;;) {
      this.#checkAll()
      if (isDone()) return
      const next = this.clock.nextAt()
      if (next === null) throw new Error(`Nothing more can happen, but not yet: ${what}`)
      if (next > deadline) throw new Error(`Not within ${limitMs} ms: ${what}`)
      this.clock.step()
      await untilQuiet()
    }
  }

  /** Lets time run until `promise` settles, and settles the same. */
  async settle<T>(what: string, promise: Promise<T>, limitMs: number): Promise<T> {
    let isSettled = false
    const settled = (): void => {
      isSettled = true
    }
    promise.then(settled, settled)
    await this.until(what, () => isSettled, limitMs)
    return await promise
  }

  async advance(delayMs: number): Promise<void> {
    let isOver = false
    this.clock.after(delayMs, () => {
      isOver = true
    })
    await this.until('time passes', () => isOver, delayMs + 1)
  }

  /** Runs a scenario; a failure tells the seed, the faults, the last lines, and how to see it again. */
  async play(scenario: () => Promise<void>): Promise<void> {
    try {
      await scenario()
      this.#checkAll()
    } catch (error) {
      throw this.#report(error)
    }
  }

  #addMachine(name: string): Machine<K> {
    const signer = signerFromSeed(new SeededEntropy(this.prng(`${name} key`)).bytes(SEED_BYTES))
    this.network.addMachine(signer.nodeId)
    const storage = new StorageTiming({
      clock: this.clock,
      prng: this.prng(`${name} storage`),
      counts: this.storageCounts
    })
    const clockFaults = drawClockFaults(this.prng(`${name} clock`))
    const disk = new SimDisk(storage, (file, bytes) => {
      const line = `${this.clock.now().toFixed(3)} ${name} synced ${file} ${bytes.length}`
      // Their ML-DSA signatures are never the same twice: see SimNetwork.delivered.
      this.trace.add(line, file.includes('.checkpoint') ? undefined : bytes.subarray(-256))
    })
    const blobFiles = new SimDisk(storage, (file, bytes) => {
      this.trace.add(`${this.clock.now().toFixed(3)} ${name} synced ${file} ${bytes.length}`)
    })
    const store = new SimStore(storage)
    const parts = { name, signer, disk, blobDisk: blobFiles, store, storage, clockFaults }
    return { ...parts, life: null, kernel: null, lives: 0 }
  }

  async #run(machine: Machine<K>, life: Life): Promise<void> {
    try {
      machine.kernel = await life.guard(this.#boot(this.#ports(machine, life)))
      this.trace.add(`${this.clock.now().toFixed(3)} ${machine.name} is up`)
    } catch (error) {
      this.#restart(machine, life, error)
    }
  }

  #ports(machine: Machine<K>, life: Life): NodePorts {
    const { name, signer, lives } = machine
    const chance = (purpose: string): Prng => this.prng(`${name} ${purpose} ${lives}`)
    return {
      name,
      signer,
      clock: new NodeClock({ truth: this.clock, life }, machine.clockFaults),
      prng: chance('prng'),
      entropy: new SeededEntropy(chance('entropy')),
      log: this.log.logger(name, life),
      network: this.network.attach(signer.nodeId, life),
      disk: machine.disk.attach(life),
      blobDisk: blobDisk(machine.blobDisk.attach(life)),
      store: machine.store.attach(life),
      processes: new SimProcessHost(
        { clock: this.clock, life, onEffect: (effect) => this.#took(effect) },
        { node: name }
      ),
      fail: (why) => this.#restart(machine, life, why)
    }
  }

  #took(effect: Effect): void {
    this.effects.push(effect)
    this.trace.add(
      `${effect.at.toFixed(3)} ${effect.node} runs ${effect.request.command.join(' ')}`
    )
    try {
      for (const check of this.onEffect) check(effect)
    } catch (error) {
      this.fail(error)
    }
  }

  #restart(machine: Machine<K>, life: Life, why: unknown): void {
    if (machine.life !== life) return
    const reason = why instanceof Error ? why.message : String(why)
    this.log.logger(machine.name, new Life()).error('the kernel ended', { reason })
    this.#end(machine, 'killed')
    this.clock.after(RESTART_DELAY_MS, () => this.start(machine.name))
  }

  #end(machine: Machine<K>, ending: Ending): void {
    const { life } = machine
    if (life === null) return
    machine.life = null
    machine.kernel = null
    this.trace.add(`${this.clock.now().toFixed(3)} ${machine.name} ${ending}`)
    life.end(ending)
    for (const listener of this.#enders) listener(machine)
  }

  #strike(fault: Fault): void {
    const count = (): void => {
      this.#happened.set(fault.kind, this.happened(fault.kind) + 1)
      this.trace.add(`${this.clock.now().toFixed(3)} ${describeFault(fault)}`)
    }
    switch (fault.kind) {
      case 'stall':
        count()
        this.#stallFor([[fault.from, fault.to]], fault.forMs)
        return
      case 'partition': {
        count()
        const names = this.machines.map((machine) => machine.name)
        const rest = names.filter((name) => !fault.side.includes(name))
        const pairs = fault.side.flatMap((a) => rest.map((b) => [a, b] as const))
        this.#stallFor([...pairs, ...pairs.map(([a, b]) => [b, a] as const)], fault.forMs)
        return
      }
      case 'cut':
        count()
        this.network.cut(this.#id(fault.a), this.#id(fault.b))
        return
      case 'crash': {
        const { storage } = this.machine(fault.machine)
        const crash = (): void => {
          if (this.machine(fault.machine).life === null) return
          count()
          this.crash(fault.machine, fault.ending)
          this.clock.after(fault.downMs, () => this.start(fault.machine))
        }
        if (fault.isDuringIo) storage.duringNext = crash
        else crash()
        return
      }
      case 'storage': {
        count()
        const { storage } = this.machine(fault.machine)
        storage.fault = fault.fault
        this.clock.after(fault.forMs, () => {
          storage.fault = null
        })
      }
    }
  }

  #stallFor(pairs: readonly (readonly [string, string])[], forMs: number): void {
    const links = pairs.map(([from, to]) => this.network.link(this.#id(from), this.#id(to)))
    for (const link of links) link.stall()
    this.clock.after(forMs, () => {
      for (const link of links) link.heal()
    })
  }

  #id(name: string): Signer['nodeId'] {
    return this.machine(name).signer.nodeId
  }

  #checkAll(): void {
    if (this.#failure !== null) throw this.#failure.error
    for (const check of this.oracles) check()
  }

  #report(error: unknown): Error {
    const { seed, replay } = this.#options
    const lines = [
      `seed ${seed}, at ${this.clock.now().toFixed(3)} ms of ${this.trace.count} events`,
      'faults:',
      ...this.#faults.map(describeFault),
      'log:',
      ...this.log.last(REPORT_LINES),
      'trace:',
      ...this.trace.last(REPORT_LINES),
      error instanceof Error ? (error.stack ?? error.message) : String(error),
      `replay: SEED=${seed} ${replay}`
    ]
    return new Error(lines.join('\n'), { cause: error })
  }
}
