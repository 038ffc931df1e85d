// Which processes of this node may ask it for something, and what each of them holds.
//
// Invariants
//   B1. A process holds exactly the grants that it was started with, from its start to its end.
//   B2. What a process started is known as its own until it has ended, and ends with it.
//   B3. What a process asked for is never somebody's own: with that process gone, it does not start.

import type { SpawnRequest } from '../../agents/index.ts'
import { nodeId } from '../../core/index.ts'
import type { Epoch, Grant, NodeId, Pid, Sandbox, TaskId } from '../../core/index.ts'
import { ProcessEndedError } from './errors.ts'
import { PROOFS_MAX } from './limits.ts'

/** One run of a process, as its kernel knows it. */
export interface Rights {
  readonly pid: Pid
  /** The name of the agent that it is; null for the process of a task. */
  readonly agent: string | null
  readonly sandbox: Sandbox
  /** The run of a task that it is. */
  readonly run: Run | null
  /** Whose owner it works for, in the end: this node, or the one that a task came from. */
  readonly origin: NodeId
  /** The process that asked for it; null where that was an owner or a member. */
  readonly parent: Rights | null
  /** The proof that came with it from another node. */
  readonly proof: Uint8Array | null
}

export interface Run {
  readonly taskId: TaskId
  readonly epoch: Epoch
}

export interface RightsBookOptions {
  readonly self: NodeId
}

/** Who an agent is, and who asked for it; from the agents' own list. */
export interface KnownAgent {
  readonly pid: Pid
  readonly name: string
  readonly requester: string
}

const MEMBER_PREFIX = 'node:'
const PROCESS_PATTERN = /^process:(\d+)$/
const KINDS: ReadonlySet<Grant['kind']> = new Set(['tool', 'exec', 'spawn', 'delegate'])

/** Whether a process with these grants has something to ask its kernel for. */
export function mayAsk(grants: readonly Grant[]): boolean {
  return grants.some(({ kind }) => KINDS.has(kind))
}

/** 0 for what its owner started. */
export function depthOf({ parent }: Rights): number {
  return parent === null ? 0 : depthOf(parent) + 1
}

/** Those that it has its authority from, the nearest first. */
export function above({ parent }: Rights): readonly Rights[] {
  return parent === null ? [] : [parent, ...above(parent)]
}

/** The process that a requester's text names. */
export function requestingPid(requester: string): number | null {
  const digits = PROCESS_PATTERN.exec(requester)?.[1]
  return digits === undefined ? null : Number(digits)
}

export class RightsBook {
  readonly #options: RightsBookOptions
  readonly #live = new Map<number, Rights>()
  /** Tasks that processes have submitted, until they have ended. */
  readonly #submitted = new Map<TaskId, Pid>()
  readonly #proofs = new Map<string, Uint8Array>()

  constructor(options: RightsBookOptions) {
    this.#options = options
  }

  of(pid: number): Rights | null {
    return this.#live.get(pid) ?? null
  }

  /**
   * `agent` is null for the process of a task.
   * @throws WeaverError `PROCESS_ENDED`: what asked for it has ended
   */
  begin({ pid, sandbox, secretsOf }: SpawnRequest, agent: KnownAgent | null): Rights {
    const run = secretsOf ?? null
    const parentPid =
      agent === null ? this.submitterOf(run?.taskId ?? null) : requestingPid(agent.requester)
    const parent = parentPid === null ? null : this.of(parentPid)
    if (parentPid !== null && parent === null) throw new ProcessEndedError(parentPid) // B3
    const place = run === null ? agent && agentKey(agent.requester, agent.name) : proofKey(run)
    const proof = place === null ? null : (this.#proofs.get(place) ?? null)
    const origin = parent?.origin ?? run?.node ?? originOf(agent) ?? this.#options.self
    const rights = { pid, agent: agent?.name ?? null, sandbox, run, origin, parent, proof }
    this.#live.set(pid, rights)
    return rights
  }

  /** Nothing is asked in its name from now on. */
  end(rights: Rights): void {
    if (this.#live.get(rights.pid) === rights) this.#live.delete(rights.pid)
    if (rights.run !== null) this.forgetProof(rights.run)
  }

  /** What came with an offer, for the process that its run will be. */
  keepProof(run: Run, proof: Uint8Array): void {
    this.#keep(proofKey(run), proof)
  }

  /** What came with the wish of a member for an agent: it holds for each of its starts. */
  keepAgentProof(requester: string, name: string, proof: Uint8Array): void {
    this.#keep(agentKey(requester, name), proof)
  }

  #keep(place: string, proof: Uint8Array): void {
    this.#proofs.delete(place)
    this.#proofs.set(place, proof)
    const [oldest] = this.#proofs.keys()
    if (this.#proofs.size > PROOFS_MAX && oldest !== undefined) this.#proofs.delete(oldest)
  }

  forgetProof(run: Run): void {
    this.#proofs.delete(proofKey(run))
  }

  submitted(taskId: TaskId, pid: Pid): void {
    this.#submitted.set(taskId, pid)
  }

  readonly submitterOf = (taskId: TaskId | null): Pid | null =>
    taskId === null ? null : (this.#submitted.get(taskId) ?? null)

  tasksOf(pid: number): readonly TaskId[] {
    return [...this.#submitted].flatMap(([taskId, by]) => (by === pid ? [taskId] : []))
  }

  forgetTask(taskId: TaskId): void {
    this.#submitted.delete(taskId)
  }
}

function proofKey({ taskId, epoch }: Run): string {
  return `${taskId}/${epoch}`
}

function agentKey(requester: string, name: string): string {
  return `${requester}/${name}`
}

/** An agent that a member asked for works for that member. */
function originOf(agent: KnownAgent | null): NodeId | null {
  if (agent?.requester.startsWith(MEMBER_PREFIX) !== true) return null
  return nodeId(agent.requester.slice(MEMBER_PREFIX.length))
}
