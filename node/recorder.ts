// Turns what happens in the rooms into what others see: rows of the process table, entries of the chain,
// and events of the live view. The one place where these three are kept in step.

import { basename } from 'node:path'
import type { AgentEvent, AgentView } from '../agents/index.ts'
import type { EntryDraft } from '../chain/index.ts'
import type { Clock, Logger, NodeId, TaskId } from '../core/index.ts'
import { confinementName, formatGrant, sandboxCbor, unreachable } from '../core/index.ts'
import type { PeerView } from '../mesh/index.ts'
import type { ExecutorEvent, OriginEvent, TaskResult } from '../scheduler/index.ts'
import type { Json, KernelEvent } from './api/index.ts'
import { requestingPid } from './asking/index.ts'
import type { Feed } from './feed.ts'
import type { NodeLedger } from './ledger.ts'
import { REASON_LENGTH_MAX } from './process-row.ts'
import type { StoredRow } from './process-row.ts'
import type { ProcessTable } from './process-table.ts'

export interface RecorderDeps {
  readonly self: NodeId
  readonly name: string
  readonly table: ProcessTable
  readonly ledger: NodeLedger
  readonly events: Feed<KernelEvent>
  readonly clock: Clock
  readonly log: Logger
  /** Takes the secrets of this home out of a text: rows go to every member. */
  readonly redacted: (text: string) => string
  /** The process of this node that submitted a task, or null. */
  readonly submitterOf: (taskId: TaskId) => number | null
}

export class Recorder {
  readonly #deps: RecorderDeps
  readonly #peerStates = new Map<NodeId, string>()
  /** What is being written into the lane; the kernel's stop waits for it. */
  readonly #writing = new Set<Promise<void>>()

  constructor(deps: RecorderDeps) {
    this.#deps = deps
  }

  agent({ kind, agent: shown }: AgentEvent): void {
    const { redacted } = this.#deps
    const reason = shown.reason === null ? null : redacted(shown.reason).slice(0, REASON_LENGTH_MAX)
    const agent = { ...shown, reason, command: shown.command.map(redacted) }
    this.#deps.table.set(agentRow(agent))
    const gpid = this.#gpid(agent.pid)
    if (kind === 'started') {
      const payload = {
        kind: 'agent',
        name: agent.name,
        by: agent.requester,
        argv: [...agent.command],
        gpus: [...agent.gpus],
        ...sandboxCbor(agent.sandbox)
      }
      this.#record({ kind: 'process.started', subject: `process:${gpid}`, payload })
    } else if (kind === 'ended') {
      const payload = {
        kind: 'agent',
        name: agent.name,
        exit: agent.exit === null ? null : { ...agent.exit }
      }
      this.#record({ kind: 'process.exited', subject: `process:${gpid}`, payload })
    } else if (kind === 'resumed' || kind === 'abandoned') {
      const payload = {
        name: agent.name,
        by: agent.requester,
        restart: agent.restart,
        why: agent.reason
      }
      this.#record({ kind: `agent.${kind}`, subject: `process:${gpid}`, payload })
    }
    const why = agent.reason === null ? '' : `: ${agent.reason}`
    this.#event(
      `process.${agent.state}`,
      `process:${gpid}`,
      `agent ${agent.name} is ${agent.state}${why}`
    )
  }

  /** Rows of tasks that run here; their entries are the executor's own. */
  execution(event: ExecutorEvent): void {
    const { table, clock } = this.#deps
    const before = table.own(event.pid)
    const gpid = this.#gpid(event.pid)
    switch (event.kind) {
      case 'starting': {
        const name = basename(event.command[0] ?? 'task').slice(0, 63)
        const parent = this.#deps.submitterOf(event.taskId)
        table.set({ ...newTaskRow(event, name), parent, startedAt: clock.wall() })
        return
      }
      case 'running':
        if (before === null) return
        table.set({ ...before, state: 'running', startedAt: event.startedAt })
        this.#event(
          'process.running',
          `process:${gpid}`,
          `${before.name} runs for task ${event.taskId}`
        )
        return
      case 'ended':
        if (before === null) return
        table.set({ ...before, ...endedRow(event.result) })
        this.#event('process.exited', `process:${gpid}`, `${before.name} has ended`)
        return
      default:
        unreachable(event)
    }
  }

  task(event: OriginEvent): void {
    if (event.kind === 'note') {
      this.#event('task.note', `task:${event.taskId}`, event.text)
      return
    }
    const { taskId, state, reason } = event.task
    const why = reason === null ? '' : `: ${reason}`
    this.#event(`task.${state}`, `task:${taskId}`, `task ${taskId} is ${state}${why}`)
  }

  peer(peer: PeerView): void {
    if (this.#peerStates.get(peer.nodeId) === peer.state) return
    this.#peerStates.set(peer.nodeId, peer.state)
    this.#event(`peer.${peer.state}`, `node:${peer.nodeId}`, `${peer.name} is ${peer.state}`)
  }

  /** Resolves when nothing is being written any more. */
  async settled(): Promise<void> {
    while (this.#writing.size > 0) await Promise.all(this.#writing)
  }

  #gpid(pid: number): string {
    return `${pid}@${this.#deps.name}`
  }

  /** What has already happened is recorded as soon as the lane takes it; a failure is an operator's matter. */
  #record(draft: Omit<EntryDraft, 'actor'>): void {
    const { ledger, log, self } = this.#deps
    const writing = ledger
      .record([{ ...draft, actor: `node:${self}` }])
      .then(() => undefined)
      .catch((error: unknown) => {
        log.error('Cannot record in the chain', { kind: draft.kind, why: String(error) })
      })
      .finally(() => this.#writing.delete(writing))
    this.#writing.add(writing)
  }

  #event(kind: string, subject: string, message: string): void {
    const detail: Record<string, Json> = {}
    this.#deps.events.publish({ time: this.#deps.clock.wall(), kind, subject, message, detail })
  }
}

function agentRow(agent: AgentView): StoredRow {
  return {
    pid: agent.pid,
    name: agent.name,
    kind: 'agent',
    runtime: agent.runtime,
    state: agent.state,
    parent: requestingPid(agent.requester),
    startedAt: agent.startedAt,
    restarts: agent.restarts,
    exit: agent.exit === null ? null : { ...agent.exit },
    containment: confinementName(agent.sandbox),
    task: null,
    gpus: agent.gpus,
    agent: {
      command: agent.command,
      restart: agent.restart,
      grants: agent.sandbox.grants.map(formatGrant),
      role: agent.sandbox.role ?? null,
      image: agent.sandbox.image ?? null,
      gpu: agent.gpu,
      reason: agent.reason
    }
  }
}

function newTaskRow(
  { pid, taskId, containment, gpus }: Extract<ExecutorEvent, { readonly kind: 'starting' }>,
  name: string
): Omit<StoredRow, 'startedAt' | 'parent'> {
  return {
    pid,
    name,
    kind: 'task',
    runtime: null,
    state: 'starting',
    restarts: 0,
    exit: null,
    containment,
    task: taskId,
    gpus: gpus.map(({ index }) => index),
    agent: null
  }
}

/** A command that never ran, or whose kernel died under it, has failed; any other has exited. */
function endedRow({ outcome, exit }: TaskResult): Pick<StoredRow, 'state' | 'exit' | 'gpus'> {
  const state = outcome === 'not-started' || outcome === 'lost' ? 'failed' : 'exited'
  return { state, exit, gpus: [] }
}
