// The results of runs that have ended here: made durable, reported until their origin has them, and forgotten then
// (X4). Part of the executor's driver.

import { millis } from '../core/index.ts'
import type { Millis, NodeId, Pid, TaskId } from '../core/index.ts'
import { untilDurable } from './durable.ts'
import { runOf } from './executor-events.ts'
import { finishedDrafts, lostResult } from './executor-records.ts'
import type { Here } from './executor-records.ts'
import { finishedResult } from './execution-record.ts'
import type { ExecutionRecord } from './execution-record.ts'
import type { ExecutorDeps } from './executor.ts'
import { RETRY_FIRST_MS, RETRY_LAST_MS } from './limits.ts'
import type { TaskRun } from './ports.ts'
import { untilReachable } from './reach.ts'
import type { TaskResult } from './result.ts'

type Used = 'ledger' | 'store' | 'origins' | 'peers' | 'resources' | 'clock' | 'log'

export interface ResultsDeps extends Pick<ExecutorDeps, Used> {
  readonly stopping: AbortSignal
}

interface EndedRun extends TaskRun {
  readonly origin: NodeId
}

/** Of one report. */
export interface ReportOwner {
  /** False once the origin has the result by another way. */
  readonly isWanted: () => boolean
  readonly taken: () => void
}

export class Results {
  readonly #deps: ResultsDeps
  readonly #here: Here

  constructor(deps: ResultsDeps, here: Here) {
    this.#deps = deps
    this.#here = here
  }

  /** Lane and store at once, as often as it takes: the command has ended, only its record is missing. */
  async makeDurable(
    run: EndedRun,
    ended: { readonly pid: Pid | null; readonly result: TaskResult }
  ): Promise<void> {
    const { ledger, store } = this.#deps
    const drafts = finishedDrafts(this.#here, run, ended)
    const subject = `task:${run.taskId}`
    const record = { ...runOf(run), origin: run.origin, result: ended.result }
    await Promise.all([
      untilDurable(this.#deps, 'record the end of a task', async (mayBeDone) => {
        const done = mayBeDone ? await ledger.find('task.finished', [subject]) : null
        if (finishedResult(done?.get(subject)?.payload, run.epoch) !== null) return
        await ledger.record(drafts)
      }),
      untilDurable(this.#deps, 'store the result of a task', () => store.put(record))
    ])
  }

  /** Of the runs of earlier kernels, each with its result, which is durable from here on. */
  async restore(): Promise<
    readonly { readonly record: ExecutionRecord; readonly result: TaskResult }[]
  > {
    const { store, ledger } = this.#deps
    const records = await store.all()
    const subjects = records.map((record) => `task:${record.taskId}`)
    // Of lane and store either may lack a result that the other has: it counts, and is in the lane from here on.
    const finished = records.length === 0 ? new Map() : await ledger.find('task.finished', subjects)
    return Promise.all(
      records.map(async (record) => {
        const payload: unknown = finished.get(`task:${record.taskId}`)?.payload
        const recorded = finishedResult(payload, record.epoch)
        return { record, result: recorded ?? (await this.#recordEnd(record)) }
      })
    )
  }

  async #recordEnd(record: ExecutionRecord): Promise<TaskResult> {
    const { ledger, store, clock } = this.#deps
    const result = record.result ?? lostResult(clock.wall())
    const drafts = finishedDrafts(this.#here, record, { pid: null, result })
    await Promise.all([ledger.record(drafts), store.put({ ...record, result })])
    return result
  }

  /** Until the origin answers. Waits without polling while it is out of reach. Never rejects. */
  async report(run: EndedRun, result: TaskResult, owner: ReportOwner): Promise<void> {
    const { origins, resources, stopping } = this.#deps
    for (let delay: number = RETRY_FIRST_MS; owner.isWanted(); delay *= 2) {
      try {
        const { revision } = resources
        await origins.finished(run.origin, { ...runOf(run), result, revision })
        owner.taken()
        return
      } catch {
        if (stopping.aborted) return // The next kernel reports it.
        await this.#pause(run.origin, millis(Math.min(delay, RETRY_LAST_MS)))
        if (stopping.aborted) return
      }
    }
  }

  async #pause(origin: NodeId, delay: Millis): Promise<void> {
    const { clock, peers, stopping } = this.#deps
    try {
      await clock.sleep(delay, stopping)
      await untilReachable(peers, origin, stopping)
    } catch {
      // Stopping: the caller looks.
    }
  }

  forget(taskId: TaskId): void {
    this.#deps.store.delete(taskId).catch((error: unknown) => {
      // Reported once more by the next kernel, and answered by the origin as known.
      this.#deps.log.warn('Cannot forget task', { taskId, why: String(error) })
    })
  }
}
