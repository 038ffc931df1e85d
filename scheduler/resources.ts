// What this node gives to tasks, and to which of them: GPUs whole, one task each, and task slots.
//
// Invariants
//   R1. A GPU belongs to at most one task that has not ended.
//   R2. `revision` grows with every change, and over restarts: it starts at the wall clock.

import type { UnixMillis } from '../core/index.ts'
import { chooseGpus } from './gpu.ts'
import type { GpuDevice, GpuRequest } from './gpu.ts'
import type { ExecutorLoad } from './ports.ts'

export interface ResourcesOptions {
  readonly gpus: readonly GpuDevice[]
  readonly tasksMax: number
}

/** What one task holds. */
export interface Grant {
  readonly gpus: readonly GpuDevice[]
}

export class Resources {
  readonly #gpus: readonly GpuDevice[]
  readonly #tasksMax: number
  readonly #grants = new Set<Grant>()
  #revision: number

  constructor({ gpus, tasksMax }: ResourcesOptions, startedAt: UnixMillis) {
    this.#gpus = gpus
    this.#tasksMax = tasksMax
    this.#revision = startedAt // R2
  }

  get revision(): number {
    return this.#revision
  }

  /** Takes what a task needs, or says in a sentence what is missing. */
  take(request: GpuRequest | null): Grant | string {
    if (this.#grants.size >= this.#tasksMax) return `it runs ${this.#grants.size} tasks already`
    const free = this.load().gpus.filter((gpu) => gpu.isFree)
    const gpus = request === null ? [] : chooseGpus(free, request)
    if (gpus === null) return `${free.length} of its ${this.#gpus.length} GPUs are free`
    const held = new Set(gpus.map((gpu) => gpu.index))
    const grant: Grant = { gpus: this.#gpus.filter((gpu) => held.has(gpu.index)) }
    this.#grants.add(grant) // R1
    this.#revision += 1
    return grant
  }

  /** Idempotent. */
  free(grant: Grant): void {
    if (this.#grants.delete(grant)) this.#revision += 1
  }

  load(): ExecutorLoad {
    const held = new Set([...this.#grants].flatMap((grant) => grant.gpus.map((gpu) => gpu.index)))
    return {
      revision: this.#revision,
      runningTasks: this.#grants.size,
      tasksMax: this.#tasksMax,
      gpus: this.#gpus.map((gpu) => ({ ...gpu, isFree: !held.has(gpu.index) }))
    }
  }
}
