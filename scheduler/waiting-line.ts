// Tasks that wait for a place, in the order in which they were submitted. One that cannot be placed does not
// hold up those behind it with other needs; among tasks with equal needs the first one always goes first.

import type { NodeId } from '../core/index.ts'
import { place } from './placement.ts'
import type { Placement } from './placement.ts'
import type { Candidate } from './ports.ts'
import type { TaskSpec } from './spec.ts'

export interface Waiting {
  /** Grows with every submission. */
  readonly order: number
  readonly spec: TaskSpec
  /** Executors that declined it, and the revision of their report that they did so at. */
  readonly declined: Map<NodeId, number>
}

/** Tasks with equal needs, in order: what one of them waits for, all of them wait for. */
interface Group<Entry> {
  entries: Set<Entry>
  lastOrder: number
  why: string | null
}

export class WaitingLine<Entry extends Waiting> {
  readonly #groups = new Map<string, Group<Entry>>()
  readonly #keys = new Map<Entry, string>()

  get size(): number {
    return this.#keys.size
  }

  has(entry: Entry): boolean {
    return this.#keys.has(entry)
  }

  /** It could not be placed just now, because of `why`. */
  add(entry: Entry, why: string | null): void {
    const key = needsKey(entry)
    const group = this.#groups.get(key) ?? { entries: new Set(), lastOrder: 0, why }
    this.#groups.set(key, group)
    this.#keys.set(entry, key)
    group.entries.add(entry)
    // Declined and back again: it keeps its place.
    if (entry.order < group.lastOrder) {
      group.entries = new Set([...group.entries].toSorted((a, b) => a.order - b.order))
    }
    group.lastOrder = Math.max(group.lastOrder, entry.order)
  }

  remove(entry: Entry): void {
    const key = this.#keys.get(entry)
    if (key === undefined) return
    this.#keys.delete(entry)
    const group = this.#groups.get(key)
    group?.entries.delete(entry)
    if (group?.entries.size === 0) this.#groups.delete(key)
  }

  /**
   * Places whatever can be placed, at the cost of the kinds of needs, not of the tasks. `candidates` is
   * asked again after each placement, because that changes what is free; `onPlaced` must have accounted
   * for it when it returns.
   */
  pass(
    candidates: () => readonly Candidate[],
    onPlaced: (entry: Entry, node: NodeId) => void,
    onWaiting: (entry: Entry, why: string) => void
  ): void {
    // Placing only takes away, so needs that found no place find none later in the same pass.
    const open = new Set(this.#groups.values())
    let current = candidates()
    for (let next = firstOf(open); next !== null; next = firstOf(open)) {
      const { group, head } = next
      const placement = placeOne(head, current)
      if (placement.kind === 'placed') {
        this.remove(head)
        if (group.entries.size === 0) open.delete(group)
        onPlaced(head, placement.node)
        current = candidates()
      } else {
        open.delete(group)
        if (group.why === placement.why) continue
        group.why = placement.why
        for (const entry of group.entries) onWaiting(entry, placement.why)
      }
    }
  }
}

/** The group whose first task has waited longest. */
function firstOf<Entry extends Waiting>(
  groups: ReadonlySet<Group<Entry>>
): { readonly group: Group<Entry>; readonly head: Entry } | null {
  let first: { readonly group: Group<Entry>; readonly head: Entry } | null = null
  for (const group of groups) {
    const [head] = group.entries
    if (head === undefined) continue
    if (first === null || head.order < first.head.order) first = { group, head }
  }
  return first
}

/** As `place`, without the executors that have declined it and have not reported since. */
export function placeOne(entry: Waiting, candidates: readonly Candidate[]): Placement {
  const open = candidates.filter((candidate) => {
    const declinedAt = entry.declined.get(candidate.nodeId)
    return declinedAt === undefined || candidate.revision > declinedAt
  })
  if (open.length === candidates.length) return place(entry.spec, candidates)
  const placement = place(entry.spec, open)
  if (placement.kind === 'placed') return placement
  // The reason is better told with everybody in view, unless a decliner would then seem to fit.
  const all = place(entry.spec, candidates)
  return all.kind === 'waiting' ? all : waiting('the members that fit have just declined it')
}

function needsKey(entry: Waiting): string {
  const { gpu, labels, node } = entry.spec
  return JSON.stringify([gpu, labels, node, [...entry.declined.keys()]])
}

function waiting(why: string): Placement {
  return { kind: 'waiting', why }
}
