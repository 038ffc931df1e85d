// What must hold of tasks, whatever the faults, checked on stored bytes and observed effects.
//
// Invariants
//   I1. A task that was acknowledged is in its origin's lane, and comes to an end.
//   I3. At most one result of a task is ever committed.
//   I4. Epochs only grow: an executor accepts a task under a higher epoch than before, and nobody has
//       accepted a higher one than the one that is committed.
//   I5. A command starts only when the permission for exactly this task and epoch is durable in the lane
//       of its node, and once at most for each epoch.
//   I7. No command outlives its task.

import assert from 'node:assert/strict'
import type { LaneMachine, LaneOracle } from './lane-oracle.ts'
import type { StoredEntry } from './stored-lane.ts'
import type { Effect } from './world/sim-process-host.ts'

export interface TaskWorld {
  readonly machines: readonly LaneMachine[]
  readonly effects: readonly Effect[]
  readonly onEffect: ((effect: Effect) => void)[]
}

export class TaskOracle {
  readonly #world: TaskWorld
  readonly #lanes: LaneOracle
  readonly #started = new Set<string>()

  constructor(deps: { world: TaskWorld; lanes: LaneOracle }) {
    this.#world = deps.world
    this.#lanes = deps.lanes
    deps.world.onEffect.push((effect) => this.#checkEffect(effect))
  }

  /** To be called in the turn in which a submission is acknowledged (I1). */
  acknowledge(origin: string, taskId: string): void {
    const machine = this.#world.machines.find(({ name }) => name === origin)
    assert(machine !== undefined)
    const isStored = this.#lanes
      .own(machine)
      .some(({ kind, subject }) => kind === 'task.submitted' && subject === `task:${taskId}`)
    assert(isStored, `I1: task ${taskId} was acknowledged by ${origin} before it was recorded`)
  }

  /** Whether each of these has a committed result. */
  haveEnded(taskIds: readonly string[]): boolean {
    const ended = new Set(this.#entries('task.committed').map(({ subject }) => subject))
    return taskIds.every((taskId) => ended.has(`task:${taskId}`))
  }

  /** Whether no command runs anywhere (I7). */
  isQuiet(): boolean {
    return this.#world.effects.every((effect) => !effect.isRunning)
  }

  /** When all is over: every acknowledged task has one end. */
  checkEnds(taskIds: readonly string[]): void {
    const committed = this.#entries('task.committed')
    const accepted = this.#entries('task.accepted')
    for (const taskId of taskIds) {
      const ends = committed.filter(({ subject }) => subject === `task:${taskId}`)
      assert.equal(ends.length, 1, `I3: task ${taskId} has ${ends.length} committed results`)
      const [end] = ends
      if (end !== undefined) this.#checkResult(end)
      for (const { subject, payload } of accepted) {
        if (subject !== `task:${taskId}` || end === undefined) continue
        const [epoch, last] = [epochOf(payload), epochOf(end.payload)]
        assert(
          epoch <= last,
          `I4: task ${taskId} was accepted at ${epoch} and committed at ${last}`
        )
      }
    }
  }

  /** Safety alone, at any time. */
  checkLanes(): void {
    const ends = this.#entries('task.committed').map(({ subject }) => subject)
    assert.equal(new Set(ends).size, ends.length, `I3: committed twice, among ${ends.join(' ')}`)
    for (const machine of this.#world.machines) {
      const highest = new Map<string, number>()
      for (const { kind, subject, payload } of this.#lanes.own(machine)) {
        if (kind !== 'task.accepted') continue
        const epoch = epochOf(payload)
        const before = highest.get(subject) ?? 0
        assert(
          epoch > before,
          `I4: ${machine.name} accepted ${subject} at ${epoch} after ${before}`
        )
        highest.set(subject, epoch)
      }
    }
  }

  #checkEffect(effect: Effect): void {
    const { WEAVER_TASK_ID: taskId, WEAVER_EPOCH: epoch } = effect.request.env
    const machine = this.#world.machines.find(({ name }) => name === effect.node)
    assert(taskId !== undefined && epoch !== undefined && machine !== undefined, 'not a task')
    const key = `${taskId} at epoch ${epoch}`
    assert(!this.#started.has(key), `I5: ${key} was started twice`)
    this.#started.add(key)
    const isPermitted = this.#lanes
      .own(machine)
      .some(
        ({ kind, subject, payload }) =>
          kind === 'policy.decision' &&
          subject === `task:${taskId}` &&
          payload['action'] === 'task.accept' &&
          payload['verdict'] === 'allow' &&
          epochOf(payload['context']) === Number(epoch)
      )
    assert(isPermitted, `I5: ${key} runs on ${effect.node} without a recorded permission`)
  }

  /** A committed exit is the one that the executor recorded for exactly this epoch. */
  #checkResult({ subject, payload }: StoredEntry): void {
    const { executor, end } = payload
    const exit = fieldOf(end, 'exit')
    if (fieldOf(end, 'state') !== 'succeeded' || typeof executor !== 'string') return
    const machine = this.#world.machines.find(({ signer }) => signer.nodeId === executor)
    assert(machine !== undefined, `${subject} was committed for an unknown executor`)
    const finished = this.#lanes
      .own(machine)
      .filter((entry) => entry.kind === 'task.finished' && entry.subject === subject)
      .find((entry) => epochOf(entry.payload) === epochOf(payload))
    const recorded = fieldOf(finished?.payload['result'], 'exit')
    assert.deepEqual(recorded, exit, `I3: ${subject} was committed with another result`)
  }

  #entries(kind: string): readonly StoredEntry[] {
    return this.#world.machines
      .flatMap((machine) => this.#lanes.own(machine))
      .filter((entry) => entry.kind === kind)
  }
}

function fieldOf(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  return new Map<string, unknown>(Object.entries(value)).get(key)
}

function epochOf(payload: unknown): number {
  const epoch = fieldOf(payload, 'epoch')
  assert(typeof epoch === 'number', 'an entry without an epoch')
  return epoch
}
