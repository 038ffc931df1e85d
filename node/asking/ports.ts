// What this part needs from outside, and what it offers to whoever serves the sockets.

import type { KernelService } from '../service.ts'
import type { SelfView } from '../api/index.ts'

/** What one process may ask its kernel. Everything it does is decided with that process as the principal. */
export interface ProcessService extends Pick<
  KernelService,
  | 'submitTask'
  | 'runTask'
  | 'tasks'
  | 'task'
  | 'taskEvents'
  | 'taskOutput'
  | 'cancelTask'
  | 'agents'
  | 'spawnAgent'
  | 'agent'
  | 'stopAgent'
  | 'tools'
  | 'tool'
  | 'callTool'
> {
  self(): SelfView
}

/** One way to ask. */
export interface ProcessSocket {
  /** Of this machine. */
  readonly path: string
  /** Cuts every connection, whoever holds its other end. May be called twice; never rejects. */
  readonly close: () => Promise<void>
}

/** Unix sockets on which processes ask. Nothing is retried; calls may overlap. */
export interface ProcessSockets {
  /** It listens when this resolves. @throws WeaverError `API_SOCKET_PATH_TOO_LONG`, `API_LISTEN_FAILED` */
  open(service: ProcessService): Promise<ProcessSocket>
}
