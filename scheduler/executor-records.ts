// What the executor writes into its lane, and the small tables beside its runs.

import { WeaverError } from '../core/index.ts'
import type { Cbor, Epoch, NodeId, Pid, TaskId, UnixMillis } from '../core/index.ts'
import { resultCbor } from './execution-record.ts'
import type { Execution } from './execution.ts'
import type { GpuDevice } from './gpu.ts'
import { FENCES_MAX, REASON_LENGTH_MAX } from './limits.ts'
import type { EntryDraft, Offer, Requester, TaskRun } from './ports.ts'
import type { TaskResult } from './result.ts'
import { recordedCommand } from './spec.ts'

/** This node, as entries name it. */
export interface Here {
  readonly self: NodeId
  readonly name: string
}

/** What the gate decides about: the command, the GPUs, and the epoch that the permission is for. */
export function commandContext({ spec, epoch }: Offer): Readonly<Record<string, Cbor>> {
  const gpu = spec.gpu === null ? {} : { gpu: { ...spec.gpu } }
  return { ...recordedCommand(spec), ...gpu, epoch }
}

export function principalOf(origin: NodeId, self: NodeId): Requester {
  return origin === self ? { kind: 'owner' } : { kind: 'member', nodeId: origin }
}

export function acceptedDraft(
  self: NodeId,
  run: TaskRun & { readonly origin: NodeId },
  gpus: readonly GpuDevice[]
): EntryDraft {
  const { taskId, epoch, origin } = run
  const payload = { epoch, origin, gpus: gpus.map((gpu) => gpu.index) }
  return { kind: 'task.accepted', actor: `node:${self}`, subject: `task:${taskId}`, payload }
}

export function startedDrafts(here: Here, execution: Execution, pid: Pid): readonly EntryDraft[] {
  const actor = `node:${here.self}`
  const { taskId, epoch, spec } = execution
  const gpid = `${pid}@${here.name}`
  return [
    { kind: 'task.started', actor, subject: `task:${taskId}`, payload: { epoch, gpid } },
    {
      kind: 'process.started',
      actor,
      subject: `process:${gpid}`,
      payload: { kind: 'task', taskId, ...recordedCommand(spec) }
    }
  ]
}

export function finishedDrafts(
  here: Here,
  run: TaskRun,
  { pid, result }: { readonly pid: Pid | null; readonly result: TaskResult }
): readonly EntryDraft[] {
  const actor = `node:${here.self}`
  const finished: EntryDraft = {
    kind: 'task.finished',
    actor,
    subject: `task:${run.taskId}`,
    payload: { epoch: run.epoch, result: resultCbor(result) }
  }
  if (pid === null || result.startedAt === null) return [finished] // No process ever started.
  const exited: EntryDraft = {
    kind: 'process.exited',
    actor,
    subject: `process:${pid}@${here.name}`,
    payload: {
      taskId: run.taskId,
      code: result.exit?.code ?? null,
      signal: result.exit?.signal ?? null
    }
  }
  return [exited, finished]
}

export function lostResult(now: UnixMillis): TaskResult {
  const reason = 'the kernel that ran it ended without warning'
  return { outcome: 'lost', exit: null, reason, startedAt: null, endedAt: now }
}

/** What a shell would exit with when a command cannot be started; 125 is a failure of weaver's own. */
const START_FAILURE_CODES: Readonly<Record<string, number>> = {
  PROCESS_NOT_FOUND: 127,
  PROCESS_NOT_EXECUTABLE: 126,
  PROCESS_BAD_DIRECTORY: 126,
  PROCESS_ARGUMENTS_TOO_LONG: 126
}

export function startFailure(error: unknown): { readonly code: number; readonly reason: string } {
  const code = error instanceof WeaverError ? START_FAILURE_CODES[error.code] : undefined
  const message = error instanceof Error ? error.message : String(error)
  const [line = ''] = message.split('\n')
  return { code: code ?? 125, reason: line.slice(0, REASON_LENGTH_MAX) }
}

/** Runs that must never be started here any more, the newest `FENCES_MAX` of them. */
export class Fences {
  readonly #epochs = new Map<string, Epoch>()

  /** Epochs of `run.taskId` up to `run.epoch`, offered by `origin`. */
  add(origin: NodeId, run: TaskRun): void {
    const key = keyOf(origin, run.taskId)
    const fenced = this.#epochs.get(key)
    this.#epochs.delete(key) // So that it becomes the newest.
    this.#epochs.set(key, fenced === undefined || fenced < run.epoch ? run.epoch : fenced)
    const [oldest] = this.#epochs.keys()
    if (this.#epochs.size > FENCES_MAX && oldest !== undefined) this.#epochs.delete(oldest)
  }

  holds(origin: NodeId, run: TaskRun): boolean {
    const fenced = this.#epochs.get(keyOf(origin, run.taskId))
    return fenced !== undefined && run.epoch <= fenced
  }
}

function keyOf(origin: NodeId, taskId: TaskId): string {
  return `${origin}/${taskId}`
}
