// CPU and memory of each process tree: one look at the process table for all of them.

import type { Clock, Logger, Pid } from '../../core/index.ts'
import { SAMPLE_INTERVAL_MS } from './limits.ts'
import { startsMatch, treesOf } from './os-processes.ts'
import type { Leader, OsProcess, OsProcesses } from './os-processes.ts'

export interface ProcessSample {
  readonly pid: Pid
  /** Of one core, since the sample before: 250 is two and a half cores. */
  readonly cpuPercent: number
  /** Resident memory of the tree; pages that its processes share count once for each. */
  readonly memoryBytes: number
}

export interface SamplerDeps {
  readonly os: OsProcesses
  readonly clock: Clock
  readonly log: Logger
  readonly onSamples: (samples: readonly ProcessSample[]) => void
  /** Told which processes belong to `pid` at each sample. */
  readonly onTree: (
    pid: Pid,
    tree: readonly OsProcess[],
    isAlive: (osPid: number, start: string) => boolean
  ) => void
}

interface Reading {
  readonly at: number
  readonly cpuMs: number
}

/** Takes samples while there is something to sample, and rests otherwise. */
export class Sampler {
  readonly #deps: SamplerDeps
  readonly #leaders = new Map<Pid, Leader>()
  readonly #readings = new Map<Pid, Reading>()
  #loop: AbortController | null = null

  constructor(deps: SamplerDeps) {
    this.#deps = deps
  }

  add(pid: Pid, leader: Leader): void {
    this.#leaders.set(pid, leader)
    this.#readings.set(pid, { at: this.#deps.clock.now(), cpuMs: 0 })
    if (this.#loop !== null) return
    this.#loop = new AbortController()
    this.#run(this.#loop.signal).catch((error: unknown) => {
      this.#deps.log.error('Sampling has stopped', { error: String(error) })
    })
  }

  delete(pid: Pid): void {
    this.#leaders.delete(pid)
    this.#readings.delete(pid)
    if (this.#leaders.size === 0) this.stop()
  }

  stop(): void {
    this.#loop?.abort()
    this.#loop = null
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#deps.clock.sleep(SAMPLE_INTERVAL_MS, signal)
      } catch {
        return // Aborted: nothing is left to sample.
      }
      await this.sample()
    }
  }

  /** One sample of all. */
  async sample(): Promise<void> {
    const processes = await this.#deps.os.scan({ withLeashes: false })
    const now = this.#deps.clock.now()
    const isAlive = startsMatch(processes)
    const samples: ProcessSample[] = []
    for (const [pid, tree] of treesOf(processes, this.#leaders)) {
      const before = this.#readings.get(pid)
      if (tree.length === 0 || before === undefined) continue
      this.#deps.onTree(pid, tree, isAlive)
      const cpuMs = tree.reduce((sum, process) => sum + process.cpuMs, 0)
      const memoryBytes = tree.reduce((sum, process) => sum + process.residentBytes, 0)
      // A child that init inherits takes its time along, so the sum may shrink.
      const spentMs = Math.max(0, cpuMs - before.cpuMs)
      const passedMs = Math.max(1, now - before.at)
      const cpuPercent = Math.round((spentMs / passedMs) * 1000) / 10
      this.#readings.set(pid, { at: now, cpuMs })
      samples.push({ pid, cpuPercent, memoryBytes })
    }
    if (samples.length > 0) this.#deps.onSamples(samples)
  }
}
