// What this room needs from outside. The real implementation, worker-process.ts, is a part of the room,
// because to start a guest safely is its trade; tests pass one without processes.

import type { WeaverError } from '../core/index.ts'
import type {
  GuestReply,
  GuestRequest,
  TranspileReply,
  TranspileRequest
} from './worker/protocol.ts'

/**
 * Starts processes that serve one guest or one translation.
 *
 * Nothing is durable. Nothing is retried. Calls may overlap. Errors: `SANDBOX_WORKER_FAILED`.
 */
export interface WorkerLauncher {
  /** A process that may read only `folder`, where the translated files of one component lie. */
  guest(folder: string): Promise<GuestLink>
  /** A process that translates one component. */
  transpiler(): Promise<TranspilerLink>
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
