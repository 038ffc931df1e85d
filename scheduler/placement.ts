// Where a task runs: a pure choice among the candidates, or a sentence that says what it waits for.
// Filters by node, labels, GPUs and free task slots; then the least loaded: fewest running tasks for each
// core, then the least busy cores, then the name. Equal inputs give equal answers, in any order.

import type { NodeId } from '../core/index.ts'
import { fittingGpus, gpusText } from './gpu.ts'
import type { GpuRequest, GpuState } from './gpu.ts'
import type { Candidate } from './ports.ts'
import type { TaskSpec } from './spec.ts'

/** What placement reads of a task. */
export type Needs = Pick<TaskSpec, 'gpu' | 'labels' | 'node' | 'sandbox'>

export type Placement =
  | { readonly kind: 'placed'; readonly node: NodeId; readonly why: string }
  | { readonly kind: 'waiting'; readonly why: string }

/** Members named in one sentence; the rest is counted. */
const MEMBERS_NAMED_MAX = 4

export function place(needs: Needs, candidates: readonly Candidate[]): Placement {
  let left = candidates
  if (needs.node !== null) {
    left = left.filter((candidate) => candidate.nodeId === needs.node)
    const [wanted] = left
    if (wanted === undefined) return waiting(`node ${needs.node} is not known here`)
    if (!wanted.isReachable) return waiting(`node '${wanted.name}' is not reachable`)
  }
  left = left.filter((candidate) => candidate.isReachable)
  if (left.length === 0) return waiting('no member is reachable')

  const labelled = left.filter((candidate) => hasLabels(candidate, needs.labels))
  if (labelled.length === 0) return waiting(noLabels(needs, left))

  const confining = labelled.filter((candidate) => canConfine(candidate, needs))
  if (confining.length === 0) return waiting(noContainment(labelled))

  const equipped = confining.filter((candidate) => hasGpus(candidate, needs.gpu))
  if (equipped.length === 0 && needs.gpu !== null) {
    return waiting(noGpus(needs, needs.gpu, confining))
  }
  const open = equipped.filter((candidate) => candidate.runningTasks < candidate.tasksMax)
  const best = open.toSorted(byLoad)[0]
  if (best === undefined) return waiting(noSlots(equipped))
  return { kind: 'placed', node: best.nodeId, why: whyBest(best, open.length) }
}

function hasLabels(candidate: Candidate, labels: Needs['labels']): boolean {
  return Object.entries(labels).every(
    ([key, value]) => Object.hasOwn(candidate.labels, key) && candidate.labels[key] === value
  )
}

function canConfine(candidate: Candidate, { sandbox }: Needs): boolean {
  return sandbox.containment === 'none' || candidate.canContain
}

function hasGpus(candidate: Candidate, request: GpuRequest | null): boolean {
  if (request === null) return true
  return fittingGpus(freeOf(candidate.gpus), request).length >= request.count
}

function freeOf(gpus: readonly GpuState[]): readonly GpuState[] {
  return gpus.filter((gpu) => gpu.isFree)
}

function byLoad(a: Candidate, b: Candidate): number {
  return (
    a.runningTasks / Math.max(1, a.cpus) - b.runningTasks / Math.max(1, b.cpus) ||
    a.cpuLoad - b.cpuLoad ||
    compareText(a.name, b.name) ||
    compareText(a.nodeId, b.nodeId)
  )
}

function compareText(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

function whyBest(best: Candidate, count: number): string {
  if (count === 1) return `${best.name} is the only member that fits`
  return `${best.name} is the least loaded of ${count} that fit`
}

function noLabels(needs: Needs, candidates: readonly Candidate[]): string {
  const pairs = Object.entries(needs.labels).map(([key, value]) => `${key}=${value}`)
  const wanted = `${pairs.length === 1 ? 'label' : 'labels'} ${pairs.join(', ')}`
  const [only] = candidates
  if (needs.node !== null && only !== undefined) return `node '${only.name}' has not ${wanted}`
  return `no member has ${wanted}`
}

function noGpus(needs: Needs, request: GpuRequest, candidates: readonly Candidate[]): string {
  const asked = gpusText({ ...request })
  const wanted = asked.replace(/^(\d+)/, '$1 free')
  const having = candidates
    .map((candidate) => ({
      name: candidate.name,
      fitting: fittingGpus(candidate.gpus, request)
    }))
    .filter(({ fitting }) => fitting.length > 0)
    .toSorted((a, b) => b.fitting.length - a.fitting.length || compareText(a.name, b.name))
  const parts = having
    .slice(0, MEMBERS_NAMED_MAX)
    .map(({ name, fitting }) => `${name} has ${fitting.length} (${freeOf(fitting).length} free)`)
  if (having.length > MEMBERS_NAMED_MAX) parts.push(`${having.length - MEMBERS_NAMED_MAX} more`)
  const detail = parts.length === 0 ? 'none has any that fits' : parts.join(', ')
  const [only] = candidates
  if (needs.node !== null && only !== undefined) {
    const one = parts.length === 0 ? 'it has none that fits' : detail
    return `node '${only.name}' has not ${wanted}: ${one}`
  }
  return `no member has ${wanted}: ${detail}`
}

function noContainment(candidates: readonly Candidate[]): string {
  const all = candidates.map(({ name }) => name).toSorted(compareText)
  const names = all.slice(0, MEMBERS_NAMED_MAX)
  return `no member can contain a process: run weaver doctor on ${names.join(', ')}`
}

function noSlots(candidates: readonly Candidate[]): string {
  const [only] = candidates
  if (candidates.length === 1 && only !== undefined) {
    return `${only.name} runs ${only.runningTasks} tasks, as many as it takes`
  }
  return `all ${candidates.length} members that fit run as many tasks as they take`
}

function waiting(why: string): Placement {
  return { kind: 'waiting', why }
}
