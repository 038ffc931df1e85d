// One origin with everything around it in the test's hands.

import { epoch, millis } from '../../../core/index.ts'
import type { Entropy, Epoch, FrameChannel, NodeId } from '../../../core/index.ts'
import { createGate, ownerAndMembers } from '../../../governance/index.ts'
import { createOrigin, originStore } from '../../../scheduler/index.ts'
import type {
  OfferAnswer,
  Origin,
  OriginOptions,
  SubmittedTask,
  TaskResult,
  TaskSpec,
  TaskStore
} from '../../../scheduler/index.ts'
import type { Task } from '../../../scheduler/task.ts'
import { ScriptedExecutors } from '../../doubles/executor-client.ts'
import { MemoryLedger } from '../../doubles/ledger.ts'
import { MemoryStore } from '../../doubles/memory-store.ts'
import { MemoryDirectory, testCandidate, testGpu, testNode } from '../../doubles/peer-directory.ts'
import { silentLog } from '../../doubles/silent-log.ts'
import { VirtualClock } from '../../sim/world/virtual-clock.ts'
import { countingEntropy, frameText, settle, testResult, testSpec, textFrames } from './fixtures.ts'

export const self: NodeId = testNode(1)
export const server: NodeId = testNode(2)
export const one: Epoch = epoch(1)
export const accept: OfferAnswer = { kind: 'accepted', revision: 2, gpus: [] }
export const result: TaskResult = testResult()

/** One node's lasting things, and the origin that runs on them now. */
export class Bench {
  readonly ledger: MemoryLedger = new MemoryLedger()
  readonly kv: MemoryStore = new MemoryStore()
  readonly store: TaskStore<Task> = originStore({ store: this.kv, log: silentLog })
  readonly peers: MemoryDirectory = new MemoryDirectory()
  readonly clock: VirtualClock = new VirtualClock()
  readonly entropy: Entropy = countingEntropy()
  executors: ScriptedExecutors = new ScriptedExecutors()
  origin: Origin
  readonly options: Partial<OriginOptions>
  #isResumed = false

  constructor(options: Partial<OriginOptions> = {}) {
    this.options = options
    this.origin = this.start()
  }

  start(): Origin {
    const { ledger, store, peers, clock, entropy, executors } = this
    const gate = createGate({ ledger, policy: ownerAndMembers })
    const deps = { ledger, gate, store, peers, clock, entropy, executors, ioFrames: textFrames }
    return createOrigin({ ...deps, log: silentLog }, { self, ...this.options })
  }

  /** The kernel dies and starts again: what was only in memory is gone. */
  async crash(): Promise<void> {
    this.executors = new ScriptedExecutors()
    this.origin = this.start()
    await this.origin.resume()
    await settle()
  }

  async submit(
    more: Partial<TaskSpec> = {},
    io: FrameChannel | null = null
  ): Promise<SubmittedTask> {
    if (!this.#isResumed) await this.origin.resume()
    this.#isResumed = true
    const submitted = await this.origin.submit(testSpec({ isAttached: io !== null, ...more }), io)
    await settle()
    return submitted
  }

  async advance(ms: number): Promise<void> {
    this.clock.advanceTo(millis(this.clock.now() + ms))
    await settle()
  }
}

export async function running(
  bench: Bench,
  more: Partial<TaskSpec> = {},
  io: FrameChannel | null = null
): Promise<SubmittedTask> {
  bench.peers.set(testCandidate(server, { name: 'server', gpus: [testGpu(0)] }))
  const submitted = await bench.submit(more, io)
  bench.executors.last.answer(accept)
  await settle()
  return submitted
}

export async function notesOf(channel: FrameChannel, into: string[]): Promise<void> {
  for await (const bytes of channel.frames) into.push(`${bytes[0]}:${frameText(bytes)}`)
}
