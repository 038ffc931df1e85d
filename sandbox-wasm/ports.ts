// What this room needs from outside. The real implementation, worker-process.ts, is a part of the room,
// because to start a guest safely is its trade; tests pass one without processes.

import type { Containment, WeaverError } from '../core/index.ts'
import type {
  GuestReply,
  GuestRequest,
  TranspileReply,
  TranspileRequest
} from './worker/protocol.ts'

/**
 * Starts processes that serve one guest or one translation.
 *
 * Nothing is durable. Nothing is retried. Calls may overlap. Errors: `SANDBOX_WORKER_FAILED`, and
 * `CONTAINMENT_MISSING` where containment is asked for that this machine has not.
 */
export interface WorkerLauncher {
  /** A process that may read only `folder`, where the translated files of one component lie. */
  guest(folder: string, containment: Containment): Promise<GuestLink>
  /** A process that translates one component. */
  transpiler(containment: Containment): Promise<TranspilerLink>
}

/** A worker process that is to be started. */
export interface WorkerStart {
  readonly command: readonly [string, ...string[]]
  /** The files and folders that it reads, at these paths; the program itself and its libraries are not among them. */
  readonly readable: readonly string[]
  /** For the whole process, code and stacks included. */
  readonly memoryBytesMax: number
  readonly threadsMax: number
  /** The number that the first of the walls' descriptors has in the child: lower ones are the worker's own. */
  readonly firstDescriptor: number
}

/** How to start it so that the operating system confines it. */
export interface ConfinedStart {
  readonly command: readonly [string, ...string[]]
  /** Open files of this process, for the child from `firstDescriptor` on. */
  readonly descriptors: readonly number[]
  /** To be called once the child runs, or does not. */
  release(): void
  /** To be called when it has ended, or did not start. Never rejects. */
  ended(): Promise<void>
}

/**
 * What the operating system puts around workers: code that broke out of its engine and of Node meets these. Nothing is
 * durable, nothing is retried; calls may overlap.
 */
export interface WorkerWalls {
  /**
   * Starts nothing; opens what the start needs.
   * @throws WeaverError `CONTAINMENT_MISSING` where this machine cannot confine a process
   */
  around(start: WorkerStart): ConfinedStart
}

/** A worker process from the outside. */
export interface WorkerLink<Request, Reply> {
  /**
   * Sends one message and waits for its answer. One at a time.
   * @throws WeaverError `SANDBOX_WORKER_DIED` when the process ends first or breaks the protocol.
   */
  request(message: Request): Promise<Reply>
  /** Ends the process at once. Idempotent. */
  kill(): void
  /** Resolves, never rejects, when the process has ended, with what it died of. */
  readonly ended: Promise<WeaverError>
}

export type GuestLink = WorkerLink<GuestRequest, GuestReply>
export type TranspilerLink = WorkerLink<TranspileRequest, TranspileReply>
