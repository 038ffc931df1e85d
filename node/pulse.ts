// What a node says of itself once a second to every connected member: its load, samples of its processes,
// and the heads of the lanes it holds. Kept out of the replicated documents, whose history would grow.

import { z } from 'zod'
import { WeaverError } from '../core/index.ts'
import type { Cbor, NodeId } from '../core/index.ts'
import type { ExecutorLoad } from '../scheduler/index.ts'
import { SAMPLES_PER_PULSE_MAX } from './limits.ts'
import type { Sample } from './process-table.ts'

/** The machine's own load. */
export interface MachineLoad {
  /** Share of all cores in use, 0 to 1. */
  readonly cpuLoad: number
  readonly memoryFreeBytes: number
}

export interface NodePulse extends MachineLoad {
  readonly executor: ExecutorLoad
  readonly samples: ReadonlyMap<number, Sample>
}

const gpuSchema = z.object({
  index: z.int().min(0),
  vendor: z.string().max(64),
  vendorIndex: z.int().min(0),
  model: z.string().max(128),
  memoryBytes: z.int().min(0),
  isDeclared: z.boolean(),
  isFree: z.boolean()
})

const pulseSchema = z.object({
  cpuLoad: z.number().min(0),
  memoryFreeBytes: z.int().min(0),
  executor: z.object({
    revision: z.int().min(0),
    runningTasks: z.int().min(0),
    tasksMax: z.int().min(0),
    gpus: z.array(gpuSchema).max(64)
  }),
  /** [pid, cpu percent, resident bytes] */
  samples: z
    .array(z.tuple([z.int().min(1), z.number().min(0), z.int().min(0)]))
    .max(SAMPLES_PER_PULSE_MAX),
  heads: z.unknown()
})

export function encodePulse(pulse: NodePulse, heads: Cbor): Cbor {
  const samples = [...pulse.samples].slice(0, SAMPLES_PER_PULSE_MAX)
  return {
    cpuLoad: pulse.cpuLoad,
    memoryFreeBytes: pulse.memoryFreeBytes,
    executor: { ...pulse.executor, gpus: pulse.executor.gpus.map((gpu) => ({ ...gpu })) },
    samples: samples.map(([pid, { cpuPercent, memoryBytes }]) => [pid, cpuPercent, memoryBytes]),
    heads
  }
}

/** A node is at rest while its load moves by less than these: a pulse that says the same need not be sent. */
const CPU_LOAD_STEP = 0.1
const MEMORY_STEP = 0.05

/** The load to tell: what was told last, as long as the machine has not moved away from it. */
export function steadyLoad(told: MachineLoad | null, now: MachineLoad): MachineLoad {
  if (told === null || Math.abs(told.cpuLoad - now.cpuLoad) >= CPU_LOAD_STEP) return now
  const moved = Math.abs(told.memoryFreeBytes - now.memoryFreeBytes)
  return moved >= MEMORY_STEP * told.memoryFreeBytes ? now : told
}

/** Null where `value` is no pulse that this version can read. */
export function decodePulse(value: unknown): { pulse: NodePulse; heads: unknown } | null {
  const parsed = pulseSchema.safeParse(value)
  if (!parsed.success) return null
  const { samples, heads, ...rest } = parsed.data
  const byPid = samples.map(
    ([pid, cpuPercent, memoryBytes]) => [pid, { cpuPercent, memoryBytes }] as const
  )
  return { pulse: { ...rest, samples: new Map(byPid) }, heads }
}

/** The latest pulse of each peer, and what this node itself would say now. */
export class PulseBook {
  readonly #latest = new Map<NodeId, NodePulse>()
  #own: () => NodePulse = () => {
    throw new WeaverError('INVARIANT_BROKEN', 'A pulse was asked for before the kernel was built')
  }

  setOwn(own: () => NodePulse): void {
    this.#own = own
  }

  own(): NodePulse {
    return this.#own()
  }

  set(peer: NodeId, pulse: NodePulse): void {
    this.#latest.set(peer, pulse)
  }

  of(peer: NodeId): NodePulse | null {
    return this.#latest.get(peer) ?? null
  }
}
