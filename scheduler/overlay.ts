// What candidates report is a moment old. Until a report has caught up, the origin adds what it knows
// better: tasks that it has just placed there, and GPUs that its ended tasks have just freed.
//
// A report has caught up with a fact when its revision is at least the one that the executor gave with the
// fact, so nothing is counted twice, and no clock is read.

import type { NodeId } from '../core/index.ts'
import { chooseGpus } from './gpu.ts'
import type { GpuRequest, GpuState } from './gpu.ts'
import { UNREPORTED_ENDS_MAX } from './limits.ts'
import type { Candidate } from './ports.ts'

/** One task of this origin on one node. */
export interface Placed {
  readonly node: NodeId
  readonly request: GpuRequest | null
  /** Null while the offer has no answer. */
  accepted: { readonly revision: number; readonly gpus: readonly number[] } | null
  endedRevision: number | null
}

export class Placements {
  readonly #byNode = new Map<NodeId, Set<Placed>>()

  add(node: NodeId, request: GpuRequest | null): Placed {
    const placed: Placed = { node, request, accepted: null, endedRevision: null }
    const there = this.#byNode.get(node) ?? new Set()
    this.#byNode.set(node, there.add(placed))
    return placed
  }

  /** It came to nothing, or nobody knows: from now on only reports count. Idempotent. */
  remove(placed: Placed): void {
    const there = this.#byNode.get(placed.node)
    there?.delete(placed)
    if (there?.size === 0) this.#byNode.delete(placed.node)
  }

  ended(placed: Placed, revision: number): void {
    placed.endedRevision = revision
    const there = this.#byNode.get(placed.node) ?? new Set()
    const ends = [...there].filter((other) => other.endedRevision !== null)
    for (const old of ends.slice(0, -UNREPORTED_ENDS_MAX)) this.remove(old)
  }

  /** The candidates as they are, as far as this node can know. Forgets what the reports have caught up with. */
  over(candidates: readonly Candidate[]): readonly Candidate[] {
    return candidates.map((candidate) => {
      const there = this.#byNode.get(candidate.nodeId)
      if (there === undefined) return candidate
      for (const placed of there) {
        const { endedRevision } = placed
        if (endedRevision !== null && endedRevision <= candidate.revision) this.remove(placed)
      }
      return there.size === 0 ? candidate : overlaid(candidate, there)
    })
  }
}

function overlaid(candidate: Candidate, there: ReadonlySet<Placed>): Candidate {
  let { runningTasks } = candidate
  const isFree = candidate.gpus.map((gpu) => gpu.isFree)
  const mark = (gpus: readonly number[], free: boolean): void => {
    candidate.gpus.forEach((gpu, place) => {
      if (gpus.includes(gpu.index)) isFree[place] = free
    })
  }
  const pending: GpuRequest[] = []
  for (const { accepted, endedRevision, request } of there) {
    const isCounted = accepted !== null && accepted.revision <= candidate.revision
    const hasEnded = endedRevision !== null // And the report has not caught up, or it would be gone.
    if (isCounted && hasEnded) {
      runningTasks -= 1
      mark(accepted.gpus, true)
    } else if (!isCounted && !hasEnded) {
      runningTasks += 1
      if (accepted !== null) mark(accepted.gpus, false)
      else if (request !== null) pending.push(request)
    }
  }
  for (const request of pending) mark(predicted(candidate.gpus, isFree, request), false)
  const gpus = candidate.gpus.map((gpu, place) => ({ ...gpu, isFree: isFree[place] === true }))
  return { ...candidate, runningTasks: Math.max(0, runningTasks), gpus }
}

/** The GPUs that the executor will give, if it is as free as we think. */
function predicted(
  gpus: readonly GpuState[],
  isFree: readonly boolean[],
  request: GpuRequest
): readonly number[] {
  const free = gpus.filter((_, place) => isFree[place] === true)
  return (chooseGpus(free, request) ?? []).map((gpu) => gpu.index)
}
