// What this node gives to tasks, and to which of them: GPUs whole, one task each, and task slots. GPUs are also
// lent to what is no task.
//
// Invariants
//   R1. A GPU belongs to at most one task that has not ended, or is lent to one.
//   R2. `revision` grows with every change, and over restarts: it starts at the wall clock.

import type { UnixMillis } from '../core/index.ts'
import { chooseGpus } from './gpu.ts'
import type { GpuDevice, GpuRequest } from './gpu.ts'
import { RUNNING_TASKS_MAX } from './limits.ts'
import { Listeners } from './listeners.ts'
import type { ExecutorLoad } from './ports.ts'

export interface ResourcesOptions {
  readonly gpus: readonly GpuDevice[]
  readonly tasksMax?: number
}

/** What one task holds. */
export interface Grant {
  readonly gpus: readonly GpuDevice[]
}

export class Resources {
  readonly #gpus: readonly GpuDevice[]
  readonly #tasksMax: number
  readonly #grants = new Set<Grant>()
  readonly #loans = new Set<Grant>()
  readonly #loanListeners = new Listeners<void>()
  #revision: number

  constructor({ gpus, tasksMax }: ResourcesOptions, startedAt: UnixMillis) {
    this.#gpus = gpus
    this.#tasksMax = tasksMax ?? RUNNING_TASKS_MAX
    this.#revision = startedAt // R2
  }

  get revision(): number {
    return this.#revision
  }

  /** Takes what a task needs, or says in a sentence what is missing. */
  take(request: GpuRequest | null): Grant | string {
    if (this.#grants.size >= this.#tasksMax) return `it runs ${this.#grants.size} tasks already`
    const grant = request === null ? { gpus: [] } : this.#choose(request)
    if (typeof grant === 'string') return grant
    this.#grants.add(grant) // R1
    this.#revision += 1
    return grant
  }

  /** GPUs for what is no task; or what is missing. */
  lend(request: GpuRequest): Grant | string {
    const loan = this.#choose(request)
    if (typeof loan === 'string') return loan
    this.#loans.add(loan) // R1
    this.#revision += 1
    this.#loanListeners.emit()
    return loan
  }

  /** Idempotent. */
  takeBack(loan: Grant): void {
    if (!this.#loans.delete(loan)) return
    this.#revision += 1
    this.#loanListeners.emit()
  }

  /** Called after GPUs were lent or came back. */
  onLoan(listener: () => void): () => void {
    return this.#loanListeners.add(listener)
  }

  /** Idempotent. */
  free(grant: Grant): void {
    if (this.#grants.delete(grant)) this.#revision += 1
  }

  load(): ExecutorLoad {
    const given = [...this.#grants, ...this.#loans]
    const held = new Set(given.flatMap((grant) => grant.gpus.map((gpu) => gpu.index)))
    return {
      revision: this.#revision,
      runningTasks: this.#grants.size,
      tasksMax: this.#tasksMax,
      gpus: this.#gpus.map((gpu) => ({ ...gpu, isFree: !held.has(gpu.index) }))
    }
  }

  #choose(request: GpuRequest): Grant | string {
    const free = this.load().gpus.filter((gpu) => gpu.isFree)
    const chosen = chooseGpus(free, request)
    if (chosen === null) return `${free.length} of its ${this.#gpus.length} GPUs are free`
    const held = new Set(chosen.map((gpu) => gpu.index))
    return { gpus: this.#gpus.filter((gpu) => held.has(gpu.index)) }
  }
}
