// What the origin writes into its lane.

import { unreachable } from '../core/index.ts'
import type { Cbor, NodeId } from '../core/index.ts'
import { resultCbor } from './execution-record.ts'
import type { EntryDraft, GateRequest, Requester } from './ports.ts'
import type { TaskResult } from './result.ts'
import { recordedCommand } from './spec.ts'
import type { TaskSpec } from './spec.ts'
import { endCbor } from './task-record.ts'
import { currentEpoch } from './task.ts'
import type { Task, TaskEnd } from './task.ts'

/** What the gate decides about, and what `task.submitted` says: names of variables, never values. */
function submissionContext(spec: TaskSpec): Readonly<Record<string, Cbor>> {
  return {
    ...recordedCommand(spec),
    gpu: spec.gpu === null ? null : { ...spec.gpu },
    labels: spec.labels,
    node: spec.node,
    timeoutMs: spec.timeoutMs,
    isAttached: spec.isAttached
  }
}

/** What the gate is asked before a task is submitted. */
export function submissionRequest(task: Task, requester: Requester): GateRequest {
  return {
    principal: requester,
    action: 'task.submit',
    resource: subjectOf(task),
    context: submissionContext(task.spec),
    command: task.spec.command,
    environment: task.spec.env
  }
}

export function submittedDraft(task: Task, requester: Requester, self: NodeId): EntryDraft {
  return {
    kind: 'task.submitted',
    actor: actorOf(requester, self),
    subject: subjectOf(task),
    payload: submissionContext(task.spec)
  }
}

export function committedDraft(task: Task, end: TaskEnd, self: NodeId): EntryDraft {
  const { phase } = task
  const executor = phase.kind === 'queued' ? null : phase.executor
  return {
    kind: 'task.committed',
    actor: `node:${self}`,
    subject: subjectOf(task),
    payload: { epoch: currentEpoch(task) ?? 0, executor, end: endCbor(end) }
  }
}

export function fencedDraft(
  task: Task,
  late: { readonly from: NodeId; readonly epoch: number; readonly result: TaskResult },
  self: NodeId
): EntryDraft {
  return {
    kind: 'task.fenced',
    actor: `node:${self}`,
    subject: subjectOf(task),
    payload: {
      executor: late.from,
      epoch: late.epoch,
      currentEpoch: currentEpoch(task) ?? 0,
      result: resultCbor(late.result)
    }
  }
}

export function subjectOf(task: Pick<Task, 'taskId'>): string {
  return `task:${task.taskId}`
}

function actorOf(requester: Requester, self: NodeId): string {
  switch (requester.kind) {
    case 'owner':
      return 'user:local'
    case 'member':
      return `node:${requester.nodeId}`
    case 'process':
      return `process:${requester.pid}@${self}`
    default:
      return unreachable(requester)
  }
}
