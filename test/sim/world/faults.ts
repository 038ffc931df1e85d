import { unreachable } from '../../../core/index.ts'
import type { Prng } from '../../../core/index.ts'
import type { LinkQuality } from './link.ts'
import type { StorageFault } from './storage-timing.ts'

/** One thing that goes wrong, at one instant of true time. Machines are named. */
export type Fault = { readonly atMs: number } & (
  | {
      /** Nothing gets through one way, and nobody is told. */
      readonly kind: 'stall'
      readonly from: string
      readonly to: string
      readonly forMs: number
    }
  | {
      /** Nothing gets through either way between the two sides. */
      readonly kind: 'partition'
      readonly side: readonly string[]
      readonly forMs: number
    }
  | { readonly kind: 'cut'; readonly a: string; readonly b: string }
  | {
      readonly kind: 'crash'
      readonly machine: string
      readonly ending: 'killed' | 'power-lost'
      readonly downMs: number
      /** Not at once, but in the middle of the next thing that the storage does. */
      readonly isDuringIo: boolean
    }
  | {
      readonly kind: 'storage'
      readonly machine: string
      readonly fault: StorageFault
      readonly forMs: number
    }
)

export type FaultKind = Fault['kind']

export interface FaultPlan {
  readonly machines: readonly string[]
  /** Faults begin within this span. */
  readonly fromMs: number
  readonly toMs: number
  readonly count: number
  readonly kinds: readonly FaultKind[]
}

/** A table of faults, earliest first. */
export function drawFaults(prng: Prng, plan: FaultPlan): readonly Fault[] {
  const faults = Array.from({ length: plan.count }, () => drawFault(prng, plan))
  return faults.toSorted((a, b) => a.atMs - b.atMs)
}

function drawFault(prng: Prng, plan: FaultPlan): Fault {
  const atMs = plan.fromMs + prng.below(plan.toMs - plan.fromMs)
  const [a, b] = drawTwo(prng, plan.machines)
  const kind = pick(prng, plan.kinds)
  switch (kind) {
    case 'stall':
      return { atMs, kind, from: a, to: b, forMs: 200 + prng.below(8000) }
    case 'partition': {
      const others = plan.machines.filter((name) => name !== a && prng.below(2) === 0)
      const side = [a, ...others.slice(0, plan.machines.length - 2)]
      return { atMs, kind, side, forMs: 200 + prng.below(12_000) }
    }
    case 'cut':
      return { atMs, kind, a, b }
    case 'crash': {
      const ending = pick(prng, ['killed', 'power-lost'] as const)
      const isDuringIo = prng.below(4) > 0
      return { atMs, kind, machine: a, ending, downMs: 10 + prng.below(3000), isDuringIo }
    }
    case 'storage': {
      const fault = pick(prng, ['full', 'failing', 'misreported'] as const)
      return { atMs, kind, machine: a, fault, forMs: 100 + prng.below(4000) }
    }
    default:
      return unreachable(kind)
  }
}

/** How good the paths are in one run: from a rack to a train. */
export function drawQuality(prng: Prng): LinkQuality {
  return {
    latencyMs: pick(prng, [0.1, 1, 10, 40, 100]),
    jitterMs: pick(prng, [0, 1, 10, 50]),
    lossPercent: pick(prng, [0, 0, 1, 5, 15]),
    bytesPerMs: pick(prng, [100, 1000, 100_000])
  }
}

/** One line for people. */
export function describeFault(fault: Fault): string {
  const at = `${String(fault.atMs).padStart(7)} ms`
  switch (fault.kind) {
    case 'stall':
      return `${at}  stall ${fault.from} > ${fault.to} for ${fault.forMs} ms`
    case 'partition':
      return `${at}  partition ${fault.side.join('+')} from the rest for ${fault.forMs} ms`
    case 'cut':
      return `${at}  cut ${fault.a} - ${fault.b}`
    case 'crash':
      return `${at}  crash ${fault.machine} (${fault.ending}${fault.isDuringIo ? ', during I/O' : ''}), down for ${fault.downMs} ms`
    case 'storage':
      return `${at}  storage of ${fault.machine} ${fault.fault} for ${fault.forMs} ms`
    default:
      return unreachable(fault)
  }
}

export function pick<T>(prng: Prng, choices: readonly T[]): T {
  const choice = choices[prng.below(choices.length)]
  if (choice === undefined) throw new Error('There is nothing to choose from')
  return choice
}

function drawTwo(prng: Prng, names: readonly string[]): readonly [string, string] {
  const a = pick(prng, names)
  return [
    a,
    pick(
      prng,
      names.filter((name) => name !== a)
    )
  ]
}
